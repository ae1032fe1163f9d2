//! What is asked over gRPC in the query engine's words, and what it counted in those of gRPC.

use std::num::NonZeroU64;

use tonic::Status;
use varve_proto::{decode_level, encode_level, v1};
use varve_query::{
    Aggregate, AggregateCell, AttributeFilter, Explain, Order, Search, Total, WordQuery,
};
use varve_types::{Level, TenantId, TimeRange, TimestampNs, limits};

use crate::read::{Consistency, ReadOptions};

/// Records answered when the request does not say how many.
const LIMIT: u64 = 100;

/// A step of an aggregate when the request does not say how long: an hour.
const STEP_NS: u64 = 3_600_000_000_000;

/// The search that is meant.
///
/// # Errors
///
/// Names the field that is wrong.
pub(super) fn search(request: v1::QueryRequest) -> Result<Search, Status> {
    let words = WordQuery::parse(&request.words);
    let words = words.map_err(|error| invalid("words", &error.to_string()))?;
    let order = match v1::Order::try_from(request.order) {
        Ok(v1::Order::Newest) => Order::Newest,
        Ok(v1::Order::Oldest) => Order::Oldest,
        Err(_) => return Err(invalid("order", &format!("{} is no order", request.order))),
    };
    let total = match v1::Total::try_from(request.total) {
        Ok(v1::Total::Exact) => Total::Exact,
        Ok(v1::Total::None) => Total::Unasked,
        Err(_) => return Err(invalid("total", &format!("{} is no total", request.total))),
    };
    let max = limits::PAGE_SIZE_MAX as u64;
    let limit = match u64::from(request.limit) {
        0 => LIMIT,
        limit if limit <= max => limit,
        limit => {
            return Err(invalid("limit", &format!("{limit} is not a number from 1 to {max}")));
        }
    };
    Ok(Search {
        tenant: TenantId(0),
        services: request.services,
        levels: levels(&request.levels)?,
        time: range(request.start_ns, request.end_ns),
        words,
        attributes: request
            .attributes
            .into_iter()
            .map(|v1::AttributeFilter { name, value }| AttributeFilter { name, value })
            .collect(),
        order,
        offset: request.offset,
        limit,
        total,
    })
}

/// What is to be counted.
///
/// # Errors
///
/// Names the field that is wrong.
pub(super) fn aggregate(request: v1::AggregateRequest) -> Result<Aggregate, Status> {
    let step_ns = NonZeroU64::new(request.step_ns).or(NonZeroU64::new(STEP_NS));
    Ok(Aggregate {
        tenant: TenantId(0),
        services: request.services,
        levels: levels(&request.levels)?,
        time: range(request.start_ns, request.end_ns),
        step_ns: if request.one_step { None } else { step_ns },
        by_service: !request.all_services,
        by_level: !request.all_levels,
    })
}

/// How it may be answered.
///
/// # Errors
///
/// When there is no such consistency.
pub(super) fn options(consistency: i32, partial: bool) -> Result<ReadOptions, Status> {
    let consistency = match v1::Consistency::try_from(consistency) {
        Ok(v1::Consistency::Linearizable) => Consistency::Linearizable,
        Ok(v1::Consistency::Stale) => Consistency::Stale,
        Err(_) => return Err(invalid("consistency", &format!("{consistency} is none"))),
    };
    Ok(ReadOptions { consistency, partial })
}

/// One count.
pub(super) fn count(cell: &AggregateCell) -> v1::AggregateCount {
    v1::AggregateCount {
        start_ns: cell.start.map(TimestampNs::get),
        service: cell.service.as_deref().map(str::to_owned),
        level: cell.level.map(|level| encode_level(level).into()),
        rows: cell.rows,
    }
}

/// What a search did.
pub(super) fn explain(explain: &Explain) -> v1::Explain {
    let step = |step: &varve_query::ExplainStep| v1::ExplainStep {
        name: step.name.to_owned(),
        unit: step.unit.to_owned(),
        considered: step.considered,
        pruned: step.pruned,
    };
    v1::Explain {
        steps: explain.steps.iter().map(step).collect(),
        pages_read: explain.pages_read,
        bytes_read: explain.bytes_read,
        rows_scanned: explain.rows_scanned,
        rows_matched: explain.rows_matched,
    }
}

fn levels(numbers: &[i32]) -> Result<Vec<Level>, Status> {
    let level =
        |&number| decode_level(number).map_err(|error| invalid("levels", &error.to_string()));
    numbers.iter().map(level).collect()
}

fn range(start_ns: Option<i64>, end_ns: Option<i64>) -> TimeRange {
    TimeRange { start: start_ns.map(TimestampNs), end: end_ns.map(TimestampNs) }
}

fn invalid(field: &str, error: &str) -> Status {
    Status::invalid_argument(format!("{field}: {error}"))
}
