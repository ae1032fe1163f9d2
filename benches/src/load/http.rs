//! Load over HTTP: NDJSON bodies over connections that are kept.

use std::time::Instant;

use super::{Batches, CONNECTIONS, Meter, WINDOW};
use crate::Failure;

const APPEND: &str = "/api/v1/logs";

/// Sends all batches as fast as the server takes them: HTTP/1.1 has one request in flight on a
/// connection, so there are as many connections as gRPC has batches in flight.
pub(crate) fn closed_loop(http: &str, batches: &Batches, meter: &Meter) -> Result<(), Failure> {
    let url = format!("{http}{APPEND}");
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let connections: Vec<_> = (0..CONNECTIONS * WINDOW)
            .map(|_| {
                scope.spawn(|| -> Result<(), Failure> {
                    let agent = ureq::Agent::new_with_defaults();
                    loop {
                        let turn = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        let Some(batch) = batches.all.get(turn) else { return Ok(()) };
                        let sent = Instant::now();
                        let request = agent.post(&url).content_type("application/x-ndjson");
                        let mut answer = request.send(&batch.body[..])?;
                        answer.body_mut().read_to_string()?;
                        meter.acked(batch.rows, sent.elapsed())?;
                    }
                })
            })
            .collect();
        for connection in connections {
            connection.join().map_err(|_| "a connection panicked")??;
        }
        Ok(())
    })
}
