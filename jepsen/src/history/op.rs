//! One operation of a history, and what it is about.

use std::fmt;
use std::ops::RangeInclusive;

use varve_types::RecordId;

use super::Moment;

/// Something that began or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// Counts the operations of a history, from 0.
    pub index: u64,
    /// Since the run began.
    pub time_ns: u64,
    /// Who did it.
    pub process: Process,
    /// Whether it began or ended, and how.
    pub kind: Kind,
    /// What it was. One that ended well has the answer in it.
    pub action: Action,
    /// What went wrong, if it did.
    pub error: Option<String>,
}

impl Op {
    /// When it was.
    #[must_use]
    pub const fn moment(&self) -> Moment {
        Moment { index: self.index, time_ns: self.time_ns }
    }
}

/// Who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Process {
    /// A client. One that does not know how a call ended goes on under another number.
    Client(u64),
    /// Who brings the faults. What it does only begins: its operations are of kind `info`.
    Nemesis,
}

/// Whether an operation begins a call or ends one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It begins.
    Invoke,
    /// It happened.
    Ok,
    /// It did not happen and will not.
    Fail,
    /// It may have happened, or may yet.
    Info,
}

/// What is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A batch is sent. Once it is acknowledged, with where its rows are, if that was said.
    Append {
        /// Which.
        batch: Batch,
        /// How many rows it has.
        rows: u32,
        /// Where each of them is.
        places: Vec<Place>,
    },
    /// Rows are asked for, all that there are of a kind.
    Read {
        /// Of which kind.
        selection: Selection,
        /// What was found, in the order of the answer.
        found: Vec<Found>,
    },
    /// A setting of the cluster is made a number.
    Write {
        /// Its name.
        register: String,
        /// What it is to be.
        value: u64,
    },
    /// A setting of the cluster is asked for.
    Get {
        /// Its name.
        register: String,
        /// What it is; `None` before the answer, and where nobody ever set it.
        value: Option<u64>,
    },
    /// What replicas hold.
    Replicas(Vec<ReplicaState>),
    /// A fault is brought or taken away.
    Fault {
        /// What kind, as the catalogue of faults calls it; `heal` takes all away.
        name: String,
        /// To whom, and whether it was seen to happen.
        detail: String,
    },
}

/// A batch: the unit of acknowledgement and of exactly-once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Batch {
    /// Who numbers it.
    pub producer: u64,
    /// Its number, from 1.
    pub sequence: u64,
}

/// One row of a batch, by which all others are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Element {
    /// Its batch.
    pub batch: Batch,
    /// Which row of it, from 0.
    pub row: u32,
}

/// Where a row is, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Its shard.
    pub shard: u64,
    /// The entry of the shard's log that brought it.
    pub index: u64,
    /// Which row of that entry.
    pub row: u64,
}

/// A row of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Found {
    /// Which.
    pub element: Element,
    /// Where.
    pub place: Place,
    /// When the store says that it stored it, in nanoseconds since 1970; `None` where nobody noted
    /// that.
    pub stored_at_ns: Option<i64>,
}

/// Which rows are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Every one.
    All,
    /// Those of a producer.
    Producer(u64),
    /// Those of a batch.
    Batch(Batch),
}

/// What one replica of a shard holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaState {
    /// Of which shard.
    pub shard: u64,
    /// On which node.
    pub node: u64,
    /// The last entry that it applied; `None` once the shard is closed: then it is all of it.
    pub applied: Option<u64>,
    /// Rows that count.
    pub rows: u64,
    /// The digest of their content.
    pub content: String,
    /// The digest of its files, once they are what they will always be.
    pub files: Option<String>,
}

impl Selection {
    /// The batches whose rows are among them.
    #[must_use]
    pub const fn batches(self) -> RangeInclusive<Batch> {
        let (first, last) = match self {
            Self::All => ((0, 0), (u64::MAX, u64::MAX)),
            Self::Producer(producer) => ((producer, 0), (producer, u64::MAX)),
            Self::Batch(Batch { producer, sequence }) => {
                ((producer, sequence), (producer, sequence))
            }
        };
        Batch { producer: first.0, sequence: first.1 }..=Batch {
            producer: last.0,
            sequence: last.1,
        }
    }
}

impl From<RecordId> for Place {
    fn from(id: RecordId) -> Self {
        Self { shard: id.shard.get(), index: id.index.get(), row: id.row.get().into() }
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.producer, self.sequence)
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.batch, self.row)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {} at {}.{}", self.shard, self.index, self.row)
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(number) => write!(f, "client {number}"),
            Self::Nemesis => f.write_str("the nemesis"),
        }
    }
}
