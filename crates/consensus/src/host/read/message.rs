//! Asking a node for the read indexes of the shards that it leads: many in one message.
//!
//! ```text
//! request = version u8, list of shard u64
//! reply   = version u8, list of (shard u64, answer), of the shards asked for
//! answer  = 1 index      (index u64?, list of successor u64)
//!         | 2 whole      (list of successor u64)
//!         | 3 not leader (leader u64?)
//!         | 4 failed     (text)
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use varve_types::{GroupId, LogIndex, NodeId, ShardId};

use super::super::{Inner, Local, ReceiveError};
use super::points::ASK_LIMIT;
use super::successors;
use crate::codec::{CodecError, Reader, Writer};
use crate::group::GroupError;
use crate::network::{MessageKind, PeerMessage};

const VERSION: u8 = 1;

/// What one node says of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IndexAnswer {
    /// It leads, and whoever applied the index shows all that was acknowledged before it was
    /// asked.
    Index {
        /// `None` for a shard without entries.
        index: Option<LogIndex>,
        /// Who takes the writes when the shard is sealed.
        successors: Vec<ShardId>,
    },
    /// The shard is closed, and all of it is there.
    Whole {
        /// Who takes the writes.
        successors: Vec<ShardId>,
    },
    /// Another leads.
    NotLeader(Option<NodeId>),
    /// It does not serve the shard, or no quorum confirmed.
    Failed(String),
}

/// What a node says of the shards that it was asked about.
pub(crate) type IndexAnswers = BTreeMap<ShardId, IndexAnswer>;

impl Inner {
    /// Asks a node, this one too, about shards.
    pub(super) async fn read_indexes(
        &self,
        node: NodeId,
        shards: Vec<ShardId>,
        limit: Duration,
    ) -> Result<IndexAnswers, String> {
        if node == self.node {
            return Ok(self.read_indexes_here(shards, limit).await);
        }
        let body = encode_request(&shards);
        let message = PeerMessage::to_node(MessageKind::ReadIndex, GroupId::CATALOG, body);
        let sent = tokio::time::timeout(limit, self.transport.send(node, message)).await;
        let reply = sent.map_err(|_| format!("no answer within {limit:?}"))?;
        decode_reply(reply.map_err(|error| error.to_string())?).map_err(|error| error.to_string())
    }

    /// Answers a peer.
    pub(in crate::host) async fn answer_read_index(
        &self,
        body: Bytes,
    ) -> Result<Bytes, ReceiveError> {
        let shards = decode_request(body)?;
        Ok(encode_reply(&self.read_indexes_here(shards, ASK_LIMIT).await))
    }

    async fn read_indexes_here(&self, shards: Vec<ShardId>, limit: Duration) -> IndexAnswers {
        let answers = shards.into_iter().map(async |shard| {
            let answer = self.read_index_here(shard, limit).await;
            (shard, answer)
        });
        join_all(answers).await.into_iter().collect()
    }

    async fn read_index_here(&self, shard: ShardId, limit: Duration) -> IndexAnswer {
        let replica = match self.local(shard) {
            Some(Local::Running(replica)) => replica,
            Some(Local::Closed(home)) => {
                return IndexAnswer::Whole { successors: successors(home.shard().phase()) };
            }
            Some(Local::Refused(_)) | None => {
                return IndexAnswer::Failed(self.not_here(shard).to_string());
            }
        };
        if !replica.group.leads() {
            let leader = replica.group.leader().filter(|leader| *leader != self.node);
            return IndexAnswer::NotLeader(leader);
        }
        match replica.group.read_index(limit).await {
            Ok(index) => {
                let successors = successors(replica.home.shard().phase());
                IndexAnswer::Index { index, successors }
            }
            Err(GroupError::NotLeader(leader)) => IndexAnswer::NotLeader(leader),
            Err(GroupError::Timeout(limit)) => {
                IndexAnswer::Failed(format!("no quorum confirmed within {limit:?}"))
            }
            // It may have been closed meanwhile: then all of it is here.
            Err(GroupError::Stopped(why)) => match self.local(shard) {
                Some(Local::Closed(home)) => {
                    IndexAnswer::Whole { successors: successors(home.shard().phase()) }
                }
                _ => IndexAnswer::Failed(why),
            },
        }
    }
}

pub(crate) fn encode_request(shards: &[ShardId]) -> Bytes {
    let mut writer = Writer::with_capacity(VERSION, 16 + 8 * shards.len());
    writer.list(shards, |writer, shard| writer.u64(shard.get()));
    writer.finish()
}

pub(crate) fn decode_request(bytes: Bytes) -> Result<Vec<ShardId>, CodecError> {
    let mut reader = Reader::new("request for read indexes", VERSION, bytes)?;
    let shards = read_shards(&mut reader)?;
    reader.end()?;
    Ok(shards)
}

pub(crate) fn encode_reply(answers: &IndexAnswers) -> Bytes {
    let mut writer = Writer::with_capacity(VERSION, 16 + 24 * answers.len());
    writer.list(answers, |writer, (shard, answer)| {
        writer.u64(shard.get());
        write_answer(writer, answer);
    });
    writer.finish()
}

fn write_answer(writer: &mut Writer, answer: &IndexAnswer) {
    match answer {
        IndexAnswer::Index { index, successors } => {
            writer.u8(1);
            writer.option(*index, |writer, index| writer.u64(index.get()));
            writer.list(successors, |writer, shard| writer.u64(shard.get()));
        }
        IndexAnswer::Whole { successors } => {
            writer.u8(2);
            writer.list(successors, |writer, shard| writer.u64(shard.get()));
        }
        IndexAnswer::NotLeader(leader) => {
            writer.u8(3);
            writer.option(*leader, |writer, leader| writer.u64(leader.get()));
        }
        IndexAnswer::Failed(why) => {
            writer.u8(4);
            writer.bytes(why.as_bytes());
        }
    }
}

pub(crate) fn decode_reply(bytes: Bytes) -> Result<IndexAnswers, CodecError> {
    let mut reader = Reader::new("read indexes", VERSION, bytes)?;
    let answers = reader.list(|reader| Ok((ShardId(reader.u64()?), read_answer(reader)?)))?;
    reader.end()?;
    Ok(answers.into_iter().collect())
}

fn read_answer(reader: &mut Reader) -> Result<IndexAnswer, CodecError> {
    Ok(match reader.u8()? {
        1 => {
            let index = reader.option(|reader| reader.u64().map(LogIndex))?;
            IndexAnswer::Index { index, successors: read_shards(reader)? }
        }
        2 => IndexAnswer::Whole { successors: read_shards(reader)? },
        3 => IndexAnswer::NotLeader(reader.option(|reader| reader.u64().map(NodeId))?),
        4 => IndexAnswer::Failed(reader.string("text")?),
        _ => return Err(reader.impossible("answer")),
    })
}

fn read_shards(reader: &mut Reader) -> Result<Vec<ShardId>, CodecError> {
    reader.list(|reader| reader.u64().map(ShardId))
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn answers() -> impl Strategy<Value = IndexAnswer> {
        let shards = || vec(any::<u64>().prop_map(ShardId), 0..3);
        prop_oneof![
            (option::of(any::<u64>()), shards()).prop_map(|(index, successors)| {
                IndexAnswer::Index { index: index.map(LogIndex), successors }
            }),
            shards().prop_map(|successors| IndexAnswer::Whole { successors }),
            option::of(any::<u64>()).prop_map(|node| IndexAnswer::NotLeader(node.map(NodeId))),
            ".{0,5}".prop_map(IndexAnswer::Failed),
        ]
    }

    proptest! {
        #[test]
        fn messages_read_back(
            answers in btree_map(any::<u64>().prop_map(ShardId), answers(), 0..5),
            cut: usize,
        ) {
            let shards: Vec<ShardId> = answers.keys().copied().collect();
            prop_assert_eq!(decode_request(encode_request(&shards)).unwrap(), shards);
            let reply = encode_reply(&answers);
            prop_assert_eq!(decode_reply(reply.clone()).unwrap(), answers);
            decode_reply(reply.slice(..cut % reply.len())).unwrap_err();
        }

        #[test]
        fn no_bytes_panic(bytes in vec(any::<u8>(), 0..60)) {
            let _ = decode_request(bytes.clone().into());
            let _ = decode_reply(bytes.into());
        }
    }
}
