//! What a node is asked about some shards, and what it answers.
//!
//! ```text
//! fragment = version u8, list of (shard u64, at), asked
//! at       = 0 whatever | 1 applied (index u64) | 2 whole
//! asked    = 1 search | 2 aggregate | 3 records (list of lookup)
//! reply    = version u8, list of (shard u64, read), part
//! read     = 0 index option u64 | 1 why not, text
//! part     = 0 too many counts | 1 keys | 2 counts | 3 records     as asked
//! ```

use std::collections::BTreeMap;

use bytes::Bytes;
use varve_consensus::ReadAt;
use varve_query::wire::{Reader, WireError, Writer};
use varve_query::{Aggregate, Counted, Keys, Lookup, Records, Search};
use varve_types::{LogIndex, ShardId};

const VERSION: u8 = 1;

/// The fewest bytes of a shard in a fragment or in a reply.
const SHARD_BYTES: usize = 9;

/// A question about some shards.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fragment {
    /// What is to be read, and what of it a replica must have.
    pub shards: Vec<(ShardId, ReadAt)>,
    /// What is asked.
    pub asked: Asked,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Asked {
    /// The keys of the records that match.
    Search(Search),
    /// Counts.
    Aggregate(Aggregate),
    /// Records by their ids: as many as fit into one reply, but for none at least one.
    Records(Vec<Lookup>),
}

/// What a node answers.
#[derive(Debug)]
pub(super) struct Reply {
    /// How far each shard was read, or why it was not.
    pub shards: BTreeMap<ShardId, Result<Option<LogIndex>, String>>,
    /// What was found in those that were.
    pub part: Part,
}

/// A part of an answer.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there are a few at a time, one for each node")]
pub(super) enum Part {
    /// There are more counts than an answer may have.
    TooManyCells,
    /// The keys of what matches.
    Keys(Keys),
    /// Counts.
    Counted(Counted),
    /// Records.
    Records(Records),
}

impl Fragment {
    pub(super) fn encode(&self) -> Bytes {
        let mut writer = Writer::default();
        writer.u8(VERSION);
        writer.list(&self.shards, |writer, (shard, at)| {
            writer.u64(shard.get());
            match at {
                ReadAt::Whatever => writer.u8(0),
                ReadAt::Applied(index) => {
                    writer.u8(1);
                    writer.u64(index.get());
                }
                ReadAt::Whole => writer.u8(2),
            }
        });
        match &self.asked {
            Asked::Search(search) => {
                writer.u8(1);
                search.write(&mut writer);
            }
            Asked::Aggregate(aggregate) => {
                writer.u8(2);
                aggregate.write(&mut writer);
            }
            Asked::Records(lookups) => {
                writer.u8(3);
                writer.list(lookups, |writer, lookup| lookup.write(writer));
            }
        }
        writer.finish()
    }

    pub(super) fn decode(bytes: Bytes) -> Result<Self, WireError> {
        let mut reader = versioned(bytes)?;
        let shards =
            reader.list(SHARD_BYTES, |reader| Ok((ShardId(reader.u64()?), read_at(reader)?)))?;
        let asked = match reader.u8()? {
            1 => Asked::Search(Search::read(&mut reader)?),
            2 => Asked::Aggregate(Aggregate::read(&mut reader)?),
            3 => Asked::Records(reader.list(Lookup::BYTES_MIN, Lookup::read)?),
            _ => return Err(reader.refuse("there is no such question")),
        };
        reader.end()?;
        Ok(Self { shards, asked })
    }
}

impl Reply {
    pub(super) fn encode(self) -> Bytes {
        let mut writer = Writer::default();
        writer.u8(VERSION);
        writer.list(&self.shards, |writer, (shard, read)| {
            writer.u64(shard.get());
            match read {
                Ok(index) => {
                    writer.u8(0);
                    writer.option(*index, |writer, index| writer.u64(index.get()));
                }
                Err(why) => {
                    writer.u8(1);
                    writer.bytes(why.as_bytes());
                }
            }
        });
        match self.part {
            Part::TooManyCells => writer.u8(0),
            Part::Keys(keys) => {
                writer.u8(1);
                keys.write(&mut writer);
            }
            Part::Counted(counted) => {
                writer.u8(2);
                counted.write(&mut writer);
            }
            Part::Records(records) => {
                writer.u8(3);
                records.write(&mut writer);
            }
        }
        writer.finish()
    }

    /// Reads the reply to a fragment: about its shards, and what was asked.
    pub(super) fn decode(fragment: &Fragment, bytes: Bytes) -> Result<Self, WireError> {
        let mut reader = versioned(bytes)?;
        let shards = reader.list(SHARD_BYTES, |reader| {
            let shard = ShardId(reader.u64()?);
            let read = match reader.u8()? {
                0 => Ok(reader.option(|reader| reader.u64().map(LogIndex))?),
                1 => Err(reader.string()?),
                _ => return Err(reader.refuse("a shard is neither read nor not")),
            };
            Ok((shard, read))
        })?;
        let shards: BTreeMap<_, _> = shards.into_iter().collect();
        if !shards.keys().eq(fragment.shards.iter().map(|(shard, _)| shard)) {
            return Err(reader.refuse("it is not about the shards that were asked about"));
        }
        let part = match (reader.u8()?, &fragment.asked) {
            (0, Asked::Aggregate(_)) => Part::TooManyCells,
            (1, Asked::Search(_)) => Part::Keys(Keys::read(&mut reader)?),
            (2, Asked::Aggregate(asked)) => Part::Counted(Counted::read(asked, &mut reader)?),
            (3, Asked::Records(_)) => Part::Records(Records::read(&mut reader)?),
            _ => return Err(reader.refuse("it does not answer what was asked")),
        };
        reader.end()?;
        Ok(Self { shards, part })
    }
}

fn versioned(bytes: Bytes) -> Result<Reader, WireError> {
    let mut reader = Reader::new(bytes);
    match reader.u8()? {
        VERSION => Ok(reader),
        _ => Err(reader.refuse("its version is not known here: run the same version everywhere")),
    }
}

fn read_at(reader: &mut Reader) -> Result<ReadAt, WireError> {
    Ok(match reader.u8()? {
        0 => ReadAt::Whatever,
        1 => ReadAt::Applied(LogIndex(reader.u64()?)),
        2 => ReadAt::Whole,
        _ => return Err(reader.refuse("there is no such point")),
    })
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use varve_types::RecordId;

    use super::*;

    fn fragments() -> Vec<Fragment> {
        let shards = vec![
            (ShardId(1), ReadAt::Whole),
            (ShardId(2), ReadAt::Applied(LogIndex(7))),
            (ShardId(9), ReadAt::Whatever),
        ];
        let id = RecordId { shard: ShardId(2), index: LogIndex(3), row: 4.into() };
        [
            Asked::Search(Search { services: vec!["api".to_owned()], ..Search::default() }),
            Asked::Aggregate(Aggregate { by_level: true, ..Aggregate::default() }),
            Asked::Records(vec![Lookup { id, time: None }]),
        ]
        .map(|asked| Fragment { shards: shards.clone(), asked })
        .into()
    }

    #[test]
    fn fragments_read_back_and_are_refused_when_cut() {
        for fragment in fragments() {
            let bytes = fragment.encode();
            assert_eq!(Fragment::decode(bytes.clone()).unwrap(), fragment);
            for end in 0..bytes.len() {
                Fragment::decode(bytes.slice(..end)).unwrap_err();
            }
        }
    }

    #[test]
    fn a_reply_must_answer_what_was_asked() {
        let [search, aggregate, records] = <[Fragment; 3]>::try_from(fragments()).unwrap();
        let reply = |shards: &[u64], part| {
            let read = |shard: &u64| (ShardId(*shard), Err("gone".to_owned()));
            Reply { shards: shards.iter().map(read).collect(), part }.encode()
        };
        let found = || Part::Records(Records::default());
        let bytes = reply(&[1, 2, 9], found());
        let read = Reply::decode(&records, bytes.clone()).unwrap();
        assert_eq!(read.shards[&ShardId(9)], Err("gone".to_owned()));
        for end in 0..bytes.len() {
            Reply::decode(&records, bytes.slice(..end)).unwrap_err();
        }
        Reply::decode(&search, bytes.clone()).unwrap_err();
        Reply::decode(&aggregate, bytes).unwrap_err();
        Reply::decode(&records, reply(&[1, 2], found())).unwrap_err();
        Reply::decode(&aggregate, reply(&[1, 2, 9], Part::TooManyCells)).unwrap();
        Reply::decode(&search, reply(&[1, 2, 9], Part::TooManyCells)).unwrap_err();
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in vec(any::<u8>(), 0..80), at: usize, flip: u8) {
            for fragment in fragments() {
                let mut versioned = bytes.clone();
                versioned.insert(0, VERSION);
                let _ = Fragment::decode(versioned.clone().into());
                let _ = Reply::decode(&fragment, versioned.into());
                let mut damaged = fragment.encode().to_vec();
                let at = at % damaged.len();
                damaged[at] ^= flip;
                let _ = Fragment::decode(damaged.into());
            }
        }
    }
}
