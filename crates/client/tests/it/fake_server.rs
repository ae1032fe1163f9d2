//! A log service in memory that stores each key once, and misbehaves at seeded points.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, UnboundedReceiverStream};
use tokio_stream::{Stream, StreamExt};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status, Streaming};
use varve_client::v1::append_stream_response::Outcome;
use varve_client::v1::{self, log_service_server};

/// How often, of a thousand batches, each of these happens.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// The connection ends before the batch is stored.
    pub(crate) drop_before: u32,
    /// The connection ends after it is stored and before it is answered.
    pub(crate) drop_after: u32,
    /// The answer is an error that says: try again.
    pub(crate) overloaded: u32,
    /// The batch is stored, and the answer is lost without a word.
    pub(crate) silent: u32,
}

/// What the server holds and has seen.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// By sequence: how often it was stored, and the request's messages.
    pub(crate) stored: BTreeMap<u64, Vec<Vec<u8>>>,
    /// The longest way from the lowest sequence without an answer to one that came in.
    pub(crate) span_max: u64,
    pub(crate) faults_met: u64,
    answered: BTreeMap<u64, ()>,
}

#[derive(Clone)]
pub(crate) struct FakeServer {
    pub(crate) store: Arc<Mutex<Store>>,
    faults: Faults,
    random: Arc<Mutex<StdRng>>,
    /// Sequences that are always refused, with the reason.
    pub(crate) refuse: BTreeMap<u64, &'static str>,
    pub(crate) connections: Arc<AtomicU64>,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl FakeServer {
    pub(crate) fn new(seed: u64, faults: Faults) -> Self {
        Self {
            store: Arc::default(),
            faults,
            random: Arc::new(Mutex::new(StdRng::seed_from_u64(seed))),
            refuse: BTreeMap::new(),
            connections: Arc::default(),
        }
    }

    /// A channel to a server of this store; each connection is a pipe in memory, and every tenth
    /// is refused when there are faults.
    pub(crate) fn channel(&self) -> Channel {
        let (connections, incoming) = mpsc::unbounded_channel();
        let service = log_service_server::LogServiceServer::new(self.clone())
            .max_decoding_message_size(32 << 20);
        let incoming = UnboundedReceiverStream::new(incoming).map(Ok::<_, std::io::Error>);
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
        let server = self.clone();
        let connector = tower::service_fn(move |_| {
            let count = server.connections.fetch_add(1, Ordering::Relaxed);
            let refused = server.faults.drop_before > 0 && count % 10 == 9;
            let connections = connections.clone();
            async move {
                if refused {
                    return Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
                }
                let (near, far) = tokio::io::duplex(1 << 16);
                connections.send(far).expect("the server lives");
                Ok(TokioIo::new(near))
            }
        });
        Endpoint::from_static("http://in.memory").connect_with_connector_lazy(connector)
    }

    fn roll(&self) -> u32 {
        self.random.lock().expect("no holder panicked").random_range(0..1_000)
    }

    fn see(&self, request: &v1::AppendRequest) {
        let sequence = request.key.as_ref().expect("a key").sequence;
        let mut store = self.store.lock().expect("no holder panicked");
        let lowest = (1..).find(|n| !store.answered.contains_key(n)).expect("endless");
        store.span_max = store.span_max.max((sequence + 1).saturating_sub(lowest));
    }

    /// Stores a batch, or recognises it.
    fn keep(&self, request: v1::AppendRequest) -> Result<v1::AppendResponse, v1::AppendError> {
        let sequence = request.key.expect("a key").sequence;
        if let Some(reason) = self.refuse.get(&sequence) {
            return Err(v1::AppendError {
                code: Code::InvalidArgument.into(),
                message: format!("batch {sequence} is refused"),
                reason: (*reason).to_owned(),
                ..v1::AppendError::default()
            });
        }
        let messages: Vec<Vec<u8>> =
            request.records.into_iter().map(|record| record.message.to_vec()).collect();
        let accepted = messages.len() as u64;
        let mut store = self.store.lock().expect("no holder panicked");
        let duplicate = match store.stored.get(&sequence) {
            None => {
                store.stored.insert(sequence, messages);
                false
            }
            Some(before) => {
                assert_eq!(*before, messages, "the same key came with other content");
                true
            }
        };
        Ok(v1::AppendResponse { accepted, duplicate, ..v1::AppendResponse::default() })
    }

    fn fault(&self) {
        self.store.lock().expect("no holder panicked").faults_met += 1;
    }

    /// One batch; `Err` ends the stream.
    fn serve(
        &self,
        request: v1::AppendRequest,
    ) -> Result<Option<v1::AppendStreamResponse>, Status> {
        let sequence = request.key.as_ref().expect("a key").sequence;
        let faults = self.faults;
        let mut roll = self.roll();
        let mut hits = |share: u32| {
            let hit = roll < share;
            roll = roll.saturating_sub(share).max(u32::from(hit));
            if hit {
                self.fault();
                roll = 1_000;
            }
            hit
        };
        if hits(faults.drop_before) {
            return Err(Status::unavailable("dropped before storing"));
        }
        if hits(faults.overloaded) {
            let error = v1::AppendError {
                code: Code::ResourceExhausted.into(),
                message: "too much".to_owned(),
                retryable: true,
                retry_after_ms: 20,
                reason: "OVERLOADED".to_owned(),
                ..v1::AppendError::default()
            };
            return Ok(Some(v1::AppendStreamResponse {
                sequence,
                outcome: Some(Outcome::Error(error)),
            }));
        }
        let outcome = match self.keep(request) {
            Ok(response) => Outcome::Accepted(response),
            Err(error) => Outcome::Error(error),
        };
        if hits(faults.drop_after) {
            return Err(Status::unavailable("dropped after storing"));
        }
        if hits(faults.silent) {
            return Ok(None);
        }
        self.store.lock().expect("no holder panicked").answered.insert(sequence, ());
        Ok(Some(v1::AppendStreamResponse { sequence, outcome: Some(outcome) }))
    }
}

#[tonic::async_trait]
impl log_service_server::LogService for FakeServer {
    async fn append(
        &self,
        request: Request<v1::AppendRequest>,
    ) -> Result<Response<v1::AppendResponse>, Status> {
        match self.serve(request.into_inner())?.and_then(|answer| answer.outcome) {
            Some(Outcome::Accepted(response)) => Ok(Response::new(response)),
            Some(Outcome::Error(error)) => {
                Err(Status::new(Code::from_i32(error.code), error.message))
            }
            None => std::future::pending().await,
        }
    }

    type AppendStreamStream = Answers<v1::AppendStreamResponse>;

    async fn append_stream(
        &self,
        request: Request<Streaming<v1::AppendRequest>>,
    ) -> Result<Response<Self::AppendStreamStream>, Status> {
        let mut requests = request.into_inner();
        let (answers, receiver) = mpsc::channel(64);
        let server = self.clone();
        let (read, mut queue) = mpsc::unbounded_channel();
        let reader = self.clone();
        tokio::spawn(async move {
            while let Some(Ok(request)) = requests.next().await {
                reader.see(&request);
                let _ = read.send(request);
            }
        });
        tokio::spawn(async move {
            while let Some(request) = queue.recv().await {
                let wait = Duration::from_micros(u64::from(server.roll()));
                tokio::time::sleep(wait).await;
                let answer = server.serve(request);
                let ended = answer.is_err();
                if let Some(answer) = answer.transpose() {
                    let _ = answers.send(answer).await;
                }
                if ended {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    type QueryStream = Answers<v1::QueryResponse>;

    async fn query(
        &self,
        _: Request<v1::QueryRequest>,
    ) -> Result<Response<Self::QueryStream>, Status> {
        Err(Status::unimplemented("the fake stores, and answers no questions"))
    }

    type AggregateStream = Answers<v1::AggregateResponse>;

    async fn aggregate(
        &self,
        request: Request<v1::AggregateRequest>,
    ) -> Result<Response<Self::AggregateStream>, Status> {
        let request = request.into_inner();
        if !request.partial || request.consistency() != v1::Consistency::Stale {
            return Err(Status::unavailable("shard 2 cannot be read"));
        }
        let count = |rows| v1::AggregateCount { rows, ..v1::AggregateCount::default() };
        let message = |rows, warnings| v1::AggregateResponse {
            counts: vec![count(rows)],
            warnings,
            ..v1::AggregateResponse::default()
        };
        let answers = [message(3, vec!["shard 2 is left out".to_owned()]), message(4, Vec::new())];
        Ok(Response::new(Box::pin(tokio_stream::iter(answers.map(Ok)))))
    }

    async fn get_record(
        &self,
        _: Request<v1::GetRecordRequest>,
    ) -> Result<Response<v1::GetRecordResponse>, Status> {
        Err(Status::unimplemented("the fake stores, and answers no questions"))
    }
}
