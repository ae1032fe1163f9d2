//! Load over HTTP: NDJSON bodies with keys, over connections that are kept.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{Batches, CONNECTIONS, Meter, WINDOW};
use crate::Failure;

const APPEND: &str = "/api/v1/logs";

/// Sends all batches as fast as the server takes them: HTTP/1.1 has one request in flight on a
/// connection, so there are as many connections as gRPC has batches in flight.
pub(crate) fn closed_loop(http: &str, batches: &Batches, meter: &Meter) -> Result<(), Failure> {
    let url = format!("{http}{APPEND}");
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let connections: Vec<_> = (0..CONNECTIONS * WINDOW)
            .map(|number| {
                let (url, next) = (&url, &next);
                scope.spawn(move || run(number, url, batches, next, meter))
            })
            .collect();
        for connection in connections {
            connection.join().map_err(|_| "a connection panicked")??;
        }
        Ok(())
    })
}

/// One connection, which is a producer of its own.
fn run(
    number: usize,
    url: &str,
    batches: &Batches,
    next: &AtomicUsize,
    meter: &Meter,
) -> Result<(), Failure> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    for sequence in 1_u64.. {
        let turn = next.fetch_add(1, Ordering::Relaxed);
        let Some(batch) = batches.all.get(turn) else { break };
        let key = format!("bench-{number}:0:{sequence}");
        let sent = Instant::now();
        loop {
            let request = agent.post(url).content_type("application/x-ndjson");
            let mut answer = request.header("idempotency-key", &key).send(&batch.body[..])?;
            let body = answer.body_mut().read_to_string()?;
            let delay = answer.headers().get("retry-after");
            match (answer.status().as_u16(), delay.and_then(|delay| delay.to_str().ok())) {
                (200, _) => break,
                // Sent again as any client does.
                (429 | 503, Some(delay_s)) => {
                    meter.shed()?;
                    std::thread::sleep(Duration::from_secs(delay_s.parse()?));
                }
                (status, _) => return Err(format!("not stored: {status} {body}").into()),
            }
        }
        meter.acked(batch.rows, sent.elapsed())?;
    }
    Ok(())
}
