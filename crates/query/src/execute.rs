//! A search from question to answer, by one worker.

use std::sync::Arc;

use crate::{Chunk, Limits, Plan, QueryError, Search, SearchResult};

/// Finds the records that match: their exact number, and one page of them in order.
///
/// Pure and synchronous; it reads pages through the tables' sources, so run it where blocking is
/// allowed. To use several cores, make a [`Plan`] and share it among workers.
///
/// # Errors
///
/// [`QueryError`]; a part of the result is never answered as the whole.
pub fn search(
    chunks: &[Arc<dyn Chunk>],
    search: &Search,
    limits: &Limits,
) -> Result<SearchResult, QueryError> {
    let plan = Plan::new(chunks, search, limits)?;
    let part = plan.work()?;
    let page = plan.page(vec![part]);
    let records = page.work()?;
    Ok(page.finish(vec![records]))
}
