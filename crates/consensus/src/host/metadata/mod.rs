//! The catalog, as this node follows and changes it, whether it is a member of the metadata group
//! or not.
//!
//! | module | owns |
//! |---|---|
//! | `access` | changes and linearizable reads, at whoever leads |
//! | `admission` | taking in a node that wants to join |
//! | `seat` | this node's replica of the metadata group, while it has one |
//! | `watching` | following the catalog without one |
//! | `message` | what nodes say to each other for it |

mod access;
mod admission;
mod message;
mod seat;
mod watching;

pub use admission::{Admission, JoinError, JoinRequest};
pub(crate) use message::{MetadataReply, MetadataRequest};
pub(crate) use seat::Seat;
pub(super) use seat::SeatFile;
pub(super) use watching::{read as read_watched, watch_catalog, write as write_watched};

use bytes::Bytes;

use super::Inner;
use super::receive::ReceiveError;
use crate::driver::NodeReport;
use crate::group::GroupError;

impl Inner {
    /// Answers a node's question about the catalog.
    pub(super) async fn answer_metadata(&self, body: Bytes) -> Result<Bytes, ReceiveError> {
        let reply = match MetadataRequest::decode(body)? {
            MetadataRequest::Report => {
                MetadataReply::Report(NodeReport { more: None, ..self.report() })
            }
            MetadataRequest::FullReport => MetadataReply::Report(self.report()),
            MetadataRequest::Watch(known) => MetadataReply::News(self.wait_for_news(known).await),
            request => self.answer_as_leader(request).await,
        };
        Ok(reply.encode())
    }

    /// Answers what only the node that leads the metadata group can answer.
    pub(super) async fn answer_as_leader(&self, request: MetadataRequest) -> MetadataReply {
        let Some(group) = self.catalog_group() else { return MetadataReply::NotLeader(None) };
        let limit = self.settings.propose_limit;
        let answered = match request {
            MetadataRequest::Change(command) => group
                .propose(command, limit)
                .await
                .map(|(index, reply)| Self::changed(index, reply)),
            // What is applied here then shows all changes made before the question.
            MetadataRequest::Index => {
                let read = group.read_index(limit).await;
                read.map(|_| MetadataReply::Index(self.catalog().applied))
            }
            MetadataRequest::Admit(_) | MetadataRequest::Roll(_) if !group.leads() => {
                Err(GroupError::NotLeader(group.leader()))
            }
            MetadataRequest::Admit(joiner) => Ok(self.admit_joiner(joiner).await),
            MetadataRequest::Roll(shard) => Ok(match self.roll_here(shard).await {
                Ok(()) => MetadataReply::Done,
                Err(error) => MetadataReply::Failed(error.to_string()),
            }),
            MetadataRequest::Report | MetadataRequest::FullReport | MetadataRequest::Watch(_) => {
                unreachable!("BUG: every node answers {request:?}")
            }
        };
        answered.unwrap_or_else(|error| match error {
            GroupError::NotLeader(leader) => MetadataReply::NotLeader(leader),
            error => MetadataReply::Failed(error.to_string()),
        })
    }
}
