//! What became of a block, on its way back from the node that leads the shard.
//!
//! ```text
//! reply = version u8, kind u8, then
//!         1 committed    index u64, outcome
//!         2 sealed       outcome that names the successors
//!         3 not open     4 not leader (leader u64?)    5 not here
//!         6 timeout      7 overloaded                  8 disk full
//!         9 refused text                               10 stopped text
//! ```

use std::time::Duration;

use bytes::Bytes;
use varve_shard::{Outcome, Rejection};
use varve_types::{LogIndex, NodeId, ShardId};

use super::BlockCommit;
use crate::codec::{CodecError, Reader, Writer};
use crate::errors::ProposeError;

const VERSION: u8 = 1;

/// The reply to a block.
pub(crate) type Proposed = Result<BlockCommit, ProposeError>;

pub(crate) fn encode(proposed: &Proposed) -> Bytes {
    let mut writer = Writer::new(VERSION);
    match proposed {
        Ok(BlockCommit { index, outcome }) => {
            writer.u8(1);
            writer.u64(index.get());
            writer.bytes(&outcome.encode());
        }
        Err(ProposeError::Sealed { successors, .. }) => {
            let successors = successors.clone();
            writer.u8(2);
            writer.bytes(&Outcome::Rejected(Rejection::Sealed { successors }).encode());
        }
        Err(ProposeError::NotOpen(_)) => writer.u8(3),
        Err(ProposeError::NotLeader { leader, .. }) => {
            writer.u8(4);
            writer.option(*leader, |writer, node| writer.u64(node.get()));
        }
        Err(ProposeError::NotHere(_)) => writer.u8(5),
        Err(ProposeError::Timeout { .. }) => writer.u8(6),
        Err(ProposeError::Overloaded(_)) => writer.u8(7),
        Err(ProposeError::DiskFull) => writer.u8(8),
        Err(ProposeError::Refused(why)) => {
            writer.u8(9);
            writer.bytes(why.as_bytes());
        }
        Err(ProposeError::Stopped { why, .. }) => {
            writer.u8(10);
            writer.bytes(why.as_bytes());
        }
    }
    writer.finish()
}

/// The reply of a node that was asked for `shard` and had `limit` for it.
pub(crate) fn decode(
    bytes: Bytes,
    shard: ShardId,
    limit: Duration,
) -> Result<Proposed, CodecError> {
    let mut reader = Reader::new("reply to a block", VERSION, bytes)?;
    let proposed = match reader.u8()? {
        1 => {
            let index = LogIndex(reader.u64()?);
            Ok(BlockCommit { index, outcome: read_outcome(&mut reader)? })
        }
        2 => match read_outcome(&mut reader)? {
            Outcome::Rejected(Rejection::Sealed { successors }) => {
                Err(ProposeError::Sealed { shard, successors })
            }
            _ => return Err(reader.impossible("successors")),
        },
        3 => Err(ProposeError::NotOpen(shard)),
        4 => {
            let leader = reader.option(|reader| reader.u64().map(NodeId))?;
            Err(ProposeError::NotLeader { shard, leader })
        }
        5 => Err(ProposeError::NotHere(shard)),
        6 => Err(ProposeError::Timeout { shard, limit }),
        7 => Err(ProposeError::Overloaded(shard)),
        8 => Err(ProposeError::DiskFull),
        9 => Err(ProposeError::Refused(reader.string("refusal")?)),
        10 => Err(ProposeError::Stopped { shard, why: reader.string("reason")? }),
        _ => return Err(reader.impossible("kind")),
    };
    reader.end()?;
    Ok(proposed)
}

fn read_outcome(reader: &mut Reader) -> Result<Outcome, CodecError> {
    Outcome::decode(&reader.bytes()?).map_err(|_| reader.impossible("outcome"))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use varve_shard::Successor;
    use varve_types::HashRange;

    use super::*;

    const SHARD: ShardId = ShardId(3);
    const LIMIT: Duration = Duration::from_secs(4);

    #[test]
    fn replies_read_back() {
        let successors = vec![Successor { shard: ShardId(4), range: HashRange::WHOLE }];
        let text = || "why".to_owned();
        let replies: [Proposed; 12] = [
            Ok(BlockCommit { index: LogIndex(9), outcome: Outcome::Block(Vec::new()) }),
            Err(ProposeError::Sealed { shard: SHARD, successors }),
            Err(ProposeError::NotOpen(SHARD)),
            Err(ProposeError::NotLeader { shard: SHARD, leader: None }),
            Err(ProposeError::NotLeader { shard: SHARD, leader: Some(NodeId(2)) }),
            Err(ProposeError::NotHere(SHARD)),
            Err(ProposeError::Timeout { shard: SHARD, limit: LIMIT }),
            Err(ProposeError::Overloaded(SHARD)),
            Err(ProposeError::DiskFull),
            Err(ProposeError::Refused(text())),
            Err(ProposeError::Refused(String::new())),
            Err(ProposeError::Stopped { shard: SHARD, why: text() }),
        ];
        for reply in replies {
            let back = decode(encode(&reply), SHARD, LIMIT).unwrap();
            assert_eq!(format!("{back:?}"), format!("{reply:?}"));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_reply_or_an_error(mut bytes in vec(any::<u8>(), 0..64), kind in 0..12u8) {
            let _ = decode(bytes.clone().into(), SHARD, LIMIT);
            bytes.splice(0..0, [VERSION, kind]);
            let _ = decode(bytes.into(), SHARD, LIMIT);
        }
    }
}
