//! Producers that send numbered batches until each is acknowledged, whatever happens meanwhile.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::server::{Server, pause, post_to};

/// Rows of one batch.
const ROWS: u64 = 50;

/// Several producers under way.
pub(super) struct Load {
    shared: Arc<Shared>,
    producers: Vec<std::thread::JoinHandle<u64>>,
}

struct Shared {
    http: Mutex<String>,
    stop: AtomicBool,
    acknowledged: AtomicU64,
    refused: Mutex<Vec<String>>,
}

impl Load {
    /// Starts producers that send to where [`Load::redirect`] says.
    pub(super) fn start(server: &Server, producers: u64) -> Self {
        let shared = Arc::new(Shared {
            http: Mutex::new(server.http().to_owned()),
            stop: AtomicBool::new(false),
            acknowledged: AtomicU64::new(0),
            refused: Mutex::default(),
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

    /// Says where the server is now.
    pub(super) fn redirect(&self, server: &Server) {
        *self.shared.http.lock().expect("no panic") = server.http().to_owned();
    }

    /// Batches acknowledged so far.
    pub(super) fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until so many more batches are acknowledged.
    pub(super) fn wait_for_more(&self, batches: u64) {
        let wanted = self.acknowledged() + batches;
        for _ in 0..3000 {
            if self.acknowledged() >= wanted {
                return;
            }
            pause(Duration::from_millis(10));
        }
        panic!("no progress: {:?}", self.shared.refused.lock().expect("no panic").last());
    }

    /// Stops the producers, each after its last batch is acknowledged, and checks that the server
    /// has every row of every batch once, and nothing else. Answers the refusals seen.
    pub(super) fn check(self, server: &Server) -> Vec<String> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut wanted = BTreeMap::new();
        for (producer, handle) in self.producers.into_iter().enumerate() {
            let batches = handle.join().expect("a producer failed");
            for (sequence, row) in (1..=batches).flat_map(|n| (0..ROWS).map(move |row| (n, row))) {
                wanted.insert(message(producer as u64, sequence, row), 1_u32);
            }
        }
        let mut found = BTreeMap::new();
        for log in server.all("") {
            let message = log["message"].as_str().expect("text").to_owned();
            *found.entry(message).or_insert(0_u32) += 1;
        }
        let missing: Vec<_> = wanted.keys().filter(|key| !found.contains_key(*key)).collect();
        assert!(missing.is_empty(), "{} rows lost, the first: {}", missing.len(), missing[0]);
        let more: Vec<_> = found.iter().filter(|(_, count)| **count > 1).collect();
        assert!(more.is_empty(), "{} rows doubled, the first: {:?}", more.len(), more[0]);
        assert_eq!(found.len(), wanted.len(), "rows that nobody sent");
        std::mem::take(&mut *self.shared.refused.lock().expect("no panic"))
    }
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

    fn send_until_acknowledged(&self, producer: u64, sequence: u64, body: &str) {
        let key = format!("load-{producer}:0:{sequence}");
        let headers = [("Content-Type", "application/x-ndjson"), ("Idempotency-Key", key.as_str())];
        for _ in 0..600 {
            let http = self.http.lock().expect("no panic").clone();
            match post_to(&http, "/api/v1/logs", &headers, body.as_bytes()) {
                Ok(answer) if answer.status == 200 => return,
                Ok(answer) => {
                    self.refused.lock().expect("no panic").push(answer.error());
                }
                // The server is down: that is what the test is about.
                Err(_) => {}
            }
            pause(Duration::from_millis(50));
        }
        panic!("batch {key} is never acknowledged");
    }
}
