//! Producers that send numbered batches until each is acknowledged, whatever happens meanwhile.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::server::{Server, now, pause, try_post};

/// Rows of one batch.
const ROWS: u64 = 50;
/// A node that says nothing for so long is not waited for: the batch is sent to the next one.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// How long a batch may take in all, over all attempts.
const ACKNOWLEDGED_LIMIT: Duration = Duration::from_secs(120);
/// How long more batches are waited for.
const PROGRESS_LIMIT: Duration = Duration::from_secs(60);

/// Several producers under way.
pub(super) struct Load {
    shared: Arc<Shared>,
    producers: Vec<std::thread::JoinHandle<u64>>,
}

struct Shared {
    http: Mutex<Vec<String>>,
    stop: AtomicBool,
    acknowledged: AtomicU64,
    refused: Mutex<Vec<String>>,
    /// When a batch was acknowledged last, and the longest time between two since it was asked.
    pace: Mutex<(Instant, Duration)>,
}

/// What the producers had acknowledged in all.
pub(super) struct Sent {
    /// Batches of each producer.
    batches: Vec<u64>,
    /// What servers said that did not take a batch at once.
    pub refused: Vec<String>,
}

impl Load {
    /// Starts producers that send to where [`Load::redirect`] says.
    pub(super) fn start<'a>(servers: impl IntoIterator<Item = &'a Server>, producers: u64) -> Self {
        let shared = Arc::new(Shared {
            http: Mutex::new(addresses(servers)),
            stop: AtomicBool::new(false),
            acknowledged: AtomicU64::new(0),
            refused: Mutex::default(),
            pace: Mutex::new((now(), Duration::ZERO)),
        });
        let producers = (0..producers)
            .map(|producer| {
                let shared = Arc::clone(&shared);
                #[expect(clippy::disallowed_methods, reason = "a client of real processes")]
                std::thread::spawn(move || shared.produce(producer))
            })
            .collect();
        Self { shared, producers }
    }

    /// Says where servers are now.
    pub(super) fn redirect<'a>(&self, servers: impl IntoIterator<Item = &'a Server>) {
        *self.shared.http.lock().expect("no panic") = addresses(servers);
    }

    /// Batches acknowledged so far.
    pub(super) fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// The longest time without an acknowledgement since this was asked last, or now.
    pub(super) fn longest_pause(&self) -> Duration {
        let mut pace = self.shared.pace.lock().expect("no panic");
        let longest = pace.1.max(pace.0.elapsed());
        *pace = (now(), Duration::ZERO);
        longest
    }

    /// Waits until so many more batches are acknowledged.
    pub(super) fn wait_for_more(&self, batches: u64) {
        let (wanted, begun) = (self.acknowledged() + batches, now());
        while self.acknowledged() < wanted {
            assert!(
                begun.elapsed() < PROGRESS_LIMIT,
                "no progress: {:?}",
                self.shared.refused.lock().expect("no panic").last()
            );
            pause(Duration::from_millis(10));
        }
    }

    /// Stops the producers, each after its last batch is acknowledged.
    pub(super) fn stop(self) -> Sent {
        self.shared.stop.store(true, Ordering::Relaxed);
        let join = |handle: std::thread::JoinHandle<u64>| handle.join().expect("a producer failed");
        let batches = self.producers.into_iter().map(join).collect();
        let refused = std::mem::take(&mut *self.shared.refused.lock().expect("no panic"));
        Sent { batches, refused }
    }

    /// Stops, checks that the server has what was sent, and answers the refusals seen.
    pub(super) fn check(self, server: &Server) -> Vec<String> {
        let sent = self.stop();
        sent.check(server);
        sent.refused
    }
}

impl Sent {
    /// Rows of all batches.
    pub(super) fn rows(&self) -> u64 {
        self.batches.iter().sum::<u64>() * ROWS
    }

    /// Checks that the server answers with every row of every batch once, and nothing else.
    pub(super) fn check(&self, server: &Server) {
        self.check_beside(server, &[]);
    }

    /// The same beside other rows: messages, each with how often it may be there.
    pub(super) fn check_beside(&self, server: &Server, others: &[(&str, RangeInclusive<u32>)]) {
        let mut found = BTreeMap::new();
        for log in server.all("") {
            let message = log["message"].as_str().expect("text").to_owned();
            *found.entry(message).or_insert(0_u32) += 1;
        }
        for (message, times) in others {
            let count = found.remove(*message).unwrap_or(0);
            assert!(times.contains(&count), "{message:?} is there {count} times, not {times:?}");
        }
        let mut missing = Vec::new();
        for (producer, &batches) in self.batches.iter().enumerate() {
            for (sequence, row) in (1..=batches).flat_map(|n| (0..ROWS).map(move |row| (n, row))) {
                let message = message(producer as u64, sequence, row);
                if !found.contains_key(&message) {
                    missing.push(message);
                }
            }
        }
        assert!(missing.is_empty(), "{} rows lost, the first: {}", missing.len(), missing[0]);
        let more: Vec<_> = found.iter().filter(|(_, count)| **count > 1).collect();
        assert!(more.is_empty(), "{} rows doubled, the first: {:?}", more.len(), more[0]);
        assert_eq!(found.len() as u64, self.rows(), "rows that nobody sent");
    }
}

fn addresses<'a>(servers: impl IntoIterator<Item = &'a Server>) -> Vec<String> {
    servers.into_iter().map(|server| server.http().to_owned()).collect()
}

fn message(producer: u64, sequence: u64, row: u64) -> String {
    format!("producer {producer} batch {sequence} row {row}")
}

impl Shared {
    fn produce(&self, producer: u64) -> u64 {
        let mut sequence = 0;
        while !self.stop.load(Ordering::Relaxed) {
            sequence += 1;
            let mut body = String::new();
            for row in 0..ROWS {
                let message = message(producer, sequence, row);
                let line = format!(r#"{{"service":"service-{row}","message":"{message}"}}"#);
                writeln!(body, "{line}").expect("a String takes all");
            }
            self.send_until_acknowledged(producer, sequence, &body);
            // Every third batch is sent again although it was acknowledged.
            if sequence.is_multiple_of(3) {
                self.send_until_acknowledged(producer, sequence, &body);
            }
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        sequence
    }

    /// Each batch goes to the next server, and to the one after that when it is not taken.
    fn send_until_acknowledged(&self, producer: u64, sequence: u64, body: &str) {
        let key = format!("load-{producer}:0:{sequence}");
        let headers = [("Content-Type", "application/x-ndjson"), ("Idempotency-Key", key.as_str())];
        let begun = now();
        for attempt in 0_usize.. {
            let http = {
                let all = self.http.lock().expect("no panic");
                let turn = producer as usize + sequence as usize + attempt;
                all[turn % all.len()].clone()
            };
            match try_post(&http, "/api/v1/logs", &headers, body.as_bytes(), ANSWER_LIMIT) {
                Ok(answer) if answer.status == 200 => {
                    let mut pace = self.pace.lock().expect("no panic");
                    *pace = (now(), pace.1.max(pace.0.elapsed()));
                    return;
                }
                Ok(answer) => {
                    self.refused.lock().expect("no panic").push(answer.error());
                }
                // The server is down: that is what the test is about.
                Err(_) => {}
            }
            assert!(begun.elapsed() < ACKNOWLEDGED_LIMIT, "batch {key} is never acknowledged");
            pause(Duration::from_millis(50));
        }
    }
}
