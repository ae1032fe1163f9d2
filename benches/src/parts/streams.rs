//! Real logs: each stream in a server of its own, and what it takes there after the seal against
//! what zstd -3 makes of the whole of it. Where the logs are not there, this part is skipped.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::median;
use crate::Failure;
use crate::report::{Floor, Report};
use crate::scale::Scale;
use crate::server::Server;

const PART: &str = "streams";

/// Smaller streams say little: what every segment has once outweighs their rows.
const RAW_BYTES_MIN: u64 = 1_000_000;

/// What one stream gave.
struct Stored {
    raw_bytes: u64,
    disk_per_zstd: f64,
    rows_per_s: f64,
}

pub(super) fn run(report: &mut Report, scale: &Scale) -> Result<(), Failure> {
    let mut all = Vec::new();
    for path in paths() {
        let raw = zstd::decode_all(fs::File::open(&path)?)?;
        let raw_bytes = raw.len() as u64;
        if raw_bytes <= RAW_BYTES_MIN || raw_bytes > scale.stream_bytes_max {
            continue;
        }
        let name = name_of(&path);
        let stored = store(&raw)?;
        let ratio = stored.disk_per_zstd;
        report.measured(PART, &format!("{name}: disk against zstd -3"), ratio, "B/B");
        all.push(stored);
    }
    if all.is_empty() {
        report.skip("streams: no real logs here, or none of a fitting size (VARVE_SHARED)");
        return Ok(());
    }
    let logarithms: f64 = all.iter().map(|stored| stored.disk_per_zstd.ln()).sum();
    let mean = (logarithms / all.len() as f64).exp();
    report.bounded(PART, "geometric mean against zstd -3", mean, "B/B", Floor::AtMost(1.0));
    let raw_bytes: u64 = all.iter().map(|stored| stored.raw_bytes).sum();
    report.measured(PART, "streams", all.len() as f64, "");
    report.measured(PART, "raw bytes of them", raw_bytes as f64 / 1e6, "MB");
    let rows_per_s = median(all.iter().map(|stored| stored.rows_per_s).collect());
    report.measured(PART, "varve send, median of the streams", rows_per_s, "rows/s");
    Ok(())
}

/// Sends a stream with `varve send` to a fresh server, and seals.
fn store(raw: &[u8]) -> Result<Stored, Failure> {
    let file = tempfile::Builder::new().prefix("stream-").suffix(".log").tempfile()?;
    fs::write(file.path(), raw)?;
    let server = Server::start()?;
    let begun = Instant::now();
    let path = file.path().to_str().ok_or("the folder for temporary files is not UTF-8")?;
    server.run(&["send", path, "--service", "stream"])?;
    let took = begun.elapsed();
    let rows = super::questions::total(server.http())?;
    server.run(&["cluster", "seal"])?;
    let zstd_bytes = zstd::bulk::compress(raw, 3)?.len();
    Ok(Stored {
        raw_bytes: raw.len() as u64,
        disk_per_zstd: server.disk()?.stored as f64 / zstd_bytes as f64,
        rows_per_s: rows as f64 / took.as_secs_f64(),
    })
}

/// The logs: `VARVE_SHARED`, or `../shared` beside the project.
fn paths() -> Vec<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("VARVE_SHARED").map_or(beside, PathBuf::from);
    let mut found = Vec::new();
    // A folder that is not there holds no logs.
    let _ = collect(&shared.join("data"), &mut found);
    found.sort();
    found
}

fn collect(dir: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|end| end == "zst") {
            found.push(path);
        }
    }
    Ok(())
}

fn name_of(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
