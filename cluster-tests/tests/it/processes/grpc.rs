//! The gRPC API as any client sees it: generated messages, no SDK between. Appending, alone and as
//! a stream, and the standard services beside it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use expect_test::expect;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use varve_proto::v1;
use varve_proto::v1::append_stream_response::Outcome;
use varve_proto::v1::log_service_client::LogServiceClient;

use super::server::{Server, data_dir};

pub(super) type Logs = LogServiceClient<Channel>;

pub(super) async fn connect(server: &Server) -> Channel {
    let endpoint = Endpoint::from_shared(server.grpc().to_owned()).expect("a URL");
    endpoint.connect().await.expect("the server takes connections")
}

/// A plain record.
pub(super) fn record(service: &str, message: &str) -> v1::Record {
    v1::Record {
        service: service.to_owned(),
        message: message.as_bytes().to_vec().into(),
        ..v1::Record::default()
    }
}

pub(super) fn key(producer: &str, sequence: u64) -> Option<v1::BatchKey> {
    Some(v1::BatchKey { producer_id: producer.to_owned(), epoch: 0, sequence })
}

/// A batch of records without a key.
pub(super) fn batch(records: Vec<v1::Record>) -> v1::AppendRequest {
    v1::AppendRequest { records, ..v1::AppendRequest::default() }
}

/// One record under a key.
fn keyed(producer: &str, sequence: u64, message: &str) -> v1::AppendRequest {
    let batch = batch(vec![record("keyed", message)]);
    v1::AppendRequest { key: key(producer, sequence), ..batch }
}

/// An error's code and message in one line.
pub(super) fn said(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

/// Sends all batches down one stream without waiting, and reads every answer until the end.
async fn stream(logs: &mut Logs, batches: Vec<v1::AppendRequest>) -> Vec<v1::AppendStreamResponse> {
    let answers = logs.append_stream(tokio_stream::iter(batches)).await.expect("a stream");
    let mut answers = answers.into_inner();
    let mut all = Vec::new();
    while let Some(answer) = answers.message().await.expect("the stream goes on") {
        all.push(answer);
    }
    all
}

async fn message_of(logs: &mut Logs, log_id: &str) -> String {
    let request = v1::GetRecordRequest { log_id: log_id.to_owned() };
    let answer = logs.get_record(request).await.expect("the record is there").into_inner();
    let record = answer.record.expect("a stored record").record.expect("a record");
    String::from_utf8(record.message.to_vec()).expect("UTF-8")
}

#[tokio::test]
async fn a_batch_is_stored_once_with_a_key_and_as_often_as_it_is_sent_without() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let mut logs = Logs::new(connect(&server).await);
    for _ in 0..2 {
        let batch = batch(vec![record("free", "one"), record("free", "two")]);
        let answer = logs.append(batch).await.expect("stored").into_inner();
        assert_eq!((answer.accepted, answer.duplicate, answer.log_ids.len()), (2, false, 0));
        assert_eq!(answer.token.expect("a token").positions.len(), 1);
    }
    assert_eq!(server.total("service=free"), 4);

    let services = ["a", "b", "c", "d"];
    let records: Vec<_> = (0..100).map(|n| record(services[n % 4], &format!("row {n}"))).collect();
    let request = v1::AppendRequest { key: key("till", 1), want_ids: true, ..batch(records) };
    let first = logs.append(request.clone()).await.expect("stored").into_inner();
    assert_eq!((first.accepted, first.duplicate), (100, false));
    for (n, id) in first.log_ids.iter().enumerate() {
        assert_eq!(message_of(&mut logs, id).await, format!("row {n}"), "ids in record order");
    }
    let again = logs.append(request.clone()).await.expect("a duplicate").into_inner();
    assert_eq!((again.accepted, again.duplicate), (100, true));
    assert_eq!((again.log_ids, again.token), (first.log_ids, first.token));

    let other = v1::AppendRequest { records: vec![record("a", "other")], ..request.clone() };
    let status = logs.append(other).await.expect_err("a conflict");
    assert_eq!(status.code(), Code::AlreadyExists, "{status:?}");
    // Another epoch and another producer are other namespaces.
    let epoch = v1::BatchKey { epoch: 1, ..request.key.clone().expect("a key") };
    let epoch = v1::AppendRequest { key: Some(epoch), ..request };
    assert!(!logs.append(epoch).await.expect("stored").into_inner().duplicate);
    assert_eq!(server.total("service=a"), 50);
}

#[tokio::test]
async fn a_stream_acknowledges_each_batch_once_and_survives_a_bad_one() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let mut logs = Logs::new(connect(&server).await);
    let mut batches: Vec<_> =
        (1..=200).map(|n| keyed("stream", n, &format!("batch {n}"))).collect();
    batches[99].records.push(record("", "nobody"));
    let answers = stream(&mut logs, batches.clone()).await;
    let mut outcomes = BTreeMap::new();
    for answer in answers {
        let outcome = answer.outcome.expect("an outcome");
        assert!(outcomes.insert(answer.sequence, outcome).is_none(), "answered twice");
    }
    let Some(Outcome::Error(bad)) = outcomes.remove(&100) else { panic!("100 was taken") };
    expect!["INVALID 3 records[1].service is empty (say who logged the record) retryable false"]
        .assert_eq(&format!(
            "{} {} {} ({}) retryable {}",
            bad.reason, bad.code, bad.message, bad.hint, bad.retryable
        ));
    assert!(outcomes.keys().copied().eq((1..=200).filter(|&n| n != 100)));
    for (n, outcome) in &outcomes {
        let Outcome::Accepted(answer) = outcome else { panic!("{n}: {outcome:?}") };
        assert_eq!((answer.accepted, answer.duplicate), (1, false), "{n}");
    }
    assert_eq!(server.total(""), 199);

    // The bad batch corrected, the others resent: all but that one are duplicates.
    batches[99].records.truncate(1);
    for answer in stream(&mut logs, batches).await {
        let Some(Outcome::Accepted(accepted)) = answer.outcome else { panic!("{answer:?}") };
        assert_eq!(accepted.duplicate, answer.sequence != 100, "{}", answer.sequence);
    }
    assert_eq!(server.total(""), 200);
}

#[tokio::test]
async fn a_sequence_too_old_to_remember_is_refused_and_the_oldest_remembered_is_a_duplicate() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let mut logs = Logs::new(connect(&server).await);
    let batches = (1..=300).map(|n| keyed("old", n, &format!("batch {n}"))).collect();
    assert_eq!(stream(&mut logs, batches).await.len(), 300);

    let status = logs.append(keyed("old", 1, "batch 1")).await.expect_err("forgotten");
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    let answers = stream(&mut logs, vec![keyed("old", 2, "batch 2")]).await;
    let [v1::AppendStreamResponse { sequence: 2, outcome: Some(Outcome::Error(error)) }] =
        &answers[..]
    else {
        panic!("{answers:?}");
    };
    assert_eq!((error.reason.as_str(), error.retryable), ("FORGOTTEN", false));
    let lowest = error.lowest_sequence;
    assert!((2..=300 - 255).contains(&lowest), "256 sequences are remembered: {lowest}");
    for n in [lowest, 300] {
        let answer = logs.append(keyed("old", n, &format!("batch {n}"))).await.expect("remembered");
        assert!(answer.into_inner().duplicate, "{n}");
    }
    let conflict = stream(&mut logs, vec![keyed("old", 300, "another")]).await;
    let Some(Outcome::Error(conflict)) = &conflict[0].outcome else { panic!("{conflict:?}") };
    assert_eq!((conflict.reason.as_str(), conflict.code), ("CONFLICT", Code::AlreadyExists.into()));
    assert_eq!(server.total(""), 300);
}

#[tokio::test]
async fn what_is_wrong_with_a_batch_is_named_and_nothing_of_it_is_stored() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let mut logs = Logs::new(connect(&server).await);
    let with = |change: &dyn Fn(&mut v1::Record)| {
        let mut bad = record("a", "m");
        change(&mut bad);
        batch(vec![record("a", "good"), bad])
    };
    let attribute = |name: &str, kind: Option<v1::value::Kind>| v1::Attribute {
        name: name.to_owned(),
        value: Some(v1::Value { kind }),
    };
    let number = |text: &str| Some(v1::value::Kind::Number(text.to_owned()));
    let array = Some(v1::value::Kind::Array("[1,".to_owned()));
    let big = vec![record("a", &"x".repeat(3 << 20)); 3];
    let cases = [
        batch(vec![]),
        with(&|r| r.service.clear()),
        with(&|r| r.service = "s".repeat(513)),
        with(&|r| r.level = 9),
        with(&|r| r.level_text = "l".repeat(257)),
        with(&|r| r.resource = 1),
        with(&|r| r.message = vec![b'x'; (4 << 20) + 1].into()),
        with(&|r| r.attributes = vec![attribute("n", None)]),
        with(&|r| r.attributes = vec![attribute("n", number("1")), attribute("n", number("2"))]),
        with(&|r| r.attributes = vec![attribute("n", number("0x1"))]),
        with(&|r| r.attributes = vec![attribute("n", array.clone())]),
        v1::AppendRequest { key: key("a b", 1), ..with(&|_| {}) },
        v1::AppendRequest { key: key("a", 0), ..with(&|_| {}) },
        v1::AppendRequest { key: key("a", 1), ..batch(big) },
    ];
    let mut all = String::new();
    for case in cases {
        let status = logs.append(case).await.expect_err("refused");
        writeln!(all, "{}", said(&status)).expect("a String takes all");
    }
    expect![[r#"
        InvalidArgument: no records (send at least one record)
        InvalidArgument: records[1].service is empty (say who logged the record)
        InvalidArgument: records[1].service is 513 bytes; at most 512 are taken (make it shorter)
        InvalidArgument: records[1].level 9 is not a level; the levels are 0 to 6 (see varve/v1/record.proto for what each field may hold)
        InvalidArgument: records[1].level_text is 257 bytes; at most 256 are taken (make it shorter)
        InvalidArgument: records[1].resource 1 is past the request's 0 resources; they count from 1, and 0 is none (see varve/v1/record.proto for what each field may hold)
        OutOfRange: records[1].message is 4194305 bytes; at most 4194304 are taken (make it shorter)
        InvalidArgument: records[1].attributes[0].value is absent; set it (see varve/v1/record.proto for what each field may hold)
        InvalidArgument: records[1].attributes "n" occurs twice; names are unique within a record (see varve/v1/record.proto for what each field may hold)
        InvalidArgument: records[1].attributes.n is not a JSON number (send the number as JSON writes it, or as text)
        InvalidArgument: records[1].attributes.n is not a JSON array: the text ends where a value should be (byte 3) (send one JSON array, or the value as text)
        InvalidArgument: key.producer_id producer id "a b" is not 1 to 64 characters of A-Z a-z 0-9 . _ - (see varve/v1/record.proto for what each field may hold)
        InvalidArgument: key.sequence sequence "0" is not a whole number from 1 to 18446744073709551615 (see varve/v1/record.proto for what each field may hold)
        OutOfRange: batch is 9437259 bytes decoded; one with a key has at most 8388608 (send smaller batches, each under its own key, or leave the key out)
    "#]].assert_eq(&all);
    assert_eq!(server.total(""), 0);
}

#[tokio::test]
async fn compressed_requests_are_read_and_large_ones_without_a_key_are_stored_whole() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let channel = connect(&server).await;
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
        let mut logs = Logs::new(channel.clone()).send_compressed(encoding);
        let lines = (0..1000).map(|n| record("packed", &format!("{encoding:?} {n}"))).collect();
        let answer = logs.append(batch(lines)).await.expect("stored").into_inner();
        assert_eq!(answer.accepted, 1000);
        assert_eq!(server.total(&format!("service=packed&query={encoding:?}")), 1000);
        let answers = stream(&mut logs, vec![keyed("packed", encoding as u64 + 1, "m")]).await;
        assert!(matches!(answers[0].outcome, Some(Outcome::Accepted(_))), "{answers:?}");
    }
    let mut logs = Logs::new(channel);
    let lines = (0..20).map(|n| record("large", &format!("{n} {}", "x".repeat(1 << 20))));
    let request = v1::AppendRequest { want_ids: true, ..batch(lines.collect()) };
    let answer = logs.append(request).await.expect("stored").into_inner();
    assert_eq!((answer.accepted, answer.log_ids.len()), (20, 20));
    assert_eq!(server.total("service=large"), 20);
    assert!(message_of(&mut logs, &answer.log_ids[19]).await.starts_with("19 x"));
}

#[tokio::test]
async fn health_and_reflection_tell_standard_tools_what_is_here() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let channel = connect(&server).await;
    let mut health = HealthClient::new(channel.clone());
    for service in ["", "varve.v1.LogService", "varve.v1.ClusterService"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer = health.check(request).await.expect("an answer").into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
    }
    let unknown = HealthCheckRequest { service: "varve.v1.Nothing".to_owned() };
    assert_eq!(health.check(unknown).await.expect_err("unknown").code(), Code::NotFound);

    let ask = async |request: MessageRequest| {
        let request =
            ServerReflectionRequest { host: String::new(), message_request: Some(request) };
        let mut client = ServerReflectionClient::new(channel.clone());
        let answers = client.server_reflection_info(tokio_stream::iter([request])).await;
        let answer = answers.expect("a stream").into_inner().message().await.expect("an answer");
        answer.expect("one answer").message_response.expect("a response")
    };
    let listed = ask(MessageRequest::ListServices(String::new())).await;
    let MessageResponse::ListServicesResponse(listed) = listed else { panic!("{listed:?}") };
    let names: Vec<_> = listed.service.iter().map(|service| service.name.as_str()).collect();
    for name in ["varve.v1.LogService", "varve.v1.ClusterService", "grpc.health.v1.Health"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    let symbol = MessageRequest::FileContainingSymbol("varve.v1.LogService.Append".to_owned());
    let MessageResponse::FileDescriptorResponse(files) = ask(symbol).await else {
        panic!("no descriptor");
    };
    assert!(!files.file_descriptor_proto.is_empty());
}
