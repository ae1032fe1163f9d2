//! Each target has a program under libFuzzer, and nothing else has.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use toml::Table;
use varve_fuzz::TARGETS;

#[test]
fn each_target_has_a_program_and_each_program_a_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("libfuzzer");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("the manifest is there");
    let manifest: Table = manifest.parse().expect("the manifest is TOML");
    let listed = manifest["bin"].as_array().expect("programs are listed");
    let listed: BTreeSet<&str> =
        listed.iter().map(|program| program["name"].as_str().expect("a name")).collect();
    let targets: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(listed, targets);
    for name in targets {
        let path = folder.join(format!("fuzz_targets/{name}.rs"));
        let program = fs::read_to_string(&path);
        let program = program.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let call = format!("varve_fuzz::check(\"{name}\", input)");
        assert!(program.contains(&call), "{} does not read {call}", path.display());
    }
}
