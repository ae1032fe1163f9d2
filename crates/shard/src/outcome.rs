//! What applying a command came to, the same on every replica, and its bytes: the leader answers
//! the gateway with them.
//!
//! ```text
//! outcome   version u8 (1) | kind u8 | body
//! part      kind u8 | position; stored; stored, ranges; or a sequence
//! stored    count | (range | position)…
//! position  shard | index | row | rows
//! ```

use bytes::Bytes;
use varve_types::{HashRange, LogIndex, RowNumber, Sequence, ShardId};

use crate::Successor;
use crate::codec::{DecodeError, Reader, put_len, put_range, put_varint};
use crate::command::{put_successors, read_successors};

const VERSION: u8 = 1;

/// What applying one command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A block was taken up; one outcome per part, in the block's order.
    Block(Vec<PartOutcome>),
    /// The shard is sealed by this command.
    Sealed,
    /// The shard takes writes; it may have done so before.
    Inherited,
    /// The command changed nothing.
    Rejected(Rejection),
}

/// Why a command changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The shard was sealed before this command.
    Sealed {
        /// Who takes the writes.
        successors: Vec<Successor>,
    },
    /// A successor that has not inherited yet.
    NotOpen,
    /// The block or an inherited table is not what its format says. The leader verifies both
    /// before it proposes them, so this is rot in memory or a foreign proposer.
    Corrupt {
        /// What is wrong, and where.
        what: String,
    },
}

/// What became of the rows of one (batch, range).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartOutcome {
    /// Stored now.
    Stored {
        /// Where.
        position: Position,
    },
    /// All of it was stored before.
    Duplicate {
        /// Where. They may hold more than was sent, when the range is narrower now.
        stored: Vec<StoredRange>,
    },
    /// Some of it was stored before, under narrower ranges: none of it was stored now.
    Uncovered {
        /// Where that is.
        stored: Vec<StoredRange>,
        /// The ranges whose rows are to be sent again, and no others.
        left: Vec<HashRange>,
    },
    /// Another batch was stored under this key.
    Conflict,
    /// Too old to tell whether it was stored.
    Forgotten {
        /// The lowest sequence that is remembered.
        lowest: Sequence,
    },
    /// The memory for producers is used up; known producers go on.
    TooManyProducers,
}

/// Rows of a batch that were stored before: those whose hash lies in `range`, in the batch's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredRange {
    /// The range under which they were sent.
    pub range: HashRange,
    /// Where they are.
    pub position: Position,
}

/// Where rows were first stored: consecutive rows of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Which shard.
    pub shard: ShardId,
    /// Which entry.
    pub index: LogIndex,
    /// The first row in that entry's block.
    pub row: RowNumber,
    /// How many rows, from 1.
    pub rows: u32,
}

impl Outcome {
    /// The outcome as bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = vec![VERSION];
        match self {
            Self::Block(parts) => {
                out.push(0);
                put_len(&mut out, parts.len());
                for part in parts {
                    part.encode_into(&mut out);
                }
            }
            Self::Sealed => out.push(1),
            Self::Inherited => out.push(2),
            Self::Rejected(Rejection::Sealed { successors }) => {
                out.push(3);
                put_successors(&mut out, successors);
            }
            Self::Rejected(Rejection::NotOpen) => out.push(4),
            Self::Rejected(Rejection::Corrupt { what }) => {
                out.push(5);
                out.extend_from_slice(what.as_bytes());
            }
        }
        out.into()
    }

    /// The outcome in these bytes.
    ///
    /// # Errors
    ///
    /// Says where the bytes are no outcome.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(DecodeError { offset: 0, what: "an outcome of an unknown version" });
        }
        let outcome = match reader.u8()? {
            0 => {
                let count = reader.count(1)?;
                let parts = (0..count).map(|_| PartOutcome::read(&mut reader));
                Self::Block(parts.collect::<Result<_, _>>()?)
            }
            1 => Self::Sealed,
            2 => Self::Inherited,
            3 => {
                let successors = read_successors(&mut reader)?;
                Self::Rejected(Rejection::Sealed { successors })
            }
            4 => Self::Rejected(Rejection::NotOpen),
            5 => {
                let text = reader.take(bytes.len() - 2)?;
                let what = std::str::from_utf8(text)
                    .map_err(|_| DecodeError { offset: 2, what: "a text is not UTF-8" })?;
                Self::Rejected(Rejection::Corrupt { what: what.to_owned() })
            }
            _ => return Err(DecodeError { offset: 1, what: "an outcome of an unknown kind" }),
        };
        reader.end()?;
        Ok(outcome)
    }
}

impl PartOutcome {
    fn encode_into(&self, out: &mut Vec<u8>) {
        match self {
            Self::Stored { position } => {
                out.push(0);
                position.encode_into(out);
            }
            Self::Duplicate { stored } => {
                out.push(1);
                put_stored(out, stored);
            }
            Self::Uncovered { stored, left } => {
                out.push(2);
                put_stored(out, stored);
                put_len(out, left.len());
                for range in left {
                    put_range(out, *range);
                }
            }
            Self::Conflict => out.push(3),
            Self::Forgotten { lowest } => {
                out.push(4);
                put_varint(out, lowest.get());
            }
            Self::TooManyProducers => out.push(5),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            0 => Self::Stored { position: Position::read(reader)? },
            1 => Self::Duplicate { stored: read_stored(reader)? },
            2 => {
                let stored = read_stored(reader)?;
                let count = reader.count(2)?;
                let left = (0..count).map(|_| reader.range());
                Self::Uncovered { stored, left: left.collect::<Result<_, _>>()? }
            }
            3 => Self::Conflict,
            4 => {
                let lowest = Sequence::new(reader.varint()?);
                Self::Forgotten { lowest: lowest.ok_or_else(|| reader.refuse("a sequence of 0"))? }
            }
            5 => Self::TooManyProducers,
            _ => return Err(reader.refuse("a part's outcome of an unknown kind")),
        })
    }
}

fn put_stored(out: &mut Vec<u8>, stored: &[StoredRange]) {
    put_len(out, stored.len());
    for part in stored {
        put_range(out, part.range);
        part.position.encode_into(out);
    }
}

fn read_stored(reader: &mut Reader<'_>) -> Result<Vec<StoredRange>, DecodeError> {
    let count = reader.count(6)?;
    let part = |_| {
        let range = reader.range()?;
        Ok(StoredRange { range, position: Position::read(reader)? })
    };
    (0..count).map(part).collect()
}

impl Position {
    pub(crate) fn encode_into(&self, out: &mut Vec<u8>) {
        put_varint(out, self.shard.get());
        put_varint(out, self.index.get());
        put_varint(out, self.row.get().into());
        put_varint(out, self.rows.into());
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let position = Self {
            shard: ShardId(reader.varint()?),
            index: LogIndex(reader.varint()?),
            row: RowNumber(reader.varint_u32()?),
            rows: reader.varint_u32()?,
        };
        if position.rows == 0 || position.row.get().checked_add(position.rows).is_none() {
            return Err(reader.refuse("rows that cannot be"));
        }
        Ok(position)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Command;

    fn position() -> impl Strategy<Value = Position> {
        (any::<u64>(), any::<u64>(), 0..u32::MAX / 2, 1..u32::MAX / 2).prop_map(
            |(shard, index, row, rows)| Position {
                shard: ShardId(shard),
                index: LogIndex(index),
                row: RowNumber(row),
                rows,
            },
        )
    }

    fn range() -> impl Strategy<Value = HashRange> {
        (0..=HashRange::BITS_MAX).prop_flat_map(|bits| {
            (0..1u64 << bits).prop_map(move |prefix| HashRange::new(bits, prefix).expect("fits"))
        })
    }

    fn successors() -> impl Strategy<Value = Vec<Successor>> {
        let successor = (any::<u64>(), range())
            .prop_map(|(shard, range)| Successor { shard: ShardId(shard), range });
        proptest::collection::vec(successor, 0..4)
    }

    fn stored() -> impl Strategy<Value = Vec<StoredRange>> {
        let part =
            (range(), position()).prop_map(|(range, position)| StoredRange { range, position });
        proptest::collection::vec(part, 0..4)
    }

    fn part() -> impl Strategy<Value = PartOutcome> {
        prop_oneof![
            position().prop_map(|position| PartOutcome::Stored { position }),
            stored().prop_map(|stored| PartOutcome::Duplicate { stored }),
            (stored(), proptest::collection::vec(range(), 0..4))
                .prop_map(|(stored, left)| PartOutcome::Uncovered { stored, left }),
            Just(PartOutcome::Conflict),
            (1..=u64::MAX).prop_map(|lowest| PartOutcome::Forgotten {
                lowest: Sequence::new(lowest).expect("from 1")
            }),
            Just(PartOutcome::TooManyProducers),
        ]
    }

    fn outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            proptest::collection::vec(part(), 0..6).prop_map(Outcome::Block),
            Just(Outcome::Sealed),
            Just(Outcome::Inherited),
            successors().prop_map(|s| Outcome::Rejected(Rejection::Sealed { successors: s })),
            Just(Outcome::Rejected(Rejection::NotOpen)),
            any::<String>().prop_map(|what| Outcome::Rejected(Rejection::Corrupt { what })),
        ]
    }

    fn command() -> impl Strategy<Value = Command> {
        let bytes = || any::<Vec<u8>>().prop_map(Bytes::from);
        prop_oneof![
            bytes().prop_map(Command::Block),
            successors().prop_map(|successors| Command::Seal { successors }),
            proptest::collection::vec(bytes(), 0..4).prop_map(|tables| Command::Inherit { tables }),
        ]
    }

    proptest! {
        #[test]
        fn commands_and_outcomes_read_back(command in command(), outcome in outcome()) {
            prop_assert_eq!(Command::decode(&command.encode()), Ok(command));
            prop_assert_eq!(Outcome::decode(&outcome.encode()), Ok(outcome));
        }

        #[test]
        fn no_bytes_make_reading_panic(kind in 0u8..8, rest: Vec<u8>) {
            let bytes: Bytes = [vec![VERSION, kind], rest].concat().into();
            let _ = Command::decode(&bytes);
            let _ = Outcome::decode(&bytes);
        }
    }
}
