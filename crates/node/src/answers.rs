//! What this node answers to its peers: its groups do, and its reader.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use varve_consensus::{Admission, Host, JoinError, JoinRequest, MessageKind, PeerMessage};
use varve_types::NodeId;

use crate::peer::{Identity, Receive};
use crate::read::Reader;

/// The node as its peers see it.
pub(crate) struct Answers {
    pub host: Host,
    pub reader: Arc<Reader>,
}

#[async_trait]
impl Receive for Answers {
    fn identity(&self) -> Identity {
        Identity::of(&self.host)
    }

    fn check_peer(&self, from: NodeId) -> Result<(), String> {
        self.host.check_peer(from)
    }

    async fn receive(&self, from: NodeId, message: PeerMessage) -> Result<Bytes, String> {
        if message.kind == MessageKind::Query {
            return self.reader.answer(message.body).await;
        }
        self.host.receive(from, message).await.map_err(|error| error.to_string())
    }

    async fn admit(&self, request: JoinRequest) -> Result<Admission, JoinError> {
        self.host.admit(request).await
    }
}
