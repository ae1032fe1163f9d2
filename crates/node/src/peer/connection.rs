//! One connection to a peer, from the first attempt to its end.

use std::sync::Arc;

use futures::StreamExt;
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::{Status, Streaming};
use varve_consensus::Lane;
use varve_env::Env;
use varve_proto::v1::peer_service_client::PeerServiceClient;
use varve_proto::v1::{Frame, Hello, Rejected, Welcome, frame};
use varve_types::NodeId;

use super::assembly::{Assembly, Malformed};
use super::call::Calls;
use super::dial::dial;
use super::handshake::{Check, Refusal, Side, check_node, check_start, encode_lane};
use super::{CONNECT_LIMIT, Directory, Identity};

/// Where a connection goes.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) node: NodeId,
    pub(super) address: String,
    pub(super) lane: Lane,
}

/// A connection, or the attempt at one. Requests may be queued at once.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) calls: Calls,
    welcomed: watch::Sender<bool>,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("{0}")]
    Connect(String),
    #[error("no handshake within {CONNECT_LIMIT:?}")]
    TooSlow,
    /// By this node.
    #[error("{0}")]
    Refused(Refusal),
    /// By the other one.
    #[error("{0}")]
    Rejected(Refusal),
    #[error("the connection broke: {}", .0.message())]
    Broken(#[from] Status),
    #[error("the node sent what is no message: {0}")]
    Malformed(#[from] Malformed),
    #[error("the node ended the connection")]
    Closed,
}

impl Connection {
    pub(super) fn new() -> Arc<Self> {
        let (welcomed, _) = watch::channel(false);
        Arc::new(Self { calls: Calls::default(), welcomed })
    }

    /// Whether the handshake is over.
    pub(super) fn is_welcome(&self) -> bool {
        *self.welcomed.borrow()
    }

    /// Waits until the handshake is over; for ever when it never is.
    pub(super) async fn welcome(&self) {
        // The sender lives as long as this.
        let _ = self.welcomed.subscribe().wait_for(|welcome| *welcome).await;
    }

    /// Connects, and carries messages until the connection ends. Says when it is welcome.
    pub(super) async fn run(
        self: &Arc<Self>,
        (env, directory): (&Env, &Directory),
        me: Identity,
        target: &Target,
        on_welcome: impl FnOnce(),
    ) -> Ended {
        let opened = timeout(CONNECT_LIMIT, self.open((env, directory), me, target)).await;
        let mut replies = match opened {
            Ok(Ok(replies)) => replies,
            Ok(Err(ended)) => return ended,
            Err(_) => return Ended::TooSlow,
        };
        on_welcome();
        self.welcomed.send_replace(true);
        match self.read(&mut replies).await {
            Ok(()) => Ended::Closed,
            Err(ended) => ended,
        }
    }

    async fn open(
        self: &Arc<Self>,
        (env, directory): (&Env, &Directory),
        me: Identity,
        target: &Target,
    ) -> Result<Streaming<Frame>, Ended> {
        let channel = dial(env, &target.address).await.map_err(Ended::Connect)?;
        let here = Side::here(me, &env.clock);
        let hello = Hello {
            introduction: Some(here.clone().encode()),
            to: target.node.get(),
            lane: encode_lane(target.lane),
        };
        let hello = Frame { content: Some(frame::Content::Hello(hello)) };
        let connection = Arc::clone(self);
        let frames = futures::stream::unfold(connection, |connection| async move {
            let frame = connection.calls.outbox.next().await?;
            Some((frame, connection))
        });
        let frames = futures::stream::once(async { hello }).chain(frames);
        let mut client = PeerServiceClient::new(channel);
        let mut replies = client.exchange(frames).await?.into_inner();
        let first = replies.message().await?.ok_or(Ended::Closed)?;
        let there = welcomed(first.content)?;
        let checked = check(&here, &there, target.node, directory);
        checked.map_err(Ended::Refused)?;
        Ok(replies)
    }

    async fn read(&self, replies: &mut Streaming<Frame>) -> Result<(), Ended> {
        let mut assembly = Assembly::default();
        while let Some(frame) = replies.message().await? {
            let Some(frame::Content::Parts(parts)) = frame.content else {
                return Err(Malformed::NoParts.into());
            };
            for part in parts.parts {
                let Some(whole) = assembly.take(part)? else { continue };
                let request = whole.request;
                if !self.calls.answer(whole) {
                    return Err(Malformed::Unasked(request).into());
                }
            }
        }
        Ok(())
    }
}

/// Who welcomes this node with the first frame of the other side.
fn welcomed(first: Option<frame::Content>) -> Result<Side, Ended> {
    match first {
        Some(frame::Content::Welcome(Welcome { introduction })) => {
            Side::decode(introduction).map_err(Ended::Refused)
        }
        Some(frame::Content::Rejected(Rejected { check, reason })) => {
            Err(Ended::Rejected(Refusal { check: Check::from_number(check), reason }))
        }
        _ => Err(Ended::Refused(Refusal {
            check: Check::Form,
            reason: "the other side answered no handshake: is it a node of Varve?".to_owned(),
        })),
    }
}

/// Whether the other side is the node that is meant. It is the process found at that node's
/// address, so that a start which is not known yet is its only one.
fn check(here: &Side, there: &Side, meant: NodeId, directory: &Directory) -> Result<(), Refusal> {
    here.check(there)?;
    check_node(there.identity.node, meant)?;
    check_start(there.identity, directory.last_start(meant))?;
    directory.note_start(meant, there.identity.starts.this);
    Ok(())
}
