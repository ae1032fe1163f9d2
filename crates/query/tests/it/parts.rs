//! Chunks that lie on three nodes answer what they answer together: each part searches its own
//! and sends keys or counts as bytes, and the first of them merges.

use std::sync::Arc;

use varve_query::wire::{Reader, Writer};
use varve_query::{
    Aggregate, AggregatePlan, AggregateResult, Chunk, Counted, Keys, Limits, Lookup, Plan, Records,
    Search, SearchResult, lookup,
};

/// How much of a page is looked up at a time: little, so that it takes several times.
const LOOKUP_BYTES_MAX: usize = 1000;

type Part = Vec<Arc<dyn Chunk>>;

fn parts(chunks: &[Arc<dyn Chunk>]) -> [Part; 3] {
    let mut parts = <[Part; 3]>::default();
    for (at, chunk) in chunks.iter().enumerate() {
        parts[at % 3].push(Arc::clone(chunk));
    }
    parts
}

/// What comes out at the other end of a wire.
fn sent<T>(write: impl FnOnce(&mut Writer), read: impl FnOnce(&mut Reader) -> T) -> T {
    let mut writer = Writer::default();
    write(&mut writer);
    let mut reader = Reader::new(writer.finish());
    let read = read(&mut reader);
    reader.end().expect("all is read");
    read
}

/// Searches each part by itself.
pub(crate) fn search_in_parts(chunks: &[Arc<dyn Chunk>], search: &Search) -> SearchResult {
    let limits = Limits::default();
    let search = sent(|w| search.write(w), Search::read).expect("reads back");
    let [first, others @ ..] = parts(chunks);
    let keys_of = |part: &Part| {
        let plan = Plan::new(part, &search, &limits).expect("plans");
        let scanned = plan.work().expect("scans");
        let keys = plan.keys(vec![scanned]);
        sent(|w| keys.write(w), Keys::read).expect("reads back")
    };
    let keys: Vec<Keys> = others.iter().map(keys_of).collect();
    let plan = Plan::new(&first, &search, &limits).expect("plans");
    let scanned = plan.work().expect("scans");
    let page = plan.page_among(vec![scanned], &keys);
    let mut wanted: Vec<Lookup> = page.elsewhere().map(Lookup::from).collect();
    let mut brought = Vec::new();
    while !wanted.is_empty() {
        let before = wanted.len();
        for part in &others {
            let found = lookup(part, &wanted, LOOKUP_BYTES_MAX, &limits).expect("reads");
            wanted.retain(|wanted| found.hits.iter().all(|hit| hit.id != wanted.id));
            brought.push(sent(|w| found.write(w), Records::read).expect("reads back"));
        }
        assert!(wanted.len() < before, "a look-up finds some of what is there");
    }
    let records = page.work().expect("reads");
    page.finish_among(vec![records], brought)
}

/// Counts each part by itself.
pub(crate) fn aggregate_in_parts(
    chunks: &[Arc<dyn Chunk>],
    aggregate: &Aggregate,
) -> AggregateResult {
    let limits = Limits::default();
    let [first, others @ ..] = parts(chunks);
    let counted_of = |part: &Part| {
        let plan = AggregatePlan::new(part, aggregate, &limits);
        let counted = [plan.work().expect("counts"), plan.work().expect("counts")];
        let counted = plan.counted(counted.into()).expect("counts");
        let read = |reader: &mut Reader| Counted::read(aggregate, reader);
        sent(|w| counted.write(w), read).expect("reads back")
    };
    let counted = others.iter().map(counted_of).collect();
    let plan = AggregatePlan::new(&first, aggregate, &limits);
    let own = plan.work().expect("counts");
    plan.finish_among(vec![own], counted).expect("counts")
}
