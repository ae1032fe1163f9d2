//! What nodes do when nobody asks for anything: processor time and messages between them.

use std::thread::sleep;
use std::time::Duration;

use super::PART;
use super::failover::until_written;
use super::nodes::Nodes;
use crate::Failure;
use crate::report::{Floor, Report};
use crate::scale::Scale;
use crate::server::Server;

/// As in a cluster that takes much.
const WINDOW_SHARDS: &str = "64";

/// What is begun when a window closes ends within this.
const SETTLE: Duration = Duration::from_secs(5);

/// Requests between nodes, by lane and direction.
const PEER_REQUESTS: &str = "varve_peer_requests_total";

pub(super) fn run(report: &mut Report, scale: &Scale) -> Result<(), Failure> {
    let nodes = Nodes::start_with(&["--window-shards", WINDOW_SHARDS])?;
    for window in 0..scale.sealed_windows {
        let server = &nodes.all()[window % 3];
        until_written(server)?;
        server.run(&["cluster", "seal"])?;
    }
    sleep(SETTLE);
    let status = nodes.status()?;
    let shards = status["shards"].as_array().ok_or("no shards in the status")?;
    let closed = shards.iter().filter(|shard| shard["state"] == "CLOSED").count();
    report.measured(PART, "at rest: closed shards", closed as f64, "");
    report.measured(PART, "at rest: open shards", (shards.len() - closed) as f64, "");

    let sent = || nodes.all().iter().map(requests_sent).sum::<Result<f64, Failure>>();
    let processor = || -> Result<Vec<Duration>, Failure> {
        nodes.all().iter().map(|server| server.clock().read()).collect()
    };
    let (sent_before, before) = (sent()?, processor()?);
    sleep(scale.idle);
    let (after, sent_after) = (processor()?, sent()?);
    let used = after.iter().zip(&before).map(|(after, before)| after.saturating_sub(*before));
    let most = used.max().unwrap_or_default().as_secs_f64() / scale.idle.as_secs_f64();
    let name = "at rest: processor time of the busiest node";
    report.bounded(PART, name, 100.0 * most, "% of a core", Floor::AtMost(2.0));
    let messages_per_s = (sent_after - sent_before) / scale.idle.as_secs_f64();
    report.measured(PART, "at rest: requests between all nodes", messages_per_s, "/s");
    Ok(())
}

/// Requests that a node sent to its peers since it started.
fn requests_sent(server: &Server) -> Result<f64, Failure> {
    let metrics = ureq::get(format!("{}/metrics", server.http())).call()?;
    let metrics = metrics.into_body().read_to_string()?;
    let lines = metrics.lines();
    let sent: Vec<f64> = lines
        .filter(|line| line.starts_with(PEER_REQUESTS) && line.contains("\"sent\""))
        .map(|line| line.rsplit(' ').next().unwrap_or_default().parse())
        .collect::<Result<_, _>>()?;
    if sent.is_empty() {
        return Err(format!("/metrics has no {PEER_REQUESTS}").into());
    }
    Ok(sent.iter().sum())
}
