//! How long nobody leads: from the death of a leader to the first write that its shards take again.

use std::time::{Duration, Instant};

use super::PART;
use super::nodes::Nodes;
use crate::Failure;
use crate::parts::median;
use crate::report::Report;
use crate::scale::Scale;
use crate::server::Server;

/// How long writes may stay away.
const RESUME_MAX: Duration = Duration::from_secs(60);

/// So many services fall into every shard of a window.
const SERVICES: usize = 1024;

pub(super) fn run(report: &mut Report, scale: &Scale) -> Result<(), Failure> {
    let mut nodes = Nodes::start()?;
    let mut took_ms = Vec::new();
    for turn in 0..scale.failovers {
        // What leads is known only while writes go on.
        let _ = until_written(&nodes.all()[turn % 3])?;
        let took = nodes.without_leader(|left| until_written(&left[turn % 2]))?;
        took_ms.push(took.as_secs_f64() * 1e3);
    }
    let longest = took_ms.iter().copied().fold(0.0, f64::max);
    report.measured(PART, "first write after a leader was killed, median", median(took_ms), "ms");
    report.measured(PART, "first write after a leader was killed, longest", longest, "ms");
    Ok(())
}

/// How long it takes until a batch is acknowledged that has rows for all shards.
pub(super) fn until_written(server: &Server) -> Result<Duration, Failure> {
    let row = |service| format!(r#"{{"service":"service-{service}","message":"a row"}}"#);
    let body: Vec<String> = (0..SERVICES).map(row).collect();
    let body = body.join("\n");
    let begun = Instant::now();
    while begun.elapsed() < RESUME_MAX {
        let request = ureq::post(format!("{}/api/v1/logs", server.http()));
        match request.content_type("application/x-ndjson").send(body.as_bytes()) {
            Ok(_) => return Ok(begun.elapsed()),
            // Refused for now; what else it may be shows when it does not pass.
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    Err(format!("no write was taken for {} s", RESUME_MAX.as_secs()).into())
}
