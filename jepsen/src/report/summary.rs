//! A run in numbers, as JSON with keys that stay.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

use crate::checker::{Back, Recovery, Verdict, recoveries};
use crate::history::{Action, Calls, End};
use crate::run::{Nodes, Options, Ran, Tally};

pub(super) fn of(options: &Options, ran: &Ran, calls: &Calls<'_>) -> Value {
    let (all, ok) = counts(calls);
    let faults: BTreeMap<&str, Value> =
        ran.faults.iter().map(|(name, tally)| (name.as_str(), of_fault(tally))).collect();
    let verdicts: BTreeMap<&str, Value> =
        ran.verdicts.iter().map(|verdict| (verdict.checker, of_verdict(verdict))).collect();
    let recoveries = recoveries(&ran.history, calls);
    json!({
        "good": ran.is_good(),
        "seed": options.seed,
        "commit": commit(),
        "begun_s": options.begun_s,
        "duration_s": options.duration.as_secs_f64(),
        "nodes": match &options.nodes {
            Nodes::Own(own) => json!(own.nodes),
            Nodes::Others(others) => {
                json!(others.iter().map(|target| &target.http).collect::<Vec<_>>())
            }
        },
        "operations": all,
        "operations_ok": ok,
        "operations_by_type": by_type(calls),
        "faults": faults,
        "back_ms": recoveries.iter().map(of_recovery).collect::<Vec<_>>(),
        "back_ms_max": recoveries.iter().filter_map(back_ms).max(),
        "verdicts": verdicts,
        "problems": ran.problems,
    })
}

/// How many calls there were, and how many went well.
pub(super) fn counts(calls: &Calls<'_>) -> (usize, usize) {
    let ok = calls.iter().filter(|call| matches!(call.end, End::Ok { .. })).count();
    (calls.iter().count(), ok)
}

fn by_type(calls: &Calls<'_>) -> BTreeMap<String, u64> {
    let mut counted = BTreeMap::new();
    for call in calls.iter() {
        let what = match call.asked {
            Action::Append { .. } => "append",
            Action::Read { .. } => "search",
            Action::Replicas(_) => "replicas",
            _ => "other",
        };
        let how = match call.end {
            End::Ok { .. } => "ok",
            End::Failed => "fail",
            End::Unknown => "info",
        };
        *counted.entry(format!("{what}-{how}")).or_default() += 1;
    }
    counted
}

fn of_fault(tally: &Tally) -> Value {
    json!({
        "installed": tally.installed,
        "skipped": tally.skipped,
        "indeterminate": tally.indeterminate,
        "never": tally.never,
    })
}

fn of_verdict(verdict: &Verdict) -> Value {
    json!({
        "kept": verdict.is_valid(),
        "undecided": verdict.undecided,
        "findings": verdict.findings.len(),
        "facts": verdict.facts,
    })
}

fn of_recovery(recovery: &Recovery) -> Value {
    let ms = |back: Back| match back {
        Back::NotAsked => Value::Null,
        Back::Asked(None) => json!("never"),
        Back::Asked(Some(ns)) => json!(ns / 1_000_000),
    };
    json!({
        "healed_ms": recovery.healed_ns / 1_000_000,
        "append": ms(recovery.append),
        "search": ms(recovery.search),
    })
}

/// After how long both went well.
fn back_ms(recovery: &Recovery) -> Option<u64> {
    match (recovery.append, recovery.search) {
        (Back::Asked(Some(append)), Back::Asked(Some(search))) => {
            Some(append.max(search) / 1_000_000)
        }
        _ => None,
    }
}

/// The commit that is checked out where the run was started, if any; `+` where files differ from it.
fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "HEAD"])?;
    let is_other = git(&["status", "--porcelain", "-uno"]).is_some_and(|said| !said.is_empty());
    Some(if is_other { format!("{commit}+") } else { commit })
}
