//! Finding out whether two processes are one node, because a data directory was copied.

use std::time::Duration;

use tokio::time::timeout;
use varve_env::Env;
use varve_proto::v1::IdentifyRequest;
use varve_proto::v1::peer_service_client::PeerServiceClient;

use super::dial::dial;
use super::handshake::{Check, Refusal, Side};
use super::{Directory, Identity};

/// How long the process at a node's address may take to say who it is: less than whoever waits for
/// its handshake does. One that is about to start again does not answer at all.
const ANSWER_LIMIT: Duration = Duration::from_millis(500);

/// Whether a start of a node that is not known yet is its only one: the process before has ended, if
/// nobody answers where the node is known to be, or the one that says so does.
///
/// # Errors
///
/// When another process answers there as this node.
pub(super) async fn check_alone(
    env: &Env,
    directory: &Directory,
    there: Identity,
) -> Result<(), Refusal> {
    let Some(address) = directory.address_of(there.node) else { return Ok(()) };
    let Ok(Some(found)) = timeout(ANSWER_LIMIT, who_is_at(env, &address)).await else {
        return Ok(());
    };
    let is_same = (found.cluster, found.node) == (there.cluster, there.node);
    if !is_same || found.starts.this == there.starts.this {
        return Ok(());
    }
    let node = there.node;
    Err(Refusal {
        check: Check::Start,
        reason: format!(
            "node {node} runs already, at {address}: two processes use copies of one data \
             directory; stop one of them for good, and to run one node more, start it on an empty \
             data directory with --join"
        ),
    })
}

/// The node at an address; `None` when no answer of one comes from there.
async fn who_is_at(env: &Env, address: &str) -> Option<Identity> {
    let channel = dial(env, address).await.ok()?;
    let answered = PeerServiceClient::new(channel).identify(IdentifyRequest {}).await.ok()?;
    Some(Side::decode(Some(answered.into_inner())).ok()?.identity)
}
