//! Joining a cluster: asking its nodes to be taken in, and answering who asks.

use std::time::Duration;

use bytes::Bytes;
use futures::future::try_join_all;
use tokio::time::{sleep, timeout};
use varve_consensus::{Admission, ClusterId, DiskId, JoinError, JoinRequest};
use varve_env::{Clock, Env};
use varve_proto::v1;
use varve_proto::v1::join_response::Outcome;
use varve_proto::v1::peer_service_client::PeerServiceClient;
use varve_types::{NodeId, TimestampNs};

use super::dial::dial;
use super::handshake::{
    PROTOCOL_MAX, PROTOCOL_MIN, VERSION, check_clock, check_protocol, decode_u128, encode_u128,
};
use super::{Identity, Receive};

/// How long one node may take to answer: it may first have to find who leads.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How long a node may take to say of which cluster it is.
const CHECK_LIMIT: Duration = Duration::from_secs(1);
/// The pause after all were asked in vain; it doubles each time.
const PAUSE_MIN: Duration = Duration::from_millis(200);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How large a catalog may be.
const CATALOG_BYTES_MAX: usize = 256 << 20;

/// Asks nodes in turn, for as long as it takes, until one takes this disk in. One that may found a
/// cluster itself does not insist: where nobody answers there is none yet, and `None` says so.
///
/// # Errors
///
/// With the text of a node that says that it never will.
pub(crate) async fn join(
    env: &Env,
    seeds: &[String],
    request: &JoinRequest,
    may_found: bool,
) -> Result<Option<Admission>, String> {
    let mut pause = PAUSE_MIN;
    let mut said = String::new();
    loop {
        let mut anybody = false;
        for seed in seeds.iter().filter(|seed| **seed != request.address) {
            let why = match ask(env, seed, request).await {
                Ok(admission) => {
                    let (node, cluster) = (admission.node.get(), admission.cluster);
                    tracing::info!(node, %cluster, by = seed, "taken into the cluster");
                    return Ok(Some(admission));
                }
                Err(NotIn::Never(why)) => {
                    return Err(format!("{seed} does not take this node in: {why}"));
                }
                Err(NotIn::Yet(why)) => {
                    anybody = true;
                    why
                }
                Err(NotIn::Silent(why)) => why,
            };
            if said != why {
                tracing::warn!(asked = seed, "not in a cluster yet: {why}; asking on");
                said = why;
            }
        }
        if may_found && !anybody {
            return Ok(None);
        }
        sleep(pause).await;
        pause = PAUSE_MAX.min(pause * 2);
    }
}

/// Why a node did not take this disk in.
enum NotIn {
    /// It says that it never will.
    Never(String),
    /// It is of a cluster, and may later.
    Yet(String),
    /// It does not answer as a node.
    Silent(String),
}

/// Finds out whether the nodes that are named to a disk with an identity are of its cluster. Who does
/// not answer at once is believed to be.
///
/// # Errors
///
/// With the text of a node of another cluster.
pub(crate) async fn require_same_cluster(
    env: &Env,
    seeds: &[String],
    identity: Identity,
    address: &str,
) -> Result<(), String> {
    let asked = seeds.iter().filter(|seed| *seed != address).map(|seed| async move {
        let message = v1::JoinRequest {
            cluster: encode_u128(identity.cluster.0),
            address: address.to_owned(),
            protocol_min: PROTOCOL_MIN,
            protocol_max: PROTOCOL_MAX,
            version: VERSION.to_owned(),
            clock_ns: env.clock.now().get(),
            node: identity.node.get(),
            ..v1::JoinRequest::default()
        };
        match timeout(CHECK_LIMIT, send(env, seed, message)).await {
            Ok(Ok(Outcome::Refused(v1::JoinRefused { reason, may_pass: false }))) => {
                Err(format!("{seed}: {reason}"))
            }
            _ => Ok(()),
        }
    });
    try_join_all(asked).await.map(drop)
}

async fn ask(env: &Env, seed: &str, request: &JoinRequest) -> Result<Admission, NotIn> {
    let message = v1::JoinRequest {
        cluster: request.cluster.map(|cluster| encode_u128(cluster.0)).unwrap_or_default(),
        disk: encode_u128(request.disk.0),
        address: request.address.clone(),
        zone: request.zone.clone(),
        protocol_min: PROTOCOL_MIN,
        protocol_max: PROTOCOL_MAX,
        version: request.version.clone(),
        clock_ns: env.clock.now().get(),
        node: 0,
    };
    match send(env, seed, message).await.map_err(NotIn::Silent)? {
        Outcome::Admitted(v1::Admitted { cluster, node, catalog }) => {
            let cluster = decode_u128(&cluster)
                .ok_or_else(|| NotIn::Silent("it named no cluster: is it a node?".to_owned()))?;
            let (cluster, node, disk) = (ClusterId(cluster), NodeId(node), request.disk);
            Ok(Admission { cluster, node, disk, catalog })
        }
        Outcome::Refused(v1::JoinRefused { reason, may_pass: true }) => Err(NotIn::Yet(reason)),
        Outcome::Refused(v1::JoinRefused { reason, may_pass: false }) => Err(NotIn::Never(reason)),
    }
}

async fn send(env: &Env, seed: &str, message: v1::JoinRequest) -> Result<Outcome, String> {
    let channel = dial(env, seed).await?;
    let mut client = PeerServiceClient::new(channel).max_decoding_message_size(CATALOG_BYTES_MAX);
    let answered = timeout(ANSWER_LIMIT, client.join(message)).await;
    let answered = answered.map_err(|_| format!("no answer in {ANSWER_LIMIT:?}"))?;
    let answered = answered.map_err(|status| status.message().to_owned())?;
    answered.into_inner().outcome.ok_or_else(|| "it answered nothing: is it a node?".to_owned())
}

/// Answers a node that asks to be taken in.
pub(super) async fn answer(
    receiver: &dyn Receive,
    clock: &Clock,
    request: v1::JoinRequest,
) -> v1::JoinResponse {
    let (address, member) = (request.address.clone(), request.node);
    let answered = match checked(clock, request) {
        Ok(request) if member != 0 => recognise(receiver.identity(), &request, NodeId(member)),
        Ok(request) => receiver.admit(request).await,
        Err(why) => Err(JoinError::Rejected(why)),
    };
    let outcome = match answered {
        Ok(Admission { cluster, node, catalog, .. }) => {
            let (cluster, node) = (encode_u128(cluster.0), node.get());
            Outcome::Admitted(v1::Admitted { cluster, node, catalog })
        }
        Err(JoinError::Rejected(reason)) => {
            tracing::warn!(address, "a node that wants to join is refused: {reason}");
            Outcome::Refused(v1::JoinRefused { reason, may_pass: false })
        }
        // It asks again, and says so on its side.
        Err(JoinError::Unavailable(reason)) => {
            tracing::debug!(address, "a node that wants to join must wait: {reason}");
            Outcome::Refused(v1::JoinRefused { reason, may_pass: true })
        }
    };
    v1::JoinResponse { outcome: Some(outcome) }
}

/// Answers a node that has been taken in before, and asks whether it came to the right cluster.
fn recognise(here: Identity, request: &JoinRequest, node: NodeId) -> Result<Admission, JoinError> {
    match request.cluster {
        Some(cluster) if cluster != here.cluster => Err(JoinError::Rejected(format!(
            "this is cluster {}, and the disk is that of node {node} of cluster {cluster}: check the \
             addresses given to --join, or move the data directory away to have it join as a new \
             node",
            here.cluster
        ))),
        _ => {
            Ok(Admission { cluster: here.cluster, node, disk: request.disk, catalog: Bytes::new() })
        }
    }
}

/// The request, when nothing about the caller itself speaks against it.
fn checked(clock: &Clock, request: v1::JoinRequest) -> Result<JoinRequest, String> {
    let v1::JoinRequest { cluster, disk, address, zone, version, .. } = request;
    let there = (request.protocol_min, request.protocol_max, version.as_str());
    check_protocol(&(PROTOCOL_MIN, PROTOCOL_MAX, VERSION), &there)
        .and_then(|()| check_clock(clock.now(), TimestampNs(request.clock_ns)))
        .map_err(|refusal| refusal.reason)?;
    let number = |what: &str, bytes: &[u8]| {
        decode_u128(bytes)
            .ok_or_else(|| format!("{what} has {} bytes, and 16 are due", bytes.len()))
    };
    let wanted = if cluster.is_empty() { None } else { Some(number("the cluster", &cluster)?) };
    let disk = if disk.is_empty() && request.node != 0 { 0 } else { number("the disk", &disk)? };
    let (cluster, disk) = (wanted.map(ClusterId), DiskId(disk));
    if address.is_empty() {
        return Err("it says no address under which peers would reach it".to_owned());
    }
    Ok(JoinRequest { cluster, disk, address, zone, version })
}
