//! A short run of the harness itself: three real nodes, one that is killed, and a leader that is cut
//! off where this machine allows it.

use std::path::{Path, PathBuf};
use std::process::Command;

use varve_jepsen::checker::{Limits, check};
use varve_jepsen::{history, run};

const HARNESS: &str = env!("CARGO_BIN_EXE_varve-jepsen");

/// The binary under test: `VARVE_BIN`, or the one that cargo built beside this test.
fn varve() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("VARVE_BIN") {
        return Some(path.into());
    }
    let beside = Path::new(HARNESS).parent()?.join("varve");
    beside.is_file().then_some(beside)
}

#[test]
fn real_processes_are_attacked_and_keep_their_promises() {
    let Some(varve) = varve() else {
        println!("skipped: no varve binary beside {HARNESS}: cargo build -p varve-cli");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let output = Command::new(HARNESS)
        .args(["run", "--nodes", "3", "--nemesis", "kill-one,partition-leader,power-lost"])
        .args(["--duration", "10s", "--fault", "4s", "--calm", "4s", "--rate", "60"])
        .args(["--seed", "5", "--clients", "6", "--varve"])
        .arg(varve)
        .arg("--out")
        .arg(&out)
        .output()
        .expect("the harness runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let why = format!("{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{why}");
    assert!(why.contains("kill-one            1 seen"), "{why}");
    assert!(why.contains("power-lost          skipped: "), "{why}");
    let read = |name: &str| std::fs::read_to_string(out.join(name)).expect("it was written");
    let history = history::read(&read("history.edn")).expect("a history");
    let verdicts = check(&history, &Limits::default()).expect("a whole history");
    assert!(verdicts.iter().all(run::is_kept), "{verdicts:?}");
    let summary: serde_json::Value = serde_json::from_str(&read("summary.json")).expect("JSON");
    assert_eq!(summary["good"], true, "{summary:#}");
    assert_eq!(summary["faults"]["kill-one"]["installed"], 1, "{summary:#}");
    assert!(summary["operations"].as_u64() > Some(300), "{summary:#}");
    assert!(read("latency.svg").contains(">kill-one</text>"));
}
