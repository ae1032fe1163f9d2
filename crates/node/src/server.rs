//! Starts a node, serves until told to stop, and stops in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use varve_consensus::{Host, HostOptions, HostSettings};
use varve_env::Env;
use varve_env::disk::DiskLock;
use varve_env::network::Listener;
use varve_shard::{MergeOptions, ShardOptions};
use varve_wal::{RecoveryReport, Wal, WalOptions};

use crate::data_dir;
use crate::gateway::{Budget, Gateway};
use crate::listen::{HttpListener, connections};
use crate::peer::{Directory, PeerStats, Peers};
use crate::peer_port::PeerPort;
use crate::read::Reader;
use crate::remembered::{CataloguePlace, RememberedShards};
use crate::{Config, NodeError, grpc, http, membership, metrics};

/// How long a node that stops may take to hand its leaderships over.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(5);

/// What a node does when it must not go on: a failed sync, most likely. The text names the
/// remedy. It must not return to the caller in production.
pub(crate) type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

/// What a node needs beside its configuration.
pub struct NodeOptions {
    /// The world.
    pub env: Env,
    /// What to do when it must not go on.
    pub on_fatal: OnFatal,
    /// Where the catalogue cache is kept.
    pub catalogue: CataloguePlace,
}

/// What handlers share.
pub(crate) struct Services {
    pub host: Host,
    pub gateway: Gateway,
    pub reader: Arc<Reader>,
    pub env: Env,
    pub wal: Wal,
    pub remembered: RememberedShards,
    pub peer_stats: Arc<PeerStats>,
}

/// A running node.
pub struct Node {
    services: Arc<Services>,
    http: (SocketAddr, Listener),
    grpc: (SocketAddr, Listener),
    peers: PeerPort,
    /// Held for as long as the node runs.
    lock: Box<dyn DiskLock>,
}

impl Node {
    /// Takes the data directory, recovers what is in it, and listens. Answers when the node is
    /// ready to serve.
    ///
    /// # Errors
    ///
    /// Says what is in the way, and what to do.
    pub async fn start(config: Config, options: NodeOptions) -> Result<Self, NodeError> {
        let NodeOptions { env, on_fatal, catalogue } = options;
        metrics::install()?;
        let lock = data_dir::take(&env, &config.data_dir).await?;
        let http = listen(&env, "listen_http", config.listen_http).await?;
        let grpc = listen(&env, "listen_grpc", config.listen_grpc).await?;
        let peer = listen(&env, "listen_peer", config.listen_peer).await?;
        let wal_options = WalOptions {
            file_bytes: config.wal_file_bytes,
            reserve_bytes: config.wal_reserve_bytes,
            cache_bytes: config.wal_cache_bytes,
            on_fatal: Arc::clone(&on_fatal),
            on_round: Arc::new(metrics::wal_sync),
        };
        let (wal, report) = Wal::open(&env, &config.data_dir.join("wal"), wal_options).await?;
        say_what_was_recovered(&report);
        let address = config.advertise_peer.clone().unwrap_or_else(|| peer.0.to_string());
        let advertised = address.clone();
        let (directory, peer_stats) = (Directory::default(), Arc::<PeerStats>::default());
        let new_disk = membership::new_disk(&env, &config, &address, &directory).await?;
        let transport = Peers::new(
            env.clone(),
            directory.clone(),
            Arc::clone(&peer_stats),
            Arc::clone(&on_fatal),
        );
        varve_consensus::tick_together();
        let host = Host::start(HostOptions {
            env: env.clone(),
            dir: config.data_dir.clone(),
            wal: wal.clone(),
            groups_may_be_missing: report.groups_may_be_missing,
            address,
            zone: config.zone.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            log_is_new: report.files == 0,
            new_disk,
            transport: Arc::new(transport.clone()),
            settings: host_settings(&config),
            on_fatal,
        })
        .await?;
        membership::require_same_cluster(&env, &config, &host, &advertised).await?;
        let reader = Arc::new(Reader::new(host.clone(), env.clone(), config.search_bytes));
        let answering = (&host, &reader);
        let peers = PeerPort::open(&env, peer, transport, directory, answering, &peer_stats);
        membership::agree_on_settings(&host, &config).await?;
        let remembered =
            RememberedShards::open(&env, catalogue, &config.data_dir, host.clone()).await?;
        let gateway = Gateway::new(
            host.clone(),
            env.clone(),
            Budget::new(config.queue_bytes),
            config.request_timeout,
        );
        let services =
            Arc::new(Services { host, gateway, reader, env, wal, remembered, peer_stats });
        Ok(Self { services, http, grpc, peers, lock })
    }

    /// Where HTTP is listened for.
    #[must_use]
    pub const fn http_address(&self) -> SocketAddr {
        self.http.0
    }

    /// Where gRPC is listened for.
    #[must_use]
    pub const fn grpc_address(&self) -> SocketAddr {
        self.grpc.0
    }

    /// Where peers are listened for.
    #[must_use]
    pub const fn peer_address(&self) -> SocketAddr {
        self.peers.address
    }

    /// Serves until `shutdown` resolves, finishes the requests under way, and stops.
    ///
    /// # Errors
    ///
    /// When a server fails as a whole.
    pub async fn serve(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), NodeError> {
        let (stop, stopped) = watch::channel(false);
        let leading = self.services.host.clone();
        tokio::spawn(async move {
            shutdown.await;
            // Others lead before this node stops, so that nobody waits for an election.
            leading.hand_over(HAND_OVER_LIMIT).await;
            // Both servers may have ended by themselves.
            let _ = stop.send(true);
        });
        let until = |mut stopped: watch::Receiver<bool>| async move {
            // The sender goes only after it has sent.
            let _ = stopped.wait_for(|&stop| stop).await;
        };
        let router = http::router(Arc::clone(&self.services));
        let http = axum::serve(HttpListener(self.http.1), router)
            .with_graceful_shutdown(until(stopped.clone()));
        let grpc =
            grpc::serve(Arc::clone(&self.services), connections(self.grpc.1), until(stopped));
        let http = async { http.await.map_err(NodeError::Http) };
        let served = tokio::try_join!(http, grpc);
        let services = &self.services;
        if let Err(error) = services.remembered.catch_up(&services.env, &services.host).await {
            tracing::warn!(%error, "the catalogue is not up to date; the next start mends it");
        }
        services.host.shutdown().await;
        self.peers.close().await;
        let closed = self.services.wal.shutdown().await;
        drop(self.lock);
        served?;
        Ok(closed?)
    }
}

fn host_settings(config: &Config) -> HostSettings {
    HostSettings {
        shard: shard_options(config),
        propose_limit: config.request_timeout,
        tail_bytes: config.tail_memory_bytes,
        free_bytes_min: config.disk_free_min_bytes,
        log_bytes: config.wal_bytes,
        merge_bytes_per_s: config.merge_bytes_per_s,
        repair_bytes_per_s: config.repair_bytes_per_s,
        scrub_bytes_per_s: config.scrub_bytes_per_s,
        ..HostSettings::default()
    }
}

fn shard_options(config: &Config) -> ShardOptions {
    let merge = MergeOptions { loaded_bytes_max: config.merge_bytes, ..MergeOptions::default() };
    ShardOptions { flush_bytes: config.tail_bytes, merge, ..ShardOptions::default() }
}

fn say_what_was_recovered(report: &RecoveryReport) {
    tracing::info!(files = report.files, records = report.records, "the write-ahead log is open");
    if let Some(cut) = &report.cut {
        tracing::warn!(?cut, "a torn last write was cut off: nothing of it was acknowledged");
    }
    for damage in &report.damages {
        tracing::error!(?damage, "synced bytes of the write-ahead log cannot be read back");
    }
    for (group, why) in &report.quarantined {
        tracing::error!(%group, %why, "a group's log cannot be proven whole: it is not served");
    }
}

async fn listen(
    env: &Env,
    key: &'static str,
    address: SocketAddr,
) -> Result<(SocketAddr, Listener), NodeError> {
    let refused = |source| NodeError::Listen { key, address, source };
    let listener = env.network.listen(address).await.map_err(refused)?;
    Ok((listener.local_addr().map_err(refused)?, listener))
}
