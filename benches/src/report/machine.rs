//! Where figures were measured: the machine, what its disk takes to sync, the commit.

use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

/// How often a sync is tried.
const SYNC_PROBES: usize = 50;

pub(super) fn machine() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
    };
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let model = field(&read("/proc/cpuinfo"), "model name").unwrap_or_default();
    json!({
        "processor": format!("{processors} x {model}"),
        "memory": field(&read("/proc/meminfo"), "MemTotal"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "sync_ms": sync_ms(),
        // Others that compute at the same time make every figure worse.
        "load_before": read("/proc/loadavg").trim(),
    })
}

/// What writing 64 KiB and syncing them takes in the folder where servers get their data.
fn sync_ms() -> Option<f64> {
    let mut file = tempfile::tempfile().ok()?;
    let mut took = Vec::new();
    for _ in 0..SYNC_PROBES {
        let begun = Instant::now();
        file.write_all(&[b'x'; 64 << 10]).ok()?;
        file.sync_data().ok()?;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    Some(took[SYNC_PROBES / 2].as_secs_f64() * 1e3)
}

pub(super) fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".to_owned();
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    if changed.is_none_or(|changed| changed.is_empty()) { commit } else { commit + " with changes" }
}
