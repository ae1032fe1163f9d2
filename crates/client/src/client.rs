//! A connection to a cluster, and the calls over it.

use tokio::time::Instant;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use varve_proto::v1::log_service_client::LogServiceClient;
use varve_proto::{RecordDecoder, RecordEncoder, encode_batch_key, v1};
use varve_types::{BatchKey, Record, RecordId, limits};

use crate::aggregate::{Aggregate, Count, Counts};
use crate::backoff::{Backoff, RetryPolicy};
use crate::endpoints::{Endpoints, Place};
use crate::error::{AppendError, CallError, ConnectError, Refusal, root_cause};
use crate::query::{Answer, Query, StoredRecord, stored_record};
use crate::sender::Appended;

/// A message holds at most one keyed batch, or one page of answers, with room for names and tags.
pub(crate) const MESSAGE_BYTES_MAX: usize = 2 * limits::KEYED_BATCH_BYTES_MAX;

/// A connection to one node at a time, and to another when that one fails. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Client {
    endpoints: Endpoints,
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
        Self::connect_any(&[endpoint]).await
    }

    /// Connects to the first of several nodes that answers. When it fails later, the next one is
    /// used: any node takes any request.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Endpoint`] when one is not a URL, [`ConnectError::Unreachable`] when nobody
    /// answers at any of them.
    pub async fn connect_any(endpoints: &[&str]) -> Result<Self, ConnectError> {
        Ok(Self::of(Endpoints::connect(endpoints).await?))
    }

    /// Uses a channel made elsewhere, for example over a simulated network. `name` is what errors
    /// call it.
    #[must_use]
    pub fn over(channel: Channel, name: &str) -> Self {
        Self::over_any([(channel, name.to_owned())])
    }

    /// As [`Client::over`], with several channels, at least one: they are used as
    /// [`Client::connect_any`] says.
    #[must_use]
    pub fn over_any(channels: impl IntoIterator<Item = (Channel, String)>) -> Self {
        Self::of(Endpoints::over(channels))
    }

    fn of(endpoints: Endpoints) -> Self {
        Self { endpoints, policy: RetryPolicy::default(), compression: false }
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

    /// What errors call the node that is used now.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoints.current().name
    }

    pub(crate) const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    pub(crate) const fn policy(&self) -> RetryPolicy {
        self.policy
    }

    pub(crate) fn logs(&self, place: &Place) -> LogServiceClient<Channel> {
        let logs = LogServiceClient::new(place.channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        if self.compression { logs.send_compressed(CompressionEncoding::Zstd) } else { logs }
    }

    /// Asks the node that is used now; when it does not answer, the others in turn. Only for
    /// what may be asked twice.
    pub(crate) async fn ask<T>(
        &self,
        call: impl AsyncFn(&Place) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let mut left = self.endpoints.count();
        loop {
            let place = self.endpoints.current();
            let answer = call(place).await;
            left -= 1;
            match answer {
                Err(error) if left > 0 && error.may_pass_elsewhere() => {
                    tracing::debug!(%error, "another node is asked");
                    self.endpoints.leave(place);
                }
                answer => return answer,
            }
        }
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
            let place = self.endpoints.current();
            let mut logs = self.logs(place);
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
                    if refusal.may_pass_elsewhere() {
                        self.endpoints.leave(place);
                    }
                    (root_cause(&status), refusal.retry_after)
                }
                Err(_) => {
                    self.endpoints.leave(place);
                    ("no answer".to_owned(), None)
                }
            };
            let wait = backoff.next_wait(asked);
            if Instant::now() + wait > deadline {
                let endpoint = place.name.clone();
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
        self.ask(async |place| {
            let stream = self.logs(place).query(query.to_message()).await;
            let stream = stream.map_err(|status| CallError::of_status(&place.name, &status))?;
            Answer::begin(place.name.clone(), stream.into_inner()).await
        })
        .await
    }

    /// Counts records by service, level and time.
    ///
    /// # Errors
    ///
    /// As [`Client::query`].
    pub async fn aggregate(&self, aggregate: &Aggregate) -> Result<Counts, CallError> {
        self.ask(async |place| {
            let refused = |status| CallError::of_status(&place.name, &status);
            let stream = self.logs(place).aggregate(aggregate.to_message()).await;
            let mut stream = stream.map_err(refused)?.into_inner();
            let mut answer = Counts::default();
            while let Some(message) = stream.message().await.map_err(refused)? {
                answer.warnings.extend(message.warnings);
                for count in message.counts {
                    answer.counts.push(Count::of_message(&place.name, count)?);
                }
            }
            Ok(answer)
        })
        .await
    }

    /// One record by its id, or `None` when there is none.
    ///
    /// # Errors
    ///
    /// As [`Client::query`].
    pub async fn get_record(&self, id: RecordId) -> Result<Option<StoredRecord>, CallError> {
        self.ask(async |place| {
            let request = v1::GetRecordRequest { log_id: id.to_string() };
            let answer = match self.logs(place).get_record(request).await {
                Ok(answer) => answer.into_inner(),
                Err(status) if status.code() == tonic::Code::NotFound => return Ok(None),
                Err(status) => return Err(CallError::of_status(&place.name, &status)),
            };
            let Some(record) = answer.record else { return Ok(None) };
            let mut decoder = RecordDecoder::new(answer.resources)
                .map_err(|error| CallError::of_decoding(&place.name, &error))?;
            stored_record(&place.name, &mut decoder, 0, record).map(Some)
        })
        .await
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
