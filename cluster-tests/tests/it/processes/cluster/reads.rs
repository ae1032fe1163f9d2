//! A reader that asks again and again for what lies in closed shards.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::super::server::{Server, now, try_get};

/// How long an answer may take before the next node is asked.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Under way. It asks one node after the other, and the next at once where one is down.
pub(super) struct Reads {
    shared: Arc<Shared>,
    reader: JoinHandle<(u64, Duration)>,
}

struct Shared {
    http: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl Reads {
    /// Asks for what closed shards have of a query, which is so many rows.
    pub(super) fn start<'a>(
        servers: impl Iterator<Item = &'a Server>,
        query: &str,
        rows: u64,
    ) -> Self {
        let (http, stop) = (Mutex::new(addresses(servers)), AtomicBool::new(false));
        let shared = Arc::new(Shared { http, stop });
        let path = format!("/api/v1/logs/search?page_size=1&consistency=stale&{query}");
        let reading = Arc::clone(&shared);
        #[expect(clippy::disallowed_methods, reason = "a client of real processes")]
        let reader = std::thread::spawn(move || reading.read(&path, rows));
        Self { shared, reader }
    }

    /// Says where servers are now.
    pub(super) fn redirect<'a>(&self, servers: impl Iterator<Item = &'a Server>) {
        *self.shared.http.lock().expect("no panic") = addresses(servers);
    }

    /// Stops, and answers how many answers came and the longest time between two. Each was right.
    pub(super) fn stop(self) -> (u64, Duration) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.reader.join().expect("the reader failed")
    }
}

fn addresses<'a>(servers: impl Iterator<Item = &'a Server>) -> Vec<String> {
    servers.map(|server| server.http().to_owned()).collect()
}

impl Shared {
    fn read(&self, path: &str, rows: u64) -> (u64, Duration) {
        let (mut answers, mut longest, mut last) = (0, Duration::ZERO, now());
        for turn in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let http = {
                let all = self.http.lock().expect("no panic");
                all[turn % all.len()].clone()
            };
            // A node that was killed says nothing.
            let Ok(answer) = try_get(&http, path, ANSWER_LIMIT) else { continue };
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.json()["total"], rows, "{answer:?}");
            (answers, longest, last) = (answers + 1, longest.max(last.elapsed()), now());
        }
        (answers, longest)
    }
}
