//! Requests, encoded before the clock runs, so that a client costs next to nothing: it shares the
//! processors with the server it measures.

use bytes::Bytes;
use prost::Message as _;
use serde_json::json;
use varve_proto::v1;

use super::CONNECTIONS;
use crate::corpus::{Corpus, DAY_START_MS, Level, Row, service_name};

/// Rows of about 200 B in a batch: 800 KB, a little under what the SDK puts into one.
pub const ROWS_PER_SHORT_BATCH: usize = 4_000;
/// Rows of about 1 KB in a batch.
pub const ROWS_PER_LONG_BATCH: usize = 900;

/// In which form requests are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `AppendRequest` messages with keys.
    Grpc,
    /// JSON objects, a line each.
    Http,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Its bytes.
    pub body: Bytes,
    /// Its rows.
    pub rows: u64,
}

/// Requests in the order of sending.
#[derive(Debug, Default)]
pub struct Batches {
    /// The requests; the n-th is for connection n modulo [`CONNECTIONS`].
    pub all: Vec<Batch>,
    /// Rows in all of them.
    pub rows: u64,
    /// Bytes of the messages of these rows.
    pub raw_bytes: u64,
}

impl Batches {
    /// All rows of a corpus.
    pub fn of(corpus: &mut Corpus, protocol: Protocol, rows_per_batch: usize) -> Self {
        let mut batches = Self::default();
        while corpus.left() > 0 {
            let rows: Vec<Row> = corpus.by_ref().take(rows_per_batch).collect();
            let number = batches.all.len();
            batches.rows += rows.len() as u64;
            batches.raw_bytes += rows.iter().map(|row| row.message.len() as u64).sum::<u64>();
            let count = rows.len() as u64;
            let body = match protocol {
                Protocol::Grpc => append_request(number, rows),
                Protocol::Http => json_lines(&rows),
            };
            batches.all.push(Batch { body: body.into(), rows: count });
        }
        batches
    }

    /// What one connection sends.
    pub(super) fn of_connection(&self, connection: usize) -> impl Iterator<Item = &Batch> {
        self.all.iter().skip(connection).step_by(CONNECTIONS)
    }
}

fn append_request(number: usize, rows: Vec<Row>) -> Vec<u8> {
    let key = v1::BatchKey {
        producer_id: format!("bench-{}", number % CONNECTIONS),
        epoch: 0,
        sequence: (number / CONNECTIONS) as u64 + 1,
    };
    let records = rows.into_iter().map(|row| v1::Record {
        timestamp_ns: Some(row.timestamp_ms as i64 * 1_000_000),
        service: service_name(row.service),
        level: match row.level {
            Level::Debug => v1::Level::Debug,
            Level::Info => v1::Level::Info,
            Level::Warn => v1::Level::Warn,
            Level::Error => v1::Level::Error,
        }
        .into(),
        message: row.message.into_bytes().into(),
        ..v1::Record::default()
    });
    let request = v1::AppendRequest {
        key: Some(key),
        records: records.collect(),
        ..v1::AppendRequest::default()
    };
    request.encode_to_vec()
}

fn json_lines(rows: &[Row]) -> Vec<u8> {
    let mut body = Vec::new();
    for row in rows {
        let line = json!({
            "timestamp": rfc3339(row.timestamp_ms),
            "service": service_name(row.service),
            "level": row.level.name(),
            "message": row.message,
        });
        body.extend_from_slice(line.to_string().as_bytes());
        body.push(b'\n');
    }
    body
}

/// A time of the corpus' day as shippers write it.
pub(crate) fn rfc3339(timestamp_ms: u64) -> String {
    let ms = timestamp_ms - DAY_START_MS;
    let (day, ms) = (15 + ms / 86_400_000, ms % 86_400_000);
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("2026-01-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z", ms % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::LineSize;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(rfc3339(DAY_START_MS), "2026-01-15T00:00:00.000Z");
        let last: jiff::Timestamp = rfc3339(DAY_START_MS + 86_399_999).parse().expect("a time");
        assert_eq!(last.as_millisecond() as u64, DAY_START_MS + 86_399_999);
    }

    #[test]
    fn batches_hold_every_row_and_count_up_per_connection() {
        let mut corpus = Corpus::new(1, LineSize::Short, 1_000);
        let batches = Batches::of(&mut corpus, Protocol::Grpc, 90);
        assert_eq!((batches.rows, batches.all.len()), (1_000, 12));
        for connection in 0..CONNECTIONS {
            for (n, batch) in batches.of_connection(connection).enumerate() {
                let request = v1::AppendRequest::decode(batch.body.clone()).expect("a request");
                let key = request.key.expect("a key");
                assert_eq!(key.sequence, n as u64 + 1);
                assert_eq!(key.producer_id, format!("bench-{connection}"));
                assert_eq!(request.records.len() as u64, batch.rows);
            }
        }
    }
}
