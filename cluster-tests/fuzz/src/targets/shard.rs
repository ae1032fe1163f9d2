//! The small files of a shard, and what else it reads by itself.

use varve_shard::{EventSpans, Outcome, fuzzing};
use varve_types::TimestampNs;

use crate::formats::envelope::{mend_shard_file, mend_tail};
use crate::{Memory, Target};

const MEMORY: Memory = Memory { bytes: 64 << 10, per_byte: 64 };

/// A manifest, of any version.
pub(super) const MANIFEST: Target = Target {
    name: "manifest",
    run: fuzzing::manifest,
    mend: Some(mend_shard_file),
    memory: MEMORY,
};

/// A dedup file, which is also what a successor inherits.
pub(super) const DEDUP: Target =
    Target { name: "dedup", run: fuzzing::dedup, mend: Some(mend_shard_file), memory: MEMORY };

/// Hours of events, as a manifest has them and as the catalog does; and a record of the cache.
pub(super) const EVENT_HOURS: Target = Target {
    name: "event_hours",
    run: |input| {
        fuzzing::event_hours(input);
        fuzzing::shard_record(input);
        if let Ok(spans) = EventSpans::decode(input) {
            assert_eq!(EventSpans::decode(&spans.encode()).as_ref(), Ok(&spans));
            let _ = spans.overlaps(TimestampNs::MIN, TimestampNs::MAX);
        }
    },
    mend: Some(mend_tail),
    memory: MEMORY,
};

/// What applying an entry answered, as it travels to the gateway.
pub(super) const OUTCOME: Target = Target {
    name: "outcome",
    run: |input| {
        if let Ok(outcome) = Outcome::decode(input) {
            assert_eq!(Outcome::decode(&outcome.encode()).as_ref(), Ok(&outcome));
        }
    },
    mend: None,
    memory: MEMORY,
};
