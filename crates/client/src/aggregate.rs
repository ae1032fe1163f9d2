//! Counting records by service, level and time.

use std::time::Duration;

use varve_proto::{decode_level, encode_level, v1};
use varve_types::{Level, TimeRange, TimestampNs};

use crate::error::CallError;
use crate::query::Consistency;

/// What to count. The default counts everything together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aggregate {
    /// Any of these; empty is all.
    pub services: Vec<String>,
    /// Any of these; empty is all.
    pub levels: Vec<Level>,
    /// When it happened.
    pub time: TimeRange,
    /// Counts each step of time by itself, from multiples of it since 1970; `None` or zero counts
    /// all of the time together.
    pub step: Option<Duration>,
    /// Counts each service by itself.
    pub by_service: bool,
    /// Counts each level by itself.
    pub by_level: bool,
    /// How new the answer is.
    pub consistency: Consistency,
    /// Whether shards that nobody can serve may be left out: [`Counts::warnings`] names them.
    pub partial: bool,
}

/// The answer to an aggregate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// In order of time, then service, then level.
    pub counts: Vec<Count>,
    /// What is missing: a sentence for each shard that was left out. Empty unless the aggregate
    /// allows that.
    pub warnings: Vec<String>,
}

/// How many records are of one service and level in one step of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// When the step begins; `None` where all of the time is counted together.
    pub start: Option<TimestampNs>,
    /// The service; `None` where all are counted together.
    pub service: Option<String>,
    /// The level; `None` where all are counted together.
    pub level: Option<Level>,
    /// How many records.
    pub rows: u64,
}

impl Aggregate {
    pub(crate) fn to_message(&self) -> v1::AggregateRequest {
        let step_ns = self.step.map(|step| u64::try_from(step.as_nanos()).unwrap_or(u64::MAX));
        v1::AggregateRequest {
            services: self.services.clone(),
            levels: self.levels.iter().map(|level| encode_level(*level).into()).collect(),
            start_ns: self.time.start.map(TimestampNs::get),
            end_ns: self.time.end.map(TimestampNs::get),
            step_ns: step_ns.unwrap_or(0),
            one_step: step_ns.unwrap_or(0) == 0,
            all_services: !self.by_service,
            all_levels: !self.by_level,
            consistency: self.consistency.to_message().into(),
            partial: self.partial,
        }
    }
}

impl Count {
    pub(crate) fn of_message(endpoint: &str, count: v1::AggregateCount) -> Result<Self, CallError> {
        let level = count.level.map(decode_level).transpose();
        Ok(Self {
            start: count.start_ns.map(TimestampNs),
            service: count.service,
            level: level.map_err(|problem| CallError::answer(endpoint, &problem))?,
            rows: count.rows,
        })
    }
}
