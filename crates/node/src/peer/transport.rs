//! The transport to all peers: a connection for each lane of each, made when it is wanted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, timeout};
use varve_consensus::{Lane, PeerError, PeerMessage, PeerTransport};
use varve_env::Env;
use varve_types::NodeId;

use super::budget::Budget;
use super::connection::{Connection, Ended, Target};
use super::handshake::{Check, Refusal};
use super::outbox::Flow;
use super::said::Said;
use super::stats::{PeerStats, add};
use super::{CONNECT_LIMIT, Directory, Identity, MESSAGE_BYTES_MAX};
use crate::server::OnFatal;

/// The pause after the first attempt that failed; it doubles with each.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How long a message waits for an attempt after one that failed: a peer that is back is there
/// within that, and one that is down must not hold up those who could ask another.
const RETRY_PATIENCE: Duration = Duration::from_millis(200);

/// The way to all peers. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Peers(Arc<Shared>);

struct Shared {
    env: Env,
    directory: Directory,
    on_fatal: OnFatal,
    me: watch::Sender<Option<Identity>>,
    ways: Mutex<Ways>,
    said: Said<Trouble>,
    stats: Arc<PeerStats>,
}

/// The ways to peers, until the node stops.
#[derive(Default)]
struct Ways {
    closed: bool,
    open: BTreeMap<(NodeId, Lane), Arc<Way>>,
}

/// What is said about a peer, once until it is well again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    Refused(Check),
    Malformed,
    Unreachable,
}

/// One lane to one peer.
struct Way {
    target: (NodeId, Lane),
    budget: Budget,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<Arc<Connection>>,
    /// The last attempt, when it failed.
    failed: Option<Failed>,
}

struct Failed {
    address: String,
    why: String,
    pause: Duration,
    until: Instant,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Peers {
    /// A transport that waits with every message until it is told who this node is. A peer may say
    /// that another process is this node: it must not go on then.
    pub(crate) fn new(
        env: Env,
        directory: Directory,
        stats: Arc<PeerStats>,
        on_fatal: OnFatal,
    ) -> Self {
        let (me, _) = watch::channel(None);
        let (ways, said) = (Mutex::default(), Said::default());
        Self(Arc::new(Shared { env, directory, on_fatal, me, ways, said, stats }))
    }

    /// Says who this node is.
    pub(crate) fn introduce(&self, me: Identity) {
        self.0.me.send_replace(Some(me));
    }

    /// Ends all connections, and makes no more.
    pub(crate) fn close(&self) {
        let ways =
            std::mem::replace(&mut *lock(&self.0.ways), Ways { closed: true, ..Ways::default() });
        for way in ways.open.values() {
            if let Some(connection) = lock(&way.state).connection.take() {
                connection.calls.end("this node is stopping");
            }
        }
    }
}

#[async_trait]
impl PeerTransport for Peers {
    async fn send(&self, to: NodeId, message: PeerMessage) -> Result<Bytes, PeerError> {
        if message.body.len() > MESSAGE_BYTES_MAX {
            return Err(PeerError::Refused(format!(
                "a message of {} bytes is too large: at most {MESSAGE_BYTES_MAX} go",
                message.body.len()
            )));
        }
        // A message is queued when it is first polled, before others that are polled later: also
        // when tokio thinks that the task has done enough, which would let them overtake it.
        match unconstrained(self.0.send(to, message)).await {
            Ok(answer) => answer.map_err(PeerError::Refused),
            Err(why) => Err(PeerError::Unreachable { node: to, why }),
        }
    }
}

impl Shared {
    async fn send(
        self: &Arc<Self>,
        to: NodeId,
        message: PeerMessage,
    ) -> Result<Result<Bytes, String>, String> {
        let me = self.identity().await?;
        let lane = message.kind.lane();
        let way = self.way(to, lane)?;
        let _room = way.budget.take(message.body.len()).await;
        let (connection, failed) = self.connection(&way, me)?;
        let counts = self.stats.lane(lane);
        add(&counts.requests_sent, 1);
        add(&counts.request_bytes_sent, message.body.len());
        let flow = (lane == Lane::Raft).then(|| Flow(message.group.get()));
        let mut call = connection.calls.begin(flow, message.head(), message.body)?;
        match failed {
            Some(why) if !connection.is_welcome() => tokio::select! {
                biased;
                answer = call.answer() => return answer,
                welcome = timeout(RETRY_PATIENCE, connection.welcome()) => {
                    welcome.map_err(|_| why)?;
                }
            },
            Some(_) | None => {}
        }
        call.answer().await
    }

    /// Who this node is. Messages of a node that starts wait for it for a moment.
    async fn identity(&self) -> Result<Identity, String> {
        if let Some(me) = *self.me.borrow() {
            return Ok(me);
        }
        let mut me = self.me.subscribe();
        let known = timeout(CONNECT_LIMIT, me.wait_for(Option::is_some)).await;
        let known = known.ok().and_then(|me| me.ok().and_then(|me| *me));
        known.ok_or_else(|| "this node is still starting".to_owned())
    }

    fn way(&self, to: NodeId, lane: Lane) -> Result<Arc<Way>, String> {
        let mut ways = lock(&self.ways);
        if ways.closed {
            return Err("this node is stopping".to_owned());
        }
        let target = (to, lane);
        let new = || Arc::new(Way { target, budget: Budget::of(lane), state: Mutex::default() });
        Ok(Arc::clone(ways.open.entry(target).or_insert_with(new)))
    }

    /// The connection of a way: the one there is, or an attempt at a new one, with the reason why
    /// the attempt before failed when it did. An error during the pause after that.
    fn connection(
        self: &Arc<Self>,
        way: &Arc<Way>,
        me: Identity,
    ) -> Result<(Arc<Connection>, Option<String>), String> {
        let mut state = lock(&way.state);
        let failed = state.failed.as_ref().map(|failed| failed.why.clone());
        if let Some(connection) = &state.connection {
            return Ok((Arc::clone(connection), failed));
        }
        let (node, lane) = way.target;
        let address = self.directory.address_of(node).ok_or("its address is not known here")?;
        if let Some(failed) = &state.failed
            && failed.address == address
            && Instant::now() < failed.until
        {
            return Err(failed.why.clone());
        }
        let connection = Connection::new();
        state.connection = Some(Arc::clone(&connection));
        drop(state);
        let target = Target { node, address, lane };
        let (shared, way) = (Arc::clone(self), Arc::clone(way));
        let running = Arc::clone(&connection);
        tokio::spawn(async move { shared.run(&way, &running, me, &target).await });
        Ok((connection, failed))
    }

    /// Runs a connection to its end, and notes when the next may be tried.
    async fn run(&self, way: &Way, connection: &Arc<Connection>, me: Identity, target: &Target) {
        let on_welcome = || {
            add(&self.stats.lane(target.lane).connections, 1);
            lock(&way.state).failed = None;
            if self.said.forget(target.node) {
                tracing::info!(peer = target.node.get(), "the peer is reached again");
            }
        };
        let world = (&self.env, &self.directory);
        let ended = connection.run(world, me, target, on_welcome).await;
        let why = ended.to_string();
        if connection.calls.ended().is_none() {
            self.say(target, &ended);
        }
        let mut state = lock(&way.state);
        let pause =
            state.failed.as_ref().map_or(PAUSE_MIN, |failed| PAUSE_MAX.min(failed.pause * 2));
        let until = Instant::now() + self.jittered(pause);
        let address = target.address.clone();
        state.failed = Some(Failed { address, why: why.clone(), pause, until });
        state.connection = None;
        drop(state);
        connection.calls.end(&why);
    }

    /// Between half of a pause and all of it, so that peers of one that comes back do not call at
    /// the same moment.
    fn jittered(&self, pause: Duration) -> Duration {
        let half = pause / 2;
        let share = u32::try_from(self.env.random.next_u64() % 1024).unwrap_or(0);
        half + half * share / 1024
    }

    fn say(&self, target: &Target, ended: &Ended) {
        let Target { node, address, lane } = target;
        let (peer, lane) = (node.get(), lane.name());
        match ended {
            Ended::Rejected(Refusal { check: Check::Start, reason }) => (self.on_fatal)(reason),
            Ended::Refused(refusal) | Ended::Rejected(refusal) => {
                add(&self.stats.handshakes_refused, 1);
                if self.said.is_news(*node, Trouble::Refused(refusal.check)) {
                    tracing::error!(peer, address, "no connection to the peer: {refusal}");
                }
            }
            Ended::Malformed(_) => {
                if self.said.is_news(*node, Trouble::Malformed) {
                    tracing::error!(peer, address, lane, "a connection was ended: {ended}");
                }
            }
            Ended::Connect(_) | Ended::TooSlow | Ended::Broken(_) | Ended::Closed => {
                if self.said.is_news(*node, Trouble::Unreachable) {
                    tracing::warn!(
                        peer,
                        address,
                        lane,
                        "the peer cannot be reached: {ended}; it is tried again"
                    );
                }
            }
        }
    }
}
