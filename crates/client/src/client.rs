//! A connection to one node, and the calls over it.

use std::time::Duration;

use tokio::time::Instant;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Channel, Endpoint};
use varve_proto::v1::cluster_service_client::ClusterServiceClient;
use varve_proto::v1::log_service_client::LogServiceClient;
use varve_proto::{RecordDecoder, RecordEncoder, encode_batch_key, v1};
use varve_types::{BatchKey, Record, RecordId, ShardId, limits};

use crate::aggregate::{Aggregate, Count};
use crate::backoff::{Backoff, RetryPolicy};
use crate::error::{AppendError, CallError, ConnectError, Refusal, root_cause};
use crate::query::{Answer, Query, StoredRecord, stored_record};
use crate::sender::Appended;

/// A message holds at most one keyed batch, or one page of answers, with room for names and tags.
const MESSAGE_BYTES_MAX: usize = 2 * limits::KEYED_BATCH_BYTES_MAX;

/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection over which nothing comes back for this long is broken.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// A connection to one node. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Client {
    channel: Channel,
    endpoint: String,
    policy: RetryPolicy,
    compression: bool,
}

impl Client {
    /// Connects to a node's gRPC address, for example `http://127.0.0.1:9431`.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Endpoint`] when it is not a URL, [`ConnectError::Unreachable`] when nobody
    /// answers there.
    pub async fn connect(endpoint: &str) -> Result<Self, ConnectError> {
        let refused =
            |problem: String| ConnectError::Endpoint { endpoint: endpoint.to_owned(), problem };
        if !endpoint.starts_with("http://") {
            return Err(refused("it does not begin with http://".to_owned()));
        }
        let made = Endpoint::from_shared(endpoint.to_owned())
            .map_err(|error| refused(root_cause(&error)))?;
        let channel = made
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .initial_stream_window_size(4 << 20)
            .initial_connection_window_size(8 << 20)
            .connect()
            .await
            .map_err(|error| ConnectError::Unreachable {
                endpoint: endpoint.to_owned(),
                reason: root_cause(&error),
            })?;
        Ok(Self::over(channel, endpoint))
    }

    /// Uses a channel made elsewhere, for example over a simulated network. `name` is what errors
    /// call it.
    #[must_use]
    pub fn over(channel: Channel, name: &str) -> Self {
        Self {
            channel,
            endpoint: name.to_owned(),
            policy: RetryPolicy::default(),
            compression: false,
        }
    }

    /// The same connection with another policy for trying again.
    #[must_use]
    pub const fn with_policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// The same connection, with what it sends compressed (zstd): worth its time over a slow
    /// network, not on loopback.
    #[must_use]
    pub const fn with_compression(mut self, compression: bool) -> Self {
        self.compression = compression;
        self
    }

    /// What errors call the node.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) const fn policy(&self) -> RetryPolicy {
        self.policy
    }

    pub(crate) fn logs(&self) -> LogServiceClient<Channel> {
        let logs = LogServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        if self.compression { logs.send_compressed(CompressionEncoding::Zstd) } else { logs }
    }

    fn cluster(&self) -> ClusterServiceClient<Channel> {
        ClusterServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Stores one batch, and tries again under the same key until it is acknowledged, refused, or
    /// the policy's patience ends. For many batches [`crate::Sender`] is several times faster.
    ///
    /// # Errors
    ///
    /// [`AppendError::Refused`] when sending it again would not help; [`AppendError::GaveUp`]
    /// when it is not known whether it was stored.
    pub async fn append(
        &self,
        key: &BatchKey,
        records: &[Record],
    ) -> Result<Appended, AppendError> {
        let request = append_request(key, records);
        let mut backoff = Backoff::new(self.policy);
        let deadline = Instant::now() + self.policy.patience;
        loop {
            let mut logs = self.logs();
            let answer = logs.append(request.clone());
            let (last, asked) = match tokio::time::timeout(self.policy.answer_timeout, answer).await
            {
                Ok(Ok(answer)) => return Ok(Appended::stored(&answer.into_inner())),
                Ok(Err(status)) => {
                    let refusal = Refusal::of_status(&status);
                    if refusal.is_forgotten() {
                        return Ok(Appended::Earlier);
                    }
                    if !refusal.retryable {
                        return Err(refusal.into());
                    }
                    (root_cause(&status), refusal.retry_after)
                }
                Err(_) => ("no answer".to_owned(), None),
            };
            let wait = backoff.next_wait(asked);
            if Instant::now() + wait > deadline {
                let endpoint = self.endpoint.clone();
                return Err(AppendError::GaveUp { endpoint, patience: self.policy.patience, last });
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Asks for records. The answer begins with how many there are; the records follow as a
    /// stream.
    ///
    /// # Errors
    ///
    /// [`CallError::Refused`] when the query is not one, [`CallError::Lost`] when the connection
    /// is gone.
    pub async fn query(&self, query: &Query) -> Result<Answer, CallError> {
        let stream = self.logs().query(query.to_message()).await;
        let stream = stream.map_err(|status| CallError::of_status(&self.endpoint, &status))?;
        Answer::begin(self.endpoint.clone(), stream.into_inner()).await
    }

    /// Counts records by service, level and time.
    ///
    /// # Errors
    ///
    /// As [`Client::query`].
    pub async fn aggregate(&self, aggregate: &Aggregate) -> Result<Vec<Count>, CallError> {
        let refused = |status| CallError::of_status(&self.endpoint, &status);
        let stream = self.logs().aggregate(aggregate.to_message()).await.map_err(refused)?;
        let mut stream = stream.into_inner();
        let mut counts = Vec::new();
        while let Some(message) = stream.message().await.map_err(refused)? {
            for count in message.counts {
                counts.push(Count::of_message(&self.endpoint, count)?);
            }
        }
        Ok(counts)
    }

    /// One record by its id, or `None` when there is none.
    ///
    /// # Errors
    ///
    /// As [`Client::query`].
    pub async fn get_record(&self, id: RecordId) -> Result<Option<StoredRecord>, CallError> {
        let request = v1::GetRecordRequest { log_id: id.to_string() };
        let answer = match self.logs().get_record(request).await {
            Ok(answer) => answer.into_inner(),
            Err(status) if status.code() == tonic::Code::NotFound => return Ok(None),
            Err(status) => return Err(CallError::of_status(&self.endpoint, &status)),
        };
        let Some(record) = answer.record else { return Ok(None) };
        let mut decoder = RecordDecoder::new(answer.resources)
            .map_err(|error| CallError::of_decoding(&self.endpoint, &error))?;
        stored_record(&self.endpoint, &mut decoder, 0, record).map(Some)
    }

    /// The cluster as this node sees it.
    ///
    /// # Errors
    ///
    /// As [`Client::query`].
    pub async fn status(&self) -> Result<v1::StatusResponse, CallError> {
        match self.cluster().status(v1::StatusRequest {}).await {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err(CallError::of_status(&self.endpoint, &status)),
        }
    }

    /// Closes the open windows, and answers the shards that this sealed.
    ///
    /// # Errors
    ///
    /// As [`Client::query`].
    pub async fn seal(&self) -> Result<Vec<ShardId>, CallError> {
        match self.cluster().seal(v1::SealRequest {}).await {
            Ok(answer) => Ok(answer.into_inner().sealed.into_iter().map(ShardId).collect()),
            Err(status) => Err(CallError::of_status(&self.endpoint, &status)),
        }
    }
}

/// The message for a batch.
pub(crate) fn append_request(key: &BatchKey, records: &[Record]) -> v1::AppendRequest {
    let mut encoder = RecordEncoder::default();
    let records = records.iter().map(|record| encoder.encode(record)).collect();
    v1::AppendRequest {
        key: Some(encode_batch_key(key)),
        resources: encoder.into_resources(),
        records,
        want_ids: false,
    }
}
