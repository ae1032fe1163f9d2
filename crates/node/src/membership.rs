//! How this node comes into its cluster, and what it follows of the catalog for itself.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use varve_consensus::{Host, JoinRequest, NewDisk, Settings, draw_disk, has_identity};
use varve_env::Env;

use crate::peer::{self, Addresses, Identity, join};
use crate::{Config, NodeError};

/// How long to wait before a change of the settings is tried again.
const SETTINGS_RETRY: Duration = Duration::from_secs(1);

/// What a data directory without an identity becomes: the founder of a cluster, or a node of one
/// that takes it in. `address` is where peers reach this node.
///
/// # Errors
///
/// When a cluster says that it never will.
pub(crate) async fn new_disk(
    env: &Env,
    config: &Config,
    address: &str,
    addresses: &Addresses,
) -> Result<NewDisk, NodeError> {
    if config.join.is_empty() || has_identity(env, &config.data_dir).await? {
        return Ok(NewDisk::Found);
    }
    let request = JoinRequest {
        cluster: None,
        disk: draw_disk(env, &config.data_dir).await?,
        address: address.to_owned(),
        zone: config.zone.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let admission = join(env, &config.join, &request).await.map_err(NodeError::Join)?;
    addresses.set(admission.addresses()?);
    Ok(NewDisk::Join(admission))
}

/// Finds out whether a node that was taken in before was told to join another cluster than its own.
///
/// # Errors
///
/// When a node that it was told to join is of another.
pub(crate) async fn require_same_cluster(
    env: &Env,
    config: &Config,
    host: &Host,
    address: &str,
) -> Result<(), NodeError> {
    let identity = Identity { cluster: host.cluster(), node: host.node() };
    let same = peer::require_same_cluster(env, &config.join, identity, address).await;
    same.map_err(NodeError::Join)
}

/// Keeps the addresses of peers as the catalog has them, until the node stops.
pub(crate) async fn follow_addresses(
    host: Host,
    addresses: Addresses,
    mut stopped: watch::Receiver<bool>,
) {
    let mut catalog = host.watch_catalog();
    loop {
        let nodes = catalog.borrow_and_update().nodes.clone();
        // Before the first is known, who admitted this node has told more.
        if !nodes.is_empty() {
            addresses.set(nodes.into_iter().map(|(id, node)| (id, node.address)).collect());
        }
        tokio::select! {
            changed = catalog.changed() => if changed.is_err() { return },
            _ = stopped.wait_for(|&stop| stop) => return,
        }
    }
}

/// Windows are agreed on by the whole cluster. What a node that is alone is configured with is
/// proposed to the catalog when it differs; in a cluster, what the first of its nodes is.
///
/// # Errors
///
/// When the catalog of a node that is alone does not take it.
pub(crate) async fn agree_on_settings(host: &Host, config: &Config) -> Result<(), NodeError> {
    let catalog = host.catalog();
    let first = catalog.nodes.keys().next().copied();
    if catalog.nodes.len() == 1 {
        return Ok(propose_settings(host, config).await?);
    }
    if first == Some(host.node()) {
        let (host, config) = (host.clone(), config.clone());
        tokio::spawn(async move {
            while let Err(error) = propose_settings(&host, &config).await {
                tracing::debug!(%error, "the settings are not agreed on yet");
                sleep(SETTINGS_RETRY).await;
            }
        });
    }
    Ok(())
}

async fn propose_settings(
    host: &Host,
    config: &Config,
) -> Result<(), varve_consensus::CatalogError> {
    let agreed = host.catalog().settings.clone();
    let ns = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let wanted = Settings {
        window_age_ns: ns(config.window),
        window_bytes: config.window_bytes,
        replicas: config.replicas,
        bucket_bits: config.window_shards_log2,
        node_lost_after_ns: ns(config.node_lost_after),
    };
    if wanted != agreed {
        host.change_settings(wanted).await?;
    }
    Ok(())
}
