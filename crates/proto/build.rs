//! Compiles the .proto files in Rust: nothing but cargo is needed to build.

use std::error::Error;
use std::path::PathBuf;

const ROOT: &str = "../../proto";
/// What clients see, also by reflection.
const API: [&str; 3] = ["varve/v1/record.proto", "varve/v1/log.proto", "varve/v1/cluster.proto"];
/// What nodes say to one another.
const PEER: &str = "varve/v1/peer.proto";

#[expect(clippy::disallowed_methods, reason = "a build script runs outside any simulation")]
fn main() -> Result<(), Box<dyn Error>> {
    for file in API.into_iter().chain([PEER]) {
        println!("cargo:rerun-if-changed={ROOT}/{file}");
    }
    let mut compiler = protox::Compiler::new([ROOT])?;
    compiler.include_imports(true).include_source_info(true).open_files(API)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("varve.v1.bin"), compiler.encode_file_descriptor_set())?;
    compiler.open_files([PEER])?;
    tonic_prost_build::configure().bytes(".").compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
