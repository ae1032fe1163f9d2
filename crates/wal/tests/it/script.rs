//! Random changes to a log, and the simple model that says what they come to.

use std::collections::BTreeMap;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use varve_types::{GroupId, LogIndex};
use varve_wal::{GroupState, Wal, WalError};

use super::world::Group;

/// One change.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Append(Vec<Bytes>),
    Vote(Bytes),
    Committed(Bytes),
    /// Keep this many entries.
    Truncate(usize),
    /// Purge this many, which may be more than there are.
    Purge(usize),
    Remove,
}

/// A change of a group.
pub(crate) type Step = (GroupId, Change);

/// All groups, simply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Model(pub(crate) BTreeMap<GroupId, Group>);

/// Random steps; entries are up to `bytes_max` long.
pub(crate) fn script(seed: u64, steps: usize, groups: u64, bytes_max: usize) -> Vec<Step> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut unique = 0u64;
    let mut bytes = |random: &mut StdRng, max: usize| {
        unique += 1;
        let mut bytes = unique.to_le_bytes().to_vec();
        bytes.resize(8 + random.random_range(0..=max), unique as u8);
        Bytes::from(bytes)
    };
    (0..steps)
        .map(|_| {
            let group = GroupId::from_number(random.random_range(0..groups));
            let change = match random.random_range(0..100) {
                0..50 => {
                    let count = random.random_range(1..4);
                    Change::Append((0..count).map(|_| bytes(&mut random, bytes_max)).collect())
                }
                50..60 => Change::Vote(bytes(&mut random, 20)),
                60..75 => Change::Committed(bytes(&mut random, 20)),
                75..82 => Change::Truncate(random.random_range(0..6)),
                82..97 => Change::Purge(random.random_range(0..12)),
                _ => Change::Remove,
            };
            (group, change)
        })
        .collect()
}

/// Splits appends: a log takes each entry whole or not, but not necessarily all of a call.
pub(crate) fn single(steps: &[Step]) -> Vec<Step> {
    let split = |(group, change): &Step| match change {
        Change::Append(entries) => entries
            .iter()
            .map(|entry| (*group, Change::Append(vec![entry.clone()])))
            .collect::<Vec<_>>(),
        other => vec![(*group, other.clone())],
    };
    steps.iter().flat_map(split).collect()
}

impl Group {
    fn next(&self) -> LogIndex {
        let purged = self.state.purged.as_ref().map(|(index, _)| *index);
        self.state.last.or(purged).map_or(LogIndex(0), LogIndex::next)
    }

    fn settle(&mut self) {
        self.state.first = self.entries.first().map(|(index, _)| *index);
        self.state.last = self.entries.last().map(|(index, _)| *index);
    }

    fn last_kept(&self, keep: usize) -> Option<LogIndex> {
        let (index, _) = self.entries.get(keep.min(self.entries.len()).checked_sub(1)?)?;
        Some(*index)
    }

    fn purge_upto(&self, count: usize) -> LogIndex {
        let first = self.entries.first().map_or(self.next(), |(index, _)| *index);
        LogIndex(first.get() + count as u64)
    }
}

impl Model {
    pub(crate) fn apply(&mut self, (group, change): &Step) {
        if matches!(change, Change::Remove) {
            self.0.remove(group);
            return;
        }
        let model = self.0.entry(*group).or_default();
        match change {
            Change::Append(entries) => {
                for entry in entries {
                    model.entries.push((model.next(), entry.clone()));
                    model.settle();
                }
            }
            Change::Vote(vote) => model.state.vote = Some(vote.clone()),
            Change::Committed(committed) => model.state.committed = Some(committed.clone()),
            Change::Truncate(keep) => model.entries.truncate(*keep),
            Change::Purge(count) => {
                let upto = model.purge_upto(*count);
                model.entries.retain(|(index, _)| *index > upto);
                model.state.purged = Some((upto, log_id(upto)));
            }
            Change::Remove => {}
        }
        model.settle();
    }

    /// Calls the log with a change that the model has not seen yet. `done` is called when it is
    /// synced; at once for what nobody can wait for.
    pub(crate) fn call(
        &self,
        wal: &Wal,
        (group, change): &Step,
        done: impl FnOnce(Result<(), WalError>) + Send + 'static,
    ) {
        let empty = Group { state: GroupState::default(), entries: Vec::new() };
        let model = self.0.get(group).unwrap_or(&empty);
        let log = wal.group(*group);
        let outcome = match change {
            Change::Append(entries) => {
                let first = model.next().get();
                let indexes = (first..).map(LogIndex);
                return log.append(indexes.zip(entries.iter().cloned()).collect(), done);
            }
            Change::Committed(committed) => {
                log.save_committed(committed.clone());
                return done(Ok(()));
            }
            Change::Vote(vote) => log.save_vote(vote.clone()),
            Change::Truncate(keep) => log.truncate_after(model.last_kept(*keep)),
            Change::Purge(count) => {
                let upto = model.purge_upto(*count);
                log.purge(upto, log_id(upto))
            }
            Change::Remove => log.remove(),
        };
        tokio::spawn(async move { done(outcome.await) });
    }

    /// Without committed positions, which may lag, and the groups that only have one.
    pub(crate) fn without_committed(&self) -> Self {
        let mut other = self.clone();
        for group in other.0.values_mut() {
            group.state.committed = None;
        }
        other.0.retain(|_, group| *group != Group::default());
        other
    }
}

fn log_id(upto: LogIndex) -> Bytes {
    Bytes::from(format!("log id of {upto}"))
}
