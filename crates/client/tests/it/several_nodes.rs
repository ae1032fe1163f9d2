//! A client of several nodes goes on with the next when one fails.

use std::io;
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};
use varve_client::{
    Aggregate, Appended, CallError, Client, ConnectError, Consistency, Query, RetryPolicy, Sender,
};
use varve_types::{BatchKey, Epoch, ProducerId, ProducerKey, Record, Sequence, TenantId};

use crate::fake_server::{FakeServer, Faults};

const BATCHES: u64 = 200;

fn producer() -> ProducerKey {
    let producer = ProducerId::new("test").expect("a name");
    ProducerKey { tenant: TenantId(0), producer, epoch: Epoch(0) }
}

fn record(sequence: u64) -> Vec<Record> {
    vec![Record { service: "s".into(), message: sequence.to_string().into(), ..Record::default() }]
}

/// A node that is gone.
fn gone() -> Channel {
    let connector = tower::service_fn(|_| async {
        Err::<hyper_util::rt::TokioIo<tokio::io::DuplexStream>, _>(io::Error::from(
            io::ErrorKind::ConnectionRefused,
        ))
    });
    Endpoint::from_static("http://in.memory").connect_with_connector_lazy(connector)
}

fn client(channels: Vec<(Channel, &str)>) -> Client {
    let policy = RetryPolicy { answer_timeout: Duration::from_secs(2), ..RetryPolicy::default() };
    let channels = channels.into_iter().map(|(channel, name)| (channel, name.to_owned()));
    Client::over_any(channels).with_policy(policy)
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_gone_is_left_for_the_next() {
    let server = FakeServer::new(1, Faults::default());
    let client = client(vec![(gone(), "a"), (gone(), "b"), (server.channel(), "c")]);
    let began = tokio::time::Instant::now();
    let key = BatchKey { producer: producer(), sequence: Sequence::FIRST };
    let stored = client.append(&key, &record(1)).await.expect("stored");
    assert_eq!(stored, Appended::Stored { records: 1, duplicate: false });
    assert_eq!(client.endpoint(), "c");
    // Who comes later finds the choice made.
    assert_eq!(client.clone().endpoint(), "c");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_sender_moves_between_nodes_and_stores_each_batch_once() {
    let faults = Faults { drop_before: 15, drop_after: 15, overloaded: 0, silent: 10 };
    let mut faults_met = 0;
    for seed in 0..10 {
        let server = FakeServer::new(seed, faults);
        let client = client(vec![(server.channel(), "a"), (gone(), "b"), (server.channel(), "c")]);
        let mut sender = Sender::new(client, producer());
        let mut acks = Vec::new();
        for sequence in 1..=BATCHES {
            acks.push(sender.send(&record(sequence)).await.expect("the sender goes on"));
        }
        for ack in acks {
            ack.await.expect("acknowledged");
        }
        let store = server.store.lock().expect("no holder panicked");
        assert!(store.stored.keys().copied().eq(1..=BATCHES), "every sequence, and no other");
        faults_met += store.faults_met;
    }
    assert!(faults_met > 30, "{faults_met} faults are hardly any");
}

#[tokio::test(start_paused = true)]
async fn a_question_goes_to_every_node_before_it_fails() {
    let server = FakeServer::new(1, Faults::default());
    let one_is_there = client(vec![(gone(), "a"), (server.channel(), "b")]);
    let said = one_is_there.query(&Query::default()).await.expect_err("the fake answers nothing");
    assert!(matches!(&said, CallError::Refused(refusal) if refusal.message.contains("the fake")));

    let none_is_there = client(vec![(gone(), "a"), (gone(), "b")]);
    let said = none_is_there.query(&Query::default()).await.expect_err("nobody is there");
    assert!(matches!(&said, CallError::Lost { endpoint, .. } if endpoint == "b"), "{said}");
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_before_any_is_tried() {
    let said = Client::connect_any(&["http://127.0.0.1:1", "b:9431"]).await.expect_err("refused");
    assert!(matches!(&said, ConnectError::Endpoint { endpoint, .. } if endpoint == "b:9431"));
    let said = Client::connect_any(&["http://127.0.0.1:1", "http://127.0.0.1:2"]).await;
    let said = said.expect_err("nobody listens there").to_string();
    assert!(said.starts_with("cannot reach http://127.0.0.1:1, http://127.0.0.1:2: "), "{said}");
}

#[tokio::test(start_paused = true)]
async fn counts_say_what_is_missing_and_only_where_that_is_allowed() {
    let server = FakeServer::new(1, Faults::default());
    let client = client(vec![(server.channel(), "a")]);
    let whole = Aggregate::default();
    let said = client.aggregate(&whole).await.expect_err("a shard cannot be read");
    assert!(said.to_string().contains("shard 2 cannot be read"), "{said}");
    let some = Aggregate { consistency: Consistency::Stale, partial: true, ..whole };
    let answer = client.aggregate(&some).await.expect("some is enough");
    let rows: Vec<u64> = answer.counts.iter().map(|count| count.rows).collect();
    assert_eq!((rows, answer.warnings), (vec![3, 4], vec!["shard 2 is left out".to_owned()]));
}
