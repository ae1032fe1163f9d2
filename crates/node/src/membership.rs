//! How this node comes into its cluster, and what it follows of the catalog for itself.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use varve_consensus::{Host, JoinRequest, NewDisk, Settings, draw_disk, has_identity};
use varve_env::Env;

use crate::peer::{self, Directory, Identity, join};
use crate::{Config, NodeError};

/// How long to wait before a change of the settings is tried again.
const SETTINGS_RETRY: Duration = Duration::from_secs(1);

/// What a data directory without an identity becomes: the founder of a cluster, or a node of one
/// that takes it in. A founder that is told of others asks them first: where its disk was replaced
/// they have a cluster, and a second one would take their clients' writes. `address` is where peers
/// reach this node.
///
/// # Errors
///
/// When a cluster says that it never will.
pub(crate) async fn new_disk(
    env: &Env,
    config: &Config,
    address: &str,
    directory: &Directory,
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
    let joined = join(env, &config.join, &request, config.bootstrap).await;
    let Some(admission) = joined.map_err(NodeError::Join)? else { return Ok(NewDisk::Found) };
    directory.set_addresses(admission.addresses()?);
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
    let identity = Identity::of(host);
    let same = peer::require_same_cluster(env, &config.join, identity, address).await;
    same.map_err(NodeError::Join)
}

/// Keeps what is known of peers as the catalog has it, until the node stops.
pub(crate) async fn follow_nodes(
    host: Host,
    directory: Directory,
    mut stopped: watch::Receiver<bool>,
) {
    let mut catalog = host.watch_catalog();
    loop {
        let nodes = catalog.borrow_and_update().nodes.clone();
        // Before the first is known, who admitted this node has told more.
        if !nodes.is_empty() {
            nodes.iter().for_each(|(id, node)| directory.note_start(*id, node.incarnation));
            let addresses = nodes.into_iter().map(|(id, node)| (id, node.address));
            directory.set_addresses(addresses.collect());
        }
        tokio::select! {
            changed = catalog.changed() => if changed.is_err() { return },
            _ = stopped.wait_for(|&stop| stop) => return,
        }
    }
}

/// Windows and replicas are agreed on by the whole cluster. What a node that is alone is configured
/// with is proposed to the catalog when it differs; in a cluster, what somebody has set for the
/// first of its nodes: a default there must not undo what was agreed on.
///
/// # Errors
///
/// When the catalog of a node that is alone does not take it.
pub(crate) async fn agree_on_settings(host: &Host, config: &Config) -> Result<(), NodeError> {
    let catalog = host.catalog();
    let first = catalog.nodes.keys().next().copied();
    if catalog.nodes.len() == 1 {
        return Ok(propose_settings(host, configured(config)).await?);
    }
    if first == Some(host.node()) {
        let (host, config) = (host.clone(), config.clone());
        tokio::spawn(async move {
            loop {
                let wanted = said(&host.catalog().settings, &config);
                match propose_settings(&host, wanted).await {
                    Ok(()) => return,
                    Err(error) => tracing::debug!(%error, "the settings are not agreed on yet"),
                }
                sleep(SETTINGS_RETRY).await;
            }
        });
    }
    Ok(())
}

/// All that this node is configured with, defaults included.
fn configured(config: &Config) -> Settings {
    let ns = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    Settings {
        window_age_ns: ns(config.window),
        window_bytes: config.window_bytes,
        replicas: config.replicas,
        bucket_bits: config.window_shards_log2,
        node_lost_after_ns: ns(config.node_lost_after),
    }
}

/// What was agreed on, with what somebody has set for this node.
fn said(agreed: &Settings, config: &Config) -> Settings {
    let (mut wanted, ours) = (agreed.clone(), configured(config));
    for key in &config.said {
        match *key {
            "window" => wanted.window_age_ns = ours.window_age_ns,
            "window_size" => wanted.window_bytes = ours.window_bytes,
            "replicas" => wanted.replicas = ours.replicas,
            "window_shards" => wanted.bucket_bits = ours.bucket_bits,
            "node_lost_after" => wanted.node_lost_after_ns = ours.node_lost_after_ns,
            _ => unreachable!("BUG: {key} is no key that a cluster agrees on"),
        }
    }
    wanted
}

async fn propose_settings(
    host: &Host,
    wanted: Settings,
) -> Result<(), varve_consensus::CatalogError> {
    let agreed = host.catalog().settings.clone();
    if wanted == agreed {
        return Ok(());
    }
    if wanted.replicas < agreed.replicas {
        tracing::warn!(
            "`replicas` is {} here, and was {}: everything is held less often from now on",
            wanted.replicas,
            agreed.replicas
        );
    }
    tracing::info!(?agreed, ?wanted, "what the cluster agrees on changes");
    host.change_settings(wanted).await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_nobody_set_stays_as_it_was_agreed_on() {
        let agreed = Settings { replicas: 5, ..configured(&Config::default()) };
        let said_now = |keys: &[&'static str]| {
            let said_keys: BTreeSet<_> = keys.iter().copied().collect();
            said(&agreed, &Config { said: said_keys, window_bytes: 7, ..Config::default() })
        };
        assert_eq!(said_now(&[]), agreed);
        assert_eq!(said_now(&["window_size"]), Settings { window_bytes: 7, ..agreed.clone() });
        assert_eq!(said_now(&["replicas"]), Settings { replicas: 3, ..agreed.clone() });
        // Each key that a cluster agrees on is known here.
        said_now(crate::config::AGREED);
    }
}
