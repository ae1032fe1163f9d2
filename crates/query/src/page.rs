//! The records of the page: each group that has some is decoded once, whatever the order.

use std::collections::BTreeMap;

use varve_types::{Attribute, Record, RecordId, Value};

use crate::candidates::Place;
use crate::explain::Tally;
use crate::group::Group;
use crate::names::Stamps;
use crate::plan::PlannedChunk;
use crate::scan::KeptPages;
use crate::{Hit, Limits, QueryError};

/// What a record occupies beside its message and its attributes' names and values.
const RECORD_BYTES: usize = size_of::<Hit>();

/// Reads the records at the places, in their order.
pub(crate) fn hits(
    chunks: &[PlannedChunk],
    page: &[(RecordId, Place)],
    mut kept: KeptPages,
    limits: &Limits,
    tally: &mut Tally,
) -> Result<Vec<Hit>, QueryError> {
    let mut by_group: BTreeMap<(u32, u32), Vec<(u32, usize)>> = BTreeMap::new();
    for (at, (_, place)) in page.iter().enumerate() {
        by_group.entry((place.chunk, place.group)).or_default().push((place.row, at));
    }
    let mut hits: Vec<Option<Hit>> = page.iter().map(|_| None).collect();
    let mut bytes = 0;
    for ((chunk, group), mut wanted) in by_group {
        limits.check_cancelled()?;
        wanted.sort_unstable();
        let owner = &*chunks[chunk as usize].owner;
        let pages = kept.remove(&(chunk, group)).unwrap_or_default();
        let mut group = Group::with_pages(owner.table(), group as usize, pages);
        let rows: Vec<u32> = wanted.iter().map(|&(row, _)| row).collect();
        let stamps = Stamps::read(owner, &mut group)?;
        let records = group.records(&rows)?;
        for (record, (row, at)) in records.into_iter().zip(wanted) {
            bytes += RECORD_BYTES + record_bytes(&record);
            if bytes > limits.answer_bytes_max {
                return Err(QueryError::TooLarge { bytes_max: limits.answer_bytes_max });
            }
            let created_at = stamps.of(row as usize);
            hits[at] = Some(Hit { id: page[at].0, created_at, record });
        }
        tally.pages_read += group.pages_read();
        tally.bytes_read += group.bytes_read();
    }
    Ok(hits.into_iter().flatten().collect())
}

/// The message may share its page's bytes: it is counted as if it did not.
fn record_bytes(record: &Record) -> usize {
    let resource = record.resource.0.iter();
    let attributes = record.attributes.iter().chain(resource).map(attribute_bytes);
    record.message.len() + attributes.sum::<usize>()
}

fn attribute_bytes(attribute: &Attribute) -> usize {
    let value = match &attribute.value {
        Value::Text(text) | Value::Number(text) | Value::Array(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    size_of::<Attribute>() + attribute.name.len() + value
}
