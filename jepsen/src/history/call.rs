//! Calls: an operation that began something, with the one that ended it.

use std::collections::BTreeMap;

use super::{Action, Kind, Op, Process};

/// Why operations are no history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Something ended that had not begun.
    #[error("operation {0} ends what {1} never began")]
    NotBegun(u64, Process),
    /// A process began a second thing before the first ended.
    #[error("operation {0} begins something before what {1} began has ended")]
    TwoAtOnce(u64, Process),
    /// What ended is not what began.
    #[error("operation {0} ends something else than {1} began")]
    OtherEnd(u64, Process),
    /// Time went back.
    #[error("operation {0} happened before the one before it")]
    TimeWentBack(u64),
}

/// A moment of a history. What has the lower index came first, also where the clock did not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// That of the operation.
    pub index: u64,
    /// Since the run began.
    pub time_ns: u64,
}

/// A call of a client.
#[derive(Clone, Copy, Debug)]
pub struct Called<'a> {
    /// Who called.
    pub process: Process,
    /// When.
    pub begun: Moment,
    /// What was asked.
    pub asked: &'a Action,
    /// What came of it.
    pub end: End<'a>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub enum End<'a> {
    /// It happened, and this is the answer.
    Ok {
        /// When the answer was there.
        at: Moment,
        /// What it was.
        answer: &'a Action,
    },
    /// It did not happen and will not.
    Failed,
    /// Nobody knows.
    Unknown,
}

/// The calls of a history, in the order in which they began.
#[derive(Clone, Debug, Default)]
pub struct Calls<'a>(Vec<Called<'a>>);

impl<'a> Calls<'a> {
    pub(super) fn of(ops: &'a [Op]) -> Result<Self, Malformed> {
        let mut calls: Vec<Called<'a>> = Vec::new();
        let mut pending: BTreeMap<Process, usize> = BTreeMap::new();
        let mut last_ns = 0;
        for op in ops {
            if op.time_ns < last_ns {
                return Err(Malformed::TimeWentBack(op.index));
            }
            last_ns = op.time_ns;
            let at = op.moment();
            if op.process == Process::Nemesis {
                continue;
            }
            let end = match op.kind {
                Kind::Invoke => {
                    if pending.insert(op.process, calls.len()).is_some() {
                        return Err(Malformed::TwoAtOnce(op.index, op.process));
                    }
                    let (process, asked) = (op.process, &op.action);
                    calls.push(Called { process, begun: at, asked, end: End::Unknown });
                    continue;
                }
                Kind::Ok => End::Ok { at, answer: &op.action },
                Kind::Fail => End::Failed,
                Kind::Info => End::Unknown,
            };
            let call = pending.remove(&op.process).and_then(|call| calls.get_mut(call));
            let call = call.ok_or(Malformed::NotBegun(op.index, op.process))?;
            if !is_of(call.asked, &op.action) {
                return Err(Malformed::OtherEnd(op.index, op.process));
            }
            call.end = end;
        }
        Ok(Self(calls))
    }

    /// Each of them, in the order in which they began.
    pub fn iter(&self) -> impl Iterator<Item = &Called<'a>> {
        self.0.iter()
    }
}

/// Whether an action that ended is the one that began.
fn is_of(begun: &Action, ended: &Action) -> bool {
    match (begun, ended) {
        (Action::Append { batch, rows, .. }, Action::Append { batch: other, rows: more, .. }) => {
            batch == other && rows == more
        }
        (Action::Read { selection, .. }, Action::Read { selection: other, .. }) => {
            selection == other
        }
        (
            Action::Write { register, value },
            Action::Write { register: other, value: other_value },
        ) => register == other && value == other_value,
        (Action::Get { register, .. }, Action::Get { register: other, .. }) => register == other,
        (Action::Replicas(_), Action::Replicas(_)) => true,
        _ => false,
    }
}
