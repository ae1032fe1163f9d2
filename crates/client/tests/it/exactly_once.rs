//! Every batch is stored once, whatever breaks, and no sequence runs ahead of the window.

use std::time::Duration;

use varve_client::{AppendError, Appended, Client, RetryPolicy, Sender};
use varve_types::{BatchKey, Epoch, ProducerId, ProducerKey, Record, Sequence, TenantId, limits};

use crate::fake_server::{FakeServer, Faults};

const BATCHES: u64 = 400;

const POLICY: RetryPolicy = RetryPolicy {
    first_wait: Duration::from_millis(10),
    wait_max: Duration::from_millis(500),
    patience: Duration::from_secs(60),
    answer_timeout: Duration::from_secs(2),
};

fn producer() -> ProducerKey {
    let producer = ProducerId::new("test").expect("a name");
    ProducerKey { tenant: TenantId(0), producer, epoch: Epoch(0) }
}

fn batch(sequence: u64) -> Vec<Record> {
    let record = |n: u64| Record {
        service: "s".into(),
        message: format!("{sequence}/{n}").into(),
        ..Record::default()
    };
    (0..1 + sequence % 5).map(record).collect()
}

fn client(server: &FakeServer) -> Client {
    Client::over(server.channel(), "the fake").with_policy(POLICY)
}

/// Sends all batches, and answers how many were found stored already.
async fn send_all(server: &FakeServer) -> u64 {
    let mut sender = Sender::new(client(server), producer());
    let mut acks = Vec::new();
    for sequence in 1..=BATCHES {
        acks.push(sender.send(&batch(sequence)).await.expect("the sender goes on"));
    }
    let mut duplicates = 0;
    for ack in acks {
        let sequence = ack.sequence().get();
        match ack.await.expect("acknowledged") {
            Appended::Stored { records, duplicate } => {
                assert_eq!(records, 1 + sequence % 5);
                duplicates += u64::from(duplicate);
            }
            Appended::Earlier => panic!("the fake forgets nothing"),
        }
    }
    duplicates
}

fn check_stored_once(server: &FakeServer) {
    let store = server.store.lock().expect("no holder panicked");
    assert!(store.stored.keys().copied().eq(1..=BATCHES), "every sequence, and no other");
    for (sequence, messages) in &store.stored {
        let wanted: Vec<_> = batch(*sequence).iter().map(|r| r.message.to_vec()).collect();
        assert_eq!(*messages, wanted);
    }
    assert!(store.span_max <= limits::PRODUCER_WINDOW, "the window: {}", store.span_max);
}

#[tokio::test(start_paused = true)]
async fn every_batch_is_stored_once_whatever_breaks() {
    let faults = Faults { drop_before: 15, drop_after: 15, overloaded: 60, silent: 10 };
    for seed in 0..20 {
        let server = FakeServer::new(seed, faults);
        send_all(&server).await;
        check_stored_once(&server);
        assert!(
            server.store.lock().expect("no holder panicked").faults_met > 5,
            "seed {seed} met hardly a fault"
        );
        // The same input again, under the same producer: found stored, to the last batch.
        assert_eq!(send_all(&server).await, BATCHES, "seed {seed}");
        check_stored_once(&server);
    }
}

#[tokio::test(start_paused = true)]
async fn without_faults_the_window_is_used_and_never_passed() {
    let server = FakeServer::new(1, Faults::default());
    assert_eq!(send_all(&server).await, 0);
    check_stored_once(&server);
    assert!(server.store.lock().expect("no holder panicked").span_max > 8, "batches are pipelined");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_good_stops_the_sender_and_names_the_batch() {
    let mut server = FakeServer::new(1, Faults::default());
    server.refuse.insert(3, "CONFLICT");
    let mut sender = Sender::new(client(&server), producer());
    let mut acks = Vec::new();
    let stopped = loop {
        match sender.send(&batch(acks.len() as u64 + 1)).await {
            Ok(ack) => acks.push(ack),
            Err(error) => break error,
        }
    };
    let said = stopped.to_string();
    assert!(matches!(stopped, AppendError::Stopped { sequence } if sequence.get() == 3), "{said}");
    let sent = acks.len() as u64;
    assert!(sent < 3 + 2 * limits::PRODUCER_WINDOW, "{sent} batches after a refusal");
    for (position, ack) in acks.into_iter().enumerate() {
        match (position, ack.await) {
            (2, Err(AppendError::Refused(refusal))) => assert_eq!(refusal.reason, "CONFLICT"),
            (2, other) => panic!("{other:?}"),
            (_, Ok(Appended::Stored { .. }) | Err(AppendError::Stopped { .. })) => {}
            (_, other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_server_has_forgotten_was_stored_earlier() {
    let mut server = FakeServer::new(1, Faults::default());
    server.refuse.insert(1, "FORGOTTEN");
    let mut sender = Sender::new(client(&server), producer());
    let first = sender.send(&batch(1)).await.expect("taken");
    let second = sender.send(&batch(2)).await.expect("taken");
    assert_eq!(first.await.expect("no failure"), Appended::Earlier);
    assert!(matches!(second.await, Ok(Appended::Stored { duplicate: false, .. })));
}

#[tokio::test(start_paused = true)]
async fn patience_ends_and_says_what_the_server_said_last() {
    let server = FakeServer::new(1, Faults { overloaded: 1_000, ..Faults::default() });
    let mut sender = Sender::new(client(&server), producer());
    let ack = sender.send(&batch(1)).await.expect("taken");
    let began = tokio::time::Instant::now();
    let said = ack.await.expect_err("given up").to_string();
    assert_eq!(said, "the fake acknowledged nothing for 60 s; last it said: too much");
    assert!(began.elapsed() < 2 * POLICY.patience);
}

#[tokio::test(start_paused = true)]
async fn one_batch_alone_is_tried_again_too() {
    let faults = Faults { drop_before: 200, drop_after: 200, overloaded: 200, silent: 100 };
    let server = FakeServer::new(7, faults);
    let client = client(&server);
    for number in 1..=BATCHES {
        let sequence = Sequence::new(number).expect("from 1");
        let key = BatchKey { producer: producer(), sequence };
        let appended = client.append(&key, &batch(number)).await.expect("acknowledged");
        assert!(matches!(appended, Appended::Stored { records, .. } if records == 1 + number % 5));
    }
    check_stored_once(&server);
}
