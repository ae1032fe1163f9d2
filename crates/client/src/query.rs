//! Asking for records, and reading the answer as it comes.

use std::collections::VecDeque;

use tonic::Streaming;
use varve_proto::{RecordDecoder, encode_level, v1};
use varve_types::{Level, Record, RecordId, TimeRange, TimestampNs};

use crate::error::CallError;

/// What to look for. The default is everything, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// Any of these; empty is all.
    pub services: Vec<String>,
    /// Any of these; empty is all.
    pub levels: Vec<Level>,
    /// When it happened.
    pub time: TimeRange,
    /// Words and "quoted phrases", all of which must occur.
    pub words: String,
    /// (name, value), all of which must hold.
    pub attributes: Vec<(String, String)>,
    /// Which come first.
    pub order: Order,
    /// How many of the first to leave out.
    pub offset: u64,
    /// How many to answer at most, up to [`varve_types::limits::PAGE_SIZE_MAX`]; 0 is 100.
    pub limit: u32,
    /// Whether to count what matches beyond that.
    pub total: Total,
    /// Whether to answer what each step of the search ruled out.
    pub explain: bool,
    /// How new the answer is.
    pub consistency: Consistency,
    /// Whether shards that nobody can serve may be left out: [`Answer::warnings`] names them.
    pub partial: bool,
}

/// How new an answer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// It shows everything that was acknowledged before the question was asked.
    #[default]
    Linearizable,
    /// It shows what the nearest replicas have, and asks no leader.
    Stale,
}

/// What the answer says of how many records match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Total {
    /// How many there are, exactly.
    #[default]
    Exact,
    /// Nothing: the search ends as soon as its page cannot change.
    None,
}

/// The order of answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
}

/// A record as it was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRecord {
    /// Its name for ever.
    pub id: RecordId,
    /// When the server stored it.
    pub created_at: TimestampNs,
    /// What was sent, its time filled in.
    pub record: Record,
}

/// The answer to a query.
#[derive(Debug)]
pub struct Answer {
    endpoint: String,
    total: Option<u64>,
    explain: Option<v1::Explain>,
    warnings: Vec<String>,
    stream: Streaming<v1::QueryResponse>,
    ready: VecDeque<StoredRecord>,
}

impl Consistency {
    pub(crate) const fn to_message(self) -> v1::Consistency {
        match self {
            Self::Linearizable => v1::Consistency::Linearizable,
            Self::Stale => v1::Consistency::Stale,
        }
    }
}

impl Query {
    pub(crate) fn to_message(&self) -> v1::QueryRequest {
        let attribute = |(name, value): &(String, String)| v1::AttributeFilter {
            name: name.clone(),
            value: value.clone(),
        };
        let order = match self.order {
            Order::Newest => v1::Order::Newest,
            Order::Oldest => v1::Order::Oldest,
        };
        v1::QueryRequest {
            services: self.services.clone(),
            levels: self.levels.iter().map(|level| encode_level(*level).into()).collect(),
            start_ns: self.time.start.map(TimestampNs::get),
            end_ns: self.time.end.map(TimestampNs::get),
            words: self.words.clone(),
            attributes: self.attributes.iter().map(attribute).collect(),
            order: order.into(),
            offset: self.offset,
            limit: self.limit,
            total: match self.total {
                Total::Exact => v1::Total::Exact,
                Total::None => v1::Total::None,
            }
            .into(),
            explain: self.explain,
            consistency: self.consistency.to_message().into(),
            partial: self.partial,
        }
    }
}

impl Answer {
    pub(crate) async fn begin(
        endpoint: String,
        mut stream: Streaming<v1::QueryResponse>,
    ) -> Result<Self, CallError> {
        let first =
            stream.message().await.map_err(|status| CallError::of_status(&endpoint, &status))?;
        let Some(v1::query_response::Part::Summary(summary)) = first.and_then(|first| first.part)
        else {
            return Err(CallError::answer(&endpoint, &"it does not begin with a summary"));
        };
        Ok(Self {
            endpoint,
            total: (!summary.total_omitted).then_some(summary.total),
            explain: summary.explain,
            warnings: summary.warnings,
            stream,
            ready: VecDeque::new(),
        })
    }

    /// How many records match, whatever the limit; `None` when the query asked for no total.
    #[must_use]
    pub const fn total(&self) -> Option<u64> {
        self.total
    }

    /// What each step of the search ruled out; `None` unless the query asked for it.
    #[must_use]
    pub const fn explain(&self) -> Option<&v1::Explain> {
        self.explain.as_ref()
    }

    /// What is missing: a sentence for each shard that was left out. Empty unless the query allows
    /// that.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The next record, or `None` after the last.
    ///
    /// # Errors
    ///
    /// As [`crate::Client::query`]; records before it stay good.
    pub async fn next(&mut self) -> Result<Option<StoredRecord>, CallError> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Ok(Some(record));
            }
            let message = self.stream.message().await;
            let message =
                message.map_err(|status| CallError::of_status(&self.endpoint, &status))?;
            match message {
                None => return Ok(None),
                Some(v1::QueryResponse { part: Some(v1::query_response::Part::Records(page)) }) => {
                    self.take(page)?;
                }
                // A kind of part that a later version adds.
                Some(_) => {}
            }
        }
    }

    /// All records that are left.
    ///
    /// # Errors
    ///
    /// As [`Answer::next`].
    pub async fn collect(mut self) -> Result<Vec<StoredRecord>, CallError> {
        let mut records = Vec::new();
        while let Some(record) = self.next().await? {
            records.push(record);
        }
        Ok(records)
    }

    fn take(&mut self, page: v1::QueryRecords) -> Result<(), CallError> {
        let mut decoder = RecordDecoder::new(page.resources)
            .map_err(|error| CallError::of_decoding(&self.endpoint, &error))?;
        for (index, record) in page.records.into_iter().enumerate() {
            let record = stored_record(&self.endpoint, &mut decoder, index, record)?;
            self.ready.push_back(record);
        }
        Ok(())
    }
}

pub(crate) fn stored_record(
    endpoint: &str,
    decoder: &mut RecordDecoder,
    index: usize,
    stored: v1::StoredRecord,
) -> Result<StoredRecord, CallError> {
    let id = stored.log_id.parse().map_err(|error| CallError::answer(endpoint, &error))?;
    let record =
        stored.record.ok_or_else(|| CallError::answer(endpoint, &"a record is missing"))?;
    let record =
        decoder.decode(index, record).map_err(|error| CallError::of_decoding(endpoint, &error))?;
    Ok(StoredRecord { id, created_at: TimestampNs(stored.created_at_ns), record })
}
