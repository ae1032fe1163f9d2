//! The called side: the handshake, and messages handed on to what answers them.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};
use varve_env::Env;
use varve_env::network::Listener;
use varve_proto::v1::peer_service_server::{PeerService, PeerServiceServer};
use varve_proto::v1::{
    Frame, Hello, IdentifyRequest, Introduction, JoinRequest, JoinResponse, Rejected, Welcome,
    frame,
};
use varve_types::NodeId;

use super::dial::{KEEP_ALIVE_INTERVAL, KEEP_ALIVE_LIMIT, WINDOW_BYTES};
use super::exchange::{Caller, Exchange};
use super::handshake::{Check, Refusal, Side, check_node, check_start, decode_lane};
use super::identify::check_alone;
use super::preface::PeerSocket;
use super::said::Said;
use super::stats::{PeerStats, add};
use super::{CONNECT_LIMIT, Directory, Identity, Receive, join};
use crate::NodeError;
use crate::listen;

/// How long to wait for a caller that is no member yet: one that has just been admitted may know
/// of that before this node does.
const MEMBER_PATIENCE: Duration = Duration::from_secs(1);
const MEMBER_POLL: Duration = Duration::from_millis(50);

type Frames = Pin<Box<dyn Stream<Item = Result<Frame, Status>> + Send>>;

/// The service on the peer port.
pub(super) struct PeerApi {
    env: Env,
    directory: Directory,
    receiver: Arc<dyn Receive>,
    stats: Arc<PeerStats>,
    said: Said<Check>,
    stopped: watch::Receiver<bool>,
}

/// Serves peers until `stopped` says so.
///
/// # Errors
///
/// When the transport fails as a whole; a broken connection is no error.
pub(crate) async fn serve(
    listener: Listener,
    (env, directory): (Env, Directory),
    receiver: Arc<dyn Receive>,
    stats: Arc<PeerStats>,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), NodeError> {
    let said = Said::default();
    let api = PeerApi { env, directory, receiver, stats, said, stopped: stopped.clone() };
    let incoming = listen::sockets(listener)
        .map(|(socket, peer)| Ok::<_, std::io::Error>(PeerSocket::new(socket, peer)));
    Server::builder()
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_LIMIT))
        .add_service(PeerServiceServer::new(api))
        .serve_with_incoming_shutdown(incoming, async move {
            // The sender goes only after it has sent.
            let _ = stopped.wait_for(|&stop| stop).await;
        })
        .await
        .map_err(|error| NodeError::Peer(error.to_string()))
}

#[tonic::async_trait]
impl PeerService for PeerApi {
    type ExchangeStream = Frames;

    async fn exchange(
        &self,
        request: Request<Streaming<Frame>>,
    ) -> Result<Response<Frames>, Status> {
        let address = request.extensions().get::<SocketAddr>().copied();
        let mut frames = request.into_inner();
        let first = timeout(CONNECT_LIMIT, frames.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no handshake came"))??;
        match self.admit_caller(first).await {
            Ok((caller, welcome)) => {
                self.said.forget(caller.node);
                let welcome = Frame { content: Some(frame::Content::Welcome(welcome)) };
                let first = futures::stream::once(async { Ok(welcome) });
                let receiver = Arc::clone(&self.receiver);
                let directory = self.directory.clone();
                let exchange = Exchange::new(caller, directory, receiver, Arc::clone(&self.stats));
                let replies = exchange.start(frames, self.stopped.clone());
                Ok(Response::new(Box::pin(first.chain(replies.map(Ok)))))
            }
            Err((node, refusal)) => {
                add(&self.stats.handshakes_refused, 1);
                if self.said.is_news(node, refusal.check) {
                    let (peer, from) = (node.get(), address.map(tracing::field::display));
                    tracing::error!(peer, from, "a peer is refused: {refusal}");
                }
                let Refusal { check, reason } = refusal;
                let rejected = Rejected { check: check as u32, reason };
                let rejected = Frame { content: Some(frame::Content::Rejected(rejected)) };
                Ok(Response::new(Box::pin(futures::stream::once(async { Ok(rejected) }))))
            }
        }
    }

    async fn identify(
        &self,
        _request: Request<IdentifyRequest>,
    ) -> Result<Response<Introduction>, Status> {
        Ok(Response::new(Side::here(self.receiver.identity(), &self.env.clock).encode()))
    }

    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        Ok(Response::new(
            join::answer(&*self.receiver, &self.env.clock, request.into_inner()).await,
        ))
    }
}

impl PeerApi {
    /// Who calls, when nothing speaks against it; who seems to call, when something does.
    async fn admit_caller(
        &self,
        first: Option<Frame>,
    ) -> Result<(Caller, Welcome), (NodeId, Refusal)> {
        let hello = match first.and_then(|frame| frame.content) {
            Some(frame::Content::Hello(hello)) => hello,
            _ => {
                let reason = "the first frame is no handshake".to_owned();
                return Err((NodeId(0), Refusal { check: Check::Form, reason }));
            }
        };
        let Hello { introduction, to, lane } = hello;
        let there = Side::decode(introduction).map_err(|refusal| (NodeId(0), refusal))?;
        let node = there.identity.node;
        let me = self.receiver.identity();
        let here = Side::here(me, &self.env.clock);
        let checked = async {
            here.check(&there)?;
            check_node(me.node, NodeId(to))?;
            let lane = decode_lane(lane)?;
            self.check_member(node).await?;
            self.check_process(there.identity).await?;
            Ok(lane)
        };
        let lane = checked.await.map_err(|refusal| (node, refusal))?;
        tracing::debug!(
            peer = node.get(),
            lane = lane.name(),
            version = there.version,
            "connected"
        );
        let start = there.identity.starts.this;
        Ok((Caller { node, start, lane }, Welcome { introduction: Some(here.encode()) }))
    }

    async fn check_member(&self, node: NodeId) -> Result<(), Refusal> {
        let until = Instant::now() + MEMBER_PATIENCE;
        loop {
            match self.receiver.check_peer(node) {
                Ok(()) => return Ok(()),
                Err(_) if Instant::now() < until => sleep(MEMBER_POLL).await,
                Err(reason) => return Err(Refusal { check: Check::Member, reason }),
            }
        }
    }

    /// Whether the caller is the only process that is its node. One that was started since the last
    /// that is known here is looked for at the node's address, where the one before may still run.
    async fn check_process(&self, there: Identity) -> Result<(), Refusal> {
        let known = self.directory.last_start(there.node);
        check_start(there, known)?;
        if known.is_said() && there.starts.this > known {
            check_alone(&self.env, &self.directory, there).await?;
        }
        self.directory.note_start(there.node, there.starts.this);
        Ok(())
    }
}
