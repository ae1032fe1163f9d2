//! `varve cluster seal`: closing the open windows, and waiting until segments are merged for good.

use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;
use varve_client::Client;
use varve_client::v1::ShardStatus;

use super::{ClusterOptions, Told, list};
use crate::endpoint::call_failure;
use crate::failure::Failure;

/// How often the node is asked.
const POLL: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(super) struct SealOptions {
    /// End when everything is written out, and let the merges go on
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    cluster: ClusterOptions,
}

pub(super) async fn run(options: &SealOptions) -> Result<(), Failure> {
    let client = options.cluster.connect().await?;
    let sealed = client.seal().await.map_err(call_failure)?;
    if !options.no_wait {
        wait_for_merges(&client).await?;
    }
    let shards: Vec<u64> = sealed.iter().map(|shard| shard.get()).collect();
    let text = match shards.as_slice() {
        [] => "nothing to seal".to_owned(),
        shards => format!("sealed {}", list(shards)),
    };
    options.cluster.tell(&Told { text, json: json!({ "sealed": shards }) })
}

/// Returns when no closed shard of the node has segments to merge.
///
/// # Errors
///
/// When a merge failed: it is tried again, but that may be in vain.
async fn wait_for_merges(client: &Client) -> Result<(), Failure> {
    let spinner = io::stderr().is_terminal().then(ProgressBar::new_spinner);
    loop {
        let status = client.status().await.map_err(call_failure)?;
        let unmerged: Vec<&ShardStatus> = status.shards.iter().filter(|s| is_unmerged(s)).collect();
        if let Some(shard) = unmerged.iter().find(|shard| !shard.merge_problem.is_empty()) {
            return Err(Failure::failed(format_args!(
                "everything is sealed and can be searched, but shard {} could not be merged: {}; \
                 it is tried again, and `varve cluster status` tells how that goes",
                shard.shard, shard.merge_problem
            )));
        }
        if unmerged.is_empty() {
            break;
        }
        if let Some(spinner) = &spinner {
            let segments: u32 = unmerged.iter().map(|shard| shard.unmerged_segments).sum();
            spinner.set_message(format!("sealed; {segments} segments are to be merged for good"));
            spinner.tick();
        }
        tokio::time::sleep(POLL).await;
    }
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
    }
    Ok(())
}

fn is_unmerged(shard: &ShardStatus) -> bool {
    shard.state == "CLOSED" && (shard.unmerged_segments > 0 || shard.merging)
}
