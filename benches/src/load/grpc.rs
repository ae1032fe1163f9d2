//! Load over gRPC: `AppendStream` with messages that were encoded before.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::{Buf as _, BufMut as _, Bytes};
use prost::Message as _;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};
use varve_proto::v1::AppendStreamResponse;
use varve_proto::v1::append_stream_response::Outcome;

use super::{Batches, CONNECTIONS, Meter, WINDOW};
use crate::Failure;

const APPEND_STREAM: &str = "/varve.v1.LogService/AppendStream";

/// A producer must not send sequence n before n - 64 was acknowledged; an open loop falls behind
/// its clock rather than break this.
const OPEN_WINDOW: usize = 60;

/// Sends bytes as they are, and decodes answers.
#[derive(Clone, Copy, Debug)]
struct EncodedBefore;

impl Codec for EncodedBefore {
    type Encode = Bytes;
    type Decode = AppendStreamResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for EncodedBefore {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for EncodedBefore {
    type Item = AppendStreamResponse;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let message = buffer.copy_to_bytes(buffer.remaining());
        let answer = AppendStreamResponse::decode(message);
        answer.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

/// A batch that is not acknowledged yet.
struct InFlight {
    body: Bytes,
    rows: u64,
    /// When it was sent first, or due.
    since: Instant,
    /// Whether the server refused it before.
    shed: bool,
}

/// By sequence.
type AllInFlight = Arc<Mutex<HashMap<u64, InFlight>>>;

/// One connection with its stream.
struct Connection {
    requests: mpsc::Sender<Bytes>,
    answers: Streaming<AppendStreamResponse>,
}

impl Connection {
    async fn open(endpoint: &str) -> Result<Self, Failure> {
        let endpoint = Endpoint::from_shared(endpoint.to_owned())?.tcp_nodelay(true);
        let mut grpc: Grpc<Channel> = Grpc::new(endpoint.connect().await?);
        grpc.ready().await?;
        let (requests, received) = mpsc::channel(OPEN_WINDOW);
        let requested = Request::new(ReceiverStream::new(received));
        let path = PathAndQuery::from_static(APPEND_STREAM);
        let answers = grpc.streaming(requested, path, EncodedBefore).await?.into_inner();
        Ok(Self { requests, answers })
    }
}

/// Sends all batches as fast as they are taken. Connections fall to the endpoints in turn.
pub(crate) fn closed_loop(
    endpoints: &[&str],
    batches: &Batches,
    meter: &Meter,
) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let mut connections = Vec::new();
        for number in 0..CONNECTIONS {
            let connection = Connection::open(endpoints[number % endpoints.len()]).await?;
            let permits = Arc::new(Semaphore::new(WINDOW));
            let due =
                batches.of_connection(number).map(|batch| (batch.body.clone(), batch.rows, None));
            connections.push(run(connection, permits, due.collect(), meter));
        }
        all(connections).await
    })
}

/// Sends a batch every `interval`, over all connections in turn. What an acknowledgement takes
/// counts from when its batch was due, also where the server keeps later ones waiting.
pub(crate) fn open_loop(
    endpoints: &[&str],
    batches: &Batches,
    interval: Duration,
    meter: &Meter,
) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let mut opened = Vec::new();
        for number in 0..CONNECTIONS {
            opened.push(Connection::open(endpoints[number % endpoints.len()]).await?);
        }
        let begin = Instant::now();
        let connections = opened.into_iter().enumerate().map(|(number, connection)| {
            let due = batches.of_connection(number).enumerate().map(|(n, batch)| {
                let turn = (n * CONNECTIONS + number) as u32;
                (batch.body.clone(), batch.rows, Some(begin + interval * turn))
            });
            run(connection, Arc::new(Semaphore::new(OPEN_WINDOW)), due.collect(), meter)
        });
        all(connections.collect()).await
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

async fn all(connections: Vec<impl Future<Output = Result<(), Failure>>>) -> Result<(), Failure> {
    let mut connections = std::pin::pin!(futures::future::try_join_all(connections));
    connections.as_mut().await.map(drop)
}

/// Sends what is due, and reads the answers.
async fn run(
    connection: Connection,
    permits: Arc<Semaphore>,
    due: Vec<(Bytes, u64, Option<Instant>)>,
    meter: &Meter,
) -> Result<(), Failure> {
    let in_flight = AllInFlight::default();
    let Connection { requests, answers } = connection;
    let batches = due.len();
    let sending = {
        let (in_flight, permits) = (Arc::clone(&in_flight), Arc::clone(&permits));
        let requests = requests.clone();
        async move {
            for (n, (body, rows, at)) in due.into_iter().enumerate() {
                if let Some(at) = at {
                    tokio::time::sleep_until(at.into()).await;
                }
                permits.acquire().await?.forget();
                let since = at.unwrap_or_else(Instant::now);
                let batch = InFlight { body: body.clone(), rows, since, shed: false };
                in_flight.lock().expect("BUG: one thread").insert(n as u64 + 1, batch);
                requests.send(body).await?;
            }
            Ok::<(), Failure>(())
        }
    };
    let receiving = receive(answers, batches, &in_flight, &requests, &permits, meter);
    futures::try_join!(sending, receiving).map(drop)
}

/// Reads answers until all batches are acknowledged. What the server sheds is sent again after
/// the delay that it asks for, under the same key, as any client does.
async fn receive(
    mut answers: Streaming<AppendStreamResponse>,
    batches: usize,
    in_flight: &AllInFlight,
    requests: &mpsc::Sender<Bytes>,
    permits: &Semaphore,
    meter: &Meter,
) -> Result<(), Failure> {
    let mut acked = 0;
    while acked < batches {
        let AppendStreamResponse { sequence, outcome } =
            answers.next().await.ok_or("the stream ended early")??;
        let batch = in_flight.lock().expect("BUG: one thread").remove(&sequence);
        let mut batch = batch.ok_or("an answer to nothing")?;
        match outcome {
            Some(Outcome::Accepted(accepted)) if batch.shed || !accepted.duplicate => {
                meter.acked(batch.rows, batch.since.elapsed())?;
                permits.add_permits(1);
                acked += 1;
            }
            Some(Outcome::Error(error)) if error.retryable => {
                meter.shed()?;
                batch.shed = true;
                let (requests, body) = (requests.clone(), batch.body.clone());
                let delay = Duration::from_millis(error.retry_after_ms.into());
                in_flight.lock().expect("BUG: one thread").insert(sequence, batch);
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    // Fails only after the stream has ended, which the answers tell.
                    let _ = requests.send(body).await;
                });
            }
            other => return Err(format!("a batch was not stored: {other:?}").into()),
        }
    }
    Ok(())
}
