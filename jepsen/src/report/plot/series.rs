//! What is drawn, taken from a history: calls with how long they took, what happened in each second,
//! and when there were faults.

use std::collections::BTreeMap;

use crate::checker::HEAL;
use crate::history::{Action, History, Kind, Op, Process};

const SECOND_NS: u64 = 1_000_000_000;

/// How a call ended, and of which kind it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Class {
    OkAppend,
    OkSearch,
    Fail,
    Info,
}

/// A call that ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) begun_ns: u64,
    pub(super) ended_ns: u64,
    pub(super) class: Class,
}

/// All that ended within one second.
#[derive(Clone, Debug, Default)]
pub(super) struct Second {
    pub(super) appended: u64,
    pub(super) found: u64,
    pub(super) not_well: u64,
    /// Of what went well, in order.
    latencies_ns: Vec<u64>,
}

/// From when to when there was a fault.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) name: String,
    pub(super) from_ns: u64,
    pub(super) to_ns: u64,
    pub(super) is_seen: bool,
}

pub(super) struct Series {
    pub(super) points: Vec<Point>,
    pub(super) seconds: Vec<Second>,
    pub(super) faults: Vec<Fault>,
    pub(super) end_ns: u64,
}

impl Series {
    pub(super) fn of(history: &History) -> Self {
        let points = points(history);
        let end_ns = history.ops().last().map_or(0, |op| op.time_ns);
        let count = usize::try_from(end_ns / SECOND_NS + 1).unwrap_or(usize::MAX);
        let mut seconds = vec![Second::default(); count];
        for point in &points {
            let at = usize::try_from(point.ended_ns / SECOND_NS).unwrap_or(usize::MAX);
            let Some(second) = seconds.get_mut(at) else { continue };
            match point.class {
                Class::OkAppend => second.appended += 1,
                Class::OkSearch => second.found += 1,
                Class::Fail | Class::Info => second.not_well += 1,
            }
            if matches!(point.class, Class::OkAppend | Class::OkSearch) {
                second.latencies_ns.push(point.ended_ns - point.begun_ns);
            }
        }
        seconds.iter_mut().for_each(|second| second.latencies_ns.sort_unstable());
        Self { points, seconds, faults: faults(history, end_ns), end_ns }
    }
}

impl Second {
    /// What part of the calls took no longer than this.
    pub(super) fn quantile_ns(&self, part: f64) -> Option<u64> {
        let last = self.latencies_ns.len().checked_sub(1)?;
        self.latencies_ns.get((last as f64 * part).round() as usize).copied()
    }

    /// What part of the calls went well.
    pub(super) fn availability(&self) -> Option<f64> {
        let ok = self.appended + self.found;
        let all = ok + self.not_well;
        (all > 0).then(|| ok as f64 / all as f64)
    }
}

impl Fault {
    /// What its name begins with.
    pub(super) fn kind(&self) -> &str {
        self.name.split('-').next().unwrap_or(&self.name)
    }
}

fn points(history: &History) -> Vec<Point> {
    let mut pending: BTreeMap<Process, &Op> = BTreeMap::new();
    let mut points = Vec::new();
    for op in history.ops().iter().filter(|op| op.process != Process::Nemesis) {
        if op.kind == Kind::Invoke {
            pending.insert(op.process, op);
            continue;
        }
        let Some(begun) = pending.remove(&op.process) else { continue };
        let class = match (op.kind, &op.action) {
            (Kind::Ok, Action::Append { .. }) => Class::OkAppend,
            (Kind::Ok, Action::Read { .. }) => Class::OkSearch,
            (Kind::Fail, _) => Class::Fail,
            (Kind::Info, _) => Class::Info,
            _ => continue,
        };
        points.push(Point { begun_ns: begun.time_ns, ended_ns: op.time_ns, class });
    }
    points
}

/// A fault lasts from its first mention until all are taken away.
fn faults(history: &History, end_ns: u64) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    let mut open: Option<Fault> = None;
    for op in history.ops() {
        let Action::Fault { name, detail } = &op.action else { continue };
        if name == HEAL {
            faults.extend(open.take().map(|fault| Fault { to_ns: op.time_ns, ..fault }));
        } else {
            let fault = open.get_or_insert_with(|| Fault {
                name: name.clone(),
                from_ns: op.time_ns,
                to_ns: end_ns,
                is_seen: false,
            });
            fault.is_seen |= detail.starts_with("installed");
        }
    }
    faults.extend(open);
    faults
}
