//! `LogService`: append, stream of appends, query, counts, one record.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;

use prost::Message;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};
use varve_ingest::BatchSize;
use varve_proto::v1::append_stream_response::Outcome;
use varve_proto::v1::log_service_server::LogService;
use varve_proto::v1::query_response::Part;
use varve_proto::{RecordEncoder, encode_commit_token, v1};
use varve_query::Hit;
use varve_types::{LogIndex, RecordId, ShardId, TenantId, limits};

use super::questions;
use super::status::Refusal;
use crate::gateway::Appended;
use crate::metrics::Protocol;
use crate::read::ReadOptions;
use crate::server::Services;

/// Batches of one stream that are stored at the same time; a producer's window.
const STREAM_IN_FLIGHT: usize = limits::PRODUCER_WINDOW as usize;

/// Records in one message of an answer.
const RECORDS_PER_MESSAGE: usize = 1_000;

/// Where a message of an answer ends, in decoded bytes, unless one record alone has more: a
/// quarter of what clients take when they set no bound of their own.
const MESSAGE_RECORDS_BYTES: usize = 1 << 20;

/// Counts in one message of an answer: with the longest names, within what clients take.
const COUNTS_PER_MESSAGE: usize = 5_000;

const _: () = assert!(COUNTS_PER_MESSAGE * (limits::SERVICE_BYTES_MAX + 64) < 4 << 20);

/// The service.
#[derive(Clone)]
pub(super) struct LogApi {
    services: Arc<Services>,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl LogApi {
    pub(super) const fn new(services: Arc<Services>) -> Self {
        Self { services }
    }

    async fn store(&self, request: v1::AppendRequest) -> Result<v1::AppendResponse, Refusal> {
        let want_ids = request.want_ids;
        let gateway = &self.services.gateway;
        let held = gateway.budget().reserve(bytes_about(&request))?;
        let decode = move || {
            let batch = varve_ingest::grpc::decode(TenantId(0), request);
            drop(held);
            batch
        };
        let batch = self.services.env.blocking.run(decode).await?;
        Ok(response(&gateway.append(batch, want_ids, Protocol::Grpc).await?))
    }
}

/// About what a request takes in memory until it is decoded.
fn bytes_about(request: &v1::AppendRequest) -> usize {
    request.encoded_len() + size_of_val(&*request.records)
}

fn response(appended: &Appended) -> v1::AppendResponse {
    let mut positions: BTreeMap<ShardId, LogIndex> = BTreeMap::new();
    for place in &appended.placements {
        let reached = positions.entry(place.position.shard).or_default();
        *reached = (*reached).max(place.position.index);
    }
    v1::AppendResponse {
        accepted: appended.accepted as u64,
        duplicate: appended.duplicate,
        token: Some(encode_commit_token(&positions)),
        log_ids: appended.ids.iter().map(ToString::to_string).collect(),
    }
}

#[tonic::async_trait]
impl LogService for LogApi {
    async fn append(
        &self,
        request: Request<v1::AppendRequest>,
    ) -> Result<Response<v1::AppendResponse>, Status> {
        Ok(Response::new(self.store(request.into_inner()).await?))
    }

    type AppendStreamStream = Answers<v1::AppendStreamResponse>;

    async fn append_stream(
        &self,
        request: Request<Streaming<v1::AppendRequest>>,
    ) -> Result<Response<Self::AppendStreamStream>, Status> {
        let mut requests = request.into_inner();
        let (answers, receiver) = mpsc::channel(STREAM_IN_FLIGHT);
        let api = self.clone();
        tokio::spawn(async move {
            let mut in_flight: VecDeque<JoinHandle<()>> = VecDeque::new();
            // A place in the channel is taken before the next batch is read, so a client that
            // does not read its answers is not read either.
            while let Ok(place) = answers.clone().reserve_owned().await {
                // One slow batch must not fall behind by more than what is remembered of its
                // producer, while those after it go on.
                if in_flight.len() == STREAM_IN_FLIGHT
                    && let Some(oldest) = in_flight.pop_front()
                {
                    // A panic in it has dropped its place: its sender waits in vain and resends.
                    let _ = oldest.await;
                }
                let request = match requests.next().await {
                    Some(Ok(request)) => request,
                    Some(Err(status)) => {
                        place.send(Err(status));
                        break;
                    }
                    None => break,
                };
                let api = api.clone();
                in_flight.push_back(tokio::spawn(async move {
                    let sequence = request.key.as_ref().map_or(0, |key| key.sequence);
                    let outcome = match api.store(request).await {
                        Ok(response) => Outcome::Accepted(response),
                        Err(refusal) => Outcome::Error(refusal.into_message()),
                    };
                    place.send(Ok(v1::AppendStreamResponse { sequence, outcome: Some(outcome) }));
                }));
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    type QueryStream = Answers<v1::QueryResponse>;

    async fn query(
        &self,
        request: Request<v1::QueryRequest>,
    ) -> Result<Response<Self::QueryStream>, Status> {
        let request = request.into_inner();
        let explain = request.explain;
        let options = questions::options(request.consistency, request.partial)?;
        let found = self.services.reader.search(questions::search(request)?, options).await?;
        let summary = v1::QuerySummary {
            total: found.result.total.unwrap_or_default(),
            as_of: Some(encode_commit_token(&found.as_of)),
            total_omitted: found.result.total.is_none(),
            explain: explain.then(|| questions::explain(&found.result.explain)),
            warnings: found.warnings,
        };
        let mut parts = vec![Part::Summary(summary)];
        parts.extend(messages(&found.result.hits).into_iter().map(records));
        let answers = parts.into_iter().map(|part| Ok(v1::QueryResponse { part: Some(part) }));
        Ok(Response::new(Box::pin(tokio_stream::iter(answers))))
    }

    type AggregateStream = Answers<v1::AggregateResponse>;

    async fn aggregate(
        &self,
        request: Request<v1::AggregateRequest>,
    ) -> Result<Response<Self::AggregateStream>, Status> {
        let request = request.into_inner();
        let options = questions::options(request.consistency, request.partial)?;
        let aggregate = questions::aggregate(request)?;
        let found = self.services.reader.aggregate(aggregate, options).await?;
        let mut as_of = Some(encode_commit_token(&found.as_of));
        let mut warnings = found.warnings;
        let mut answers: Vec<_> = found
            .result
            .cells
            .chunks(COUNTS_PER_MESSAGE)
            .map(|cells| v1::AggregateResponse {
                counts: cells.iter().map(questions::count).collect(),
                as_of: as_of.take(),
                warnings: std::mem::take(&mut warnings),
            })
            .collect();
        if answers.is_empty() {
            answers.push(v1::AggregateResponse { counts: Vec::new(), as_of, warnings });
        }
        Ok(Response::new(Box::pin(tokio_stream::iter(answers.into_iter().map(Ok)))))
    }

    async fn get_record(
        &self,
        request: Request<v1::GetRecordRequest>,
    ) -> Result<Response<v1::GetRecordResponse>, Status> {
        let id: RecordId = request
            .into_inner()
            .log_id
            .parse()
            .map_err(|error| Status::invalid_argument(format!("log_id: {error}")))?;
        let hit = self
            .services
            .reader
            .find(id, ReadOptions::default())
            .await?
            .ok_or_else(|| Status::not_found(format!("no record has the id {id}")))?;
        let mut encoder = RecordEncoder::default();
        let record = Some(stored(&mut encoder, &hit));
        Ok(Response::new(v1::GetRecordResponse { resources: encoder.into_resources(), record }))
    }
}

/// Cuts an answer's records into what goes into one message each.
fn messages(mut hits: &[Hit]) -> Vec<&[Hit]> {
    let mut messages = Vec::new();
    while !hits.is_empty() {
        let mut size = BatchSize::default();
        let fitting = hits
            .iter()
            .take(RECORDS_PER_MESSAGE)
            .take_while(|hit| size.add(&hit.record) <= MESSAGE_RECORDS_BYTES)
            .count();
        let (message, rest) = hits.split_at(fitting.max(1));
        messages.push(message);
        hits = rest;
    }
    messages
}

fn records(hits: &[Hit]) -> Part {
    let mut encoder = RecordEncoder::default();
    let records = hits.iter().map(|hit| stored(&mut encoder, hit)).collect();
    Part::Records(v1::QueryRecords { resources: encoder.into_resources(), records })
}

fn stored(encoder: &mut RecordEncoder, hit: &Hit) -> v1::StoredRecord {
    v1::StoredRecord {
        log_id: hit.id.to_string(),
        created_at_ns: hit.created_at.get(),
        record: Some(encoder.encode(&hit.record)),
    }
}
