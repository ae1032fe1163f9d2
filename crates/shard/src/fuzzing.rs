//! What fuzzers reach of this crate: the readers of a shard's small files. Compiled with the
//! feature `fuzzing` alone.
//!
//! Each function takes any bytes and answers nothing: it panics when a promise is broken.

use varve_types::TimestampNs;

use crate::codec::Reader;
use crate::dedup::Dedup;
use crate::{EventHours, EventSpans, Manifest, ShardRecord};

/// A manifest of any version; one of the newest is written as it was read.
pub fn manifest(file: &[u8]) {
    let Ok((manifest, checksums)) = Manifest::decode_any(file) else { return };
    let files = 1 + manifest.segments.len();
    assert!(checksums.is_none_or(|checksums| checksums.len() == files), "a file has no checksum");
    let _ = manifest.adds_up();
    assert!(manifest.files().len() <= files);
    let _ = ShardRecord::of(&manifest);
    assert_eq!(Manifest::decode(&manifest.encode()).as_ref(), Ok(&manifest));
}

/// A dedup file, or the table that a successor inherits.
pub fn dedup(file: &[u8]) {
    let Ok((table, stamp)) = Dedup::decode(file) else { return };
    let written = table.encode(stamp);
    let again = Dedup::decode(&written);
    assert!(
        again.is_ok_and(|(again, last)| last == stamp && again.encode(last) == written),
        "a table that was read and written reads back as another"
    );
}

/// Counts of rows by the hour as a manifest has them, added to counts that span all time.
pub fn event_hours(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let Ok(mut hours) = EventHours::read(&mut reader) else { return };
    let mut written = Vec::new();
    hours.encode_into(&mut written);
    assert_eq!(EventHours::read(&mut Reader::new(&written)).as_ref(), Ok(&hours));
    let spans = hours.spans();
    assert_eq!(EventSpans::decode(&spans.encode()).as_ref(), Ok(&spans));
    let mut all = EventHours::default();
    all.add(TimestampNs::MIN, 1);
    all.add(TimestampNs::MAX, 1);
    hours.merge(&all);
    assert!(hours.overlaps(TimestampNs::MIN, TimestampNs::MAX));
}

/// One record of the catalogue cache.
pub fn shard_record(bytes: &[u8]) {
    if let Ok(record) = ShardRecord::decode(bytes) {
        assert_eq!(ShardRecord::decode(&record.encode()), Ok(record));
    }
}
