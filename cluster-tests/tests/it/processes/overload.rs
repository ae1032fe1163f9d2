//! More than a node takes: with small budgets it sends senders away, stays within its memory,
//! recovers by itself, and loses nothing that it acknowledged.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tonic::Code;
use tonic_types::StatusExt;

use super::grpc::{Logs, batch, connect, record};
use super::server::{Server, data_dir, metric, pause, post_to};

pub(super) const BUDGETS: &[&str] = &[
    "--queue-size",
    "8 MiB",
    "--tail-memory",
    "8 MiB",
    "--tail-size",
    "1 MiB",
    "--wal-cache-size",
    "8 MiB",
];

const SENDERS: u64 = 16;
const BATCHES: u64 = 8;
const ROWS: u64 = 1_000;

/// What a node with these budgets may ever take, whoever sends what: all of them together, and
/// as much again for what is under way in sockets, blocks and segments.
const RESIDENT_KIB_MAX: u64 = 300 << 10;

/// One batch: a megabyte of rows that do not compress well.
fn body(sender: u64, number: u64) -> String {
    let mut noise = sender * 1_000_003 + number;
    let mut body = String::new();
    for row in 0..ROWS {
        write!(
            body,
            r#"{{"service":"sender-{sender}","message":"batch s{sender}b{number} row {row} "#
        )
        .expect("a String takes all");
        for _ in 0..60 {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            write!(body, "{noise:016x}").expect("a String takes all");
        }
        body += "\"}\n";
    }
    body
}

/// Sends a batch until it is acknowledged; answers how often it was sent away.
fn send(http: &str, sender: u64, number: u64) -> u64 {
    let key = format!("overload-{sender}:0:{}", number + 1);
    let headers = [("Content-Type", "application/x-ndjson"), ("Idempotency-Key", key.as_str())];
    let body = body(sender, number);
    for sent_away in 0..2_000 {
        let answer = post_to(http, "/api/v1/logs", &headers, body.as_bytes()).expect("an answer");
        match answer.status {
            200 => return sent_away,
            429 => {
                let seconds: u64 =
                    answer.retry_after.as_deref().unwrap_or("").parse().expect("seconds");
                assert!(seconds >= 1, "{answer:?}");
                assert!(answer.error().contains("overloaded"), "{answer:?}");
            }
            _ => panic!("{answer:?}"),
        }
        pause(Duration::from_millis(20));
    }
    panic!("batch {key} is never acknowledged");
}

/// The most memory the process ever had, in KiB.
fn resident_kib_max(server: &Server) -> u64 {
    let path = format!("/proc/{}/status", server.pid());
    let status = std::fs::read_to_string(path).expect("a process has a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Has all senders send all that they have, each to the next of these servers; answers how often
/// they were sent away.
pub(super) fn offer(servers: &[&Server]) -> u64 {
    let sent_away = Arc::new(AtomicU64::new(0));
    let senders: Vec<_> = (0..SENDERS)
        .zip(servers.iter().cycle())
        .map(|(sender, server)| {
            let (http, sent_away) = (server.http().to_owned(), Arc::clone(&sent_away));
            #[expect(clippy::disallowed_methods, reason = "clients of a real process")]
            std::thread::spawn(move || {
                for number in 0..BATCHES {
                    sent_away.fetch_add(send(&http, sender, number), Ordering::Relaxed);
                }
            })
        })
        .collect();
    for sender in senders {
        sender.join().expect("a sender failed");
    }
    sent_away.load(Ordering::Relaxed)
}

/// It stayed small, recovered, and has everything that was acknowledged, once; answers how many rows.
pub(super) fn check_after_the_storm(server: &Server, late: u64) -> u64 {
    let resident_kib = resident_kib_max(server);
    println!("at most {resident_kib} KiB resident");
    assert!(resident_kib < RESIDENT_KIB_MAX, "{resident_kib} KiB");
    assert_eq!(metric(&server.get("/metrics"), "varve_queue_bytes"), 0);
    for sender in 0..SENDERS {
        for number in 0..BATCHES {
            assert_eq!(server.total(&format!("query=s{sender}b{number}")), ROWS);
        }
    }
    let rows = SENDERS * BATCHES * ROWS + late;
    assert_eq!(server.total(""), rows);
    rows
}

/// The next request is taken at once.
pub(super) fn send_late(server: &Server) {
    let small = br#"{"service":"late","message":"after the storm"}"#;
    assert_eq!(server.post("/api/v1/logs", &[], small).status, 200);
}

#[test]
fn an_overloaded_node_sends_away_stays_small_and_loses_nothing() {
    let dir = data_dir();
    let server = Server::start(dir.path(), BUDGETS);
    let sent_away = offer(&[&server]);
    assert!(sent_away > 0, "sixteen megabytes at once fit in a budget of eight");
    let metrics = server.get("/metrics");
    let counted = ["queue_size", "tail_memory"]
        .map(|budget| metric(&metrics, &format!("varve_sheds_total{{budget=\"{budget}\"}}")));
    println!("sent away {sent_away} times {counted:?}");
    assert_eq!(counted.iter().sum::<u64>(), sent_away, "{counted:?}");
    send_late(&server);
    check_after_the_storm(&server, 1);
}

#[tokio::test]
async fn a_grpc_sender_that_is_sent_away_is_told_how_long_to_wait() {
    let dir = data_dir();
    let server = Server::start(dir.path(), BUDGETS);
    let channel = connect(&server).await;
    let large = batch(vec![record("a", &"x".repeat(1 << 20)); 3]);
    let calls: Vec<_> = (0..24)
        .map(|_| {
            let (mut logs, large) = (Logs::new(channel.clone()), large.clone());
            tokio::spawn(async move { logs.append(large).await })
        })
        .collect();
    let (mut stored, mut sent_away) = (0, 0);
    for call in calls {
        match call.await.expect("no panic") {
            Ok(_) => stored += 1,
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
                let delay = status.get_details_retry_info().expect("RetryInfo").retry_delay;
                assert_eq!(delay, Some(Duration::from_secs(1)));
                sent_away += 1;
            }
        }
    }
    assert!(stored > 0 && sent_away > 0, "{stored} stored, {sent_away} sent away");
    assert_eq!(server.total(""), 3 * stored);
}
