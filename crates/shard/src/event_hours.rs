//! When the rows of a shard happened: how many in each hour, and the short form of it that the
//! catalog keeps.
//!
//! Hours count from 1970. A shard of wild timestamps would have very many, so past 4,096 entries
//! they become days, and past that spans of 64 days, of which all of time has fewer. Which unit
//! it is depends on the rows alone and not on how they lie in segments, so replicas agree.

use std::collections::BTreeMap;

use varve_types::TimestampNs;

use crate::codec::{DecodeError, Reader, put_len, put_varint};

const HOUR_NS: i64 = 3600 * 1_000_000_000;

/// Past this many entries the unit grows.
pub const EVENT_HOUR_ENTRIES_MAX: usize = 4096;

/// The short form never takes more, in bytes: the catalog keeps one for each closed shard.
pub const EVENT_SPANS_BYTES_MAX: usize = 256;

/// Runs of hours in the short form. Each takes at most 5 + 5 bytes, and the head 2.
const RUNS_MAX: usize = 24;
const _: () = assert!(2 + RUNS_MAX * 10 <= EVENT_SPANS_BYTES_MAX);

/// What one entry spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    #[default]
    Hour,
    Day,
    Days64,
}

impl Unit {
    const fn hours(self) -> i64 {
        match self {
            Self::Hour => 1,
            Self::Day => 24,
            Self::Days64 => 24 * 64,
        }
    }

    /// The entry that a time belongs to.
    const fn entry(self, time: TimestampNs) -> i64 {
        time.get().div_euclid(HOUR_NS).div_euclid(self.hours())
    }

    const fn larger(self) -> Self {
        match self {
            Self::Hour => Self::Day,
            Self::Day | Self::Days64 => Self::Days64,
        }
    }

    const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Hour),
            1 => Some(Self::Day),
            2 => Some(Self::Days64),
            _ => None,
        }
    }
}

/// How many rows happened in each hour (or day, or 64 days).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventHours {
    unit: Unit,
    rows: BTreeMap<i64, u64>,
}

impl EventHours {
    /// Counts rows of one time.
    pub fn add(&mut self, time: TimestampNs, rows: u64) {
        self.add_hour(time.get().div_euclid(HOUR_NS), rows);
    }

    /// Counts rows of one hour since 1970.
    pub(crate) fn add_hour(&mut self, hour: i64, rows: u64) {
        count(&mut self.rows, hour.div_euclid(self.unit.hours()), rows);
        self.fit();
    }

    /// Counts what another has counted.
    pub fn merge(&mut self, other: &Self) {
        let unit = self.unit.max(other.unit);
        self.coarsen(unit);
        for (entry, rows) in &other.rows {
            let entry = (entry * other.unit.hours()).div_euclid(unit.hours());
            count(&mut self.rows, entry, *rows);
        }
        self.fit();
    }

    /// All rows counted.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows.values().fold(0, |sum, rows| sum.saturating_add(*rows))
    }

    /// Whether some row may have happened from `min` to `max`, both inclusive: none did when this
    /// says no.
    #[must_use]
    pub fn overlaps(&self, min: TimestampNs, max: TimestampNs) -> bool {
        let (first, last) = (self.unit.entry(min), self.unit.entry(max));
        first <= last && self.rows.range(first..=last).next().is_some()
    }

    /// Hours in one entry: 1, 24 or 1536.
    #[must_use]
    pub const fn entry_hours(&self) -> i64 {
        self.unit.hours()
    }

    /// (first hour since 1970, rows) of each entry that has rows, ascending.
    pub fn entries(&self) -> impl Iterator<Item = (i64, u64)> + '_ {
        self.rows.iter().map(|(entry, rows)| (entry * self.unit.hours(), *rows))
    }

    /// The short form.
    #[must_use]
    pub fn spans(&self) -> EventSpans {
        let mut runs: Vec<(i64, i64)> = Vec::new();
        for entry in self.rows.keys() {
            match runs.last_mut() {
                Some((_, end)) if *end == *entry => *end += 1,
                _ => runs.push((*entry, entry + 1)),
            }
        }
        EventSpans { unit: self.unit, runs: fewest_runs(runs) }
    }

    fn fit(&mut self) {
        while self.rows.len() > EVENT_HOUR_ENTRIES_MAX && self.unit != Unit::Days64 {
            self.coarsen(self.unit.larger());
        }
    }

    fn coarsen(&mut self, unit: Unit) {
        if unit == self.unit {
            return;
        }
        let mut coarse = BTreeMap::new();
        for (entry, rows) in &self.rows {
            let entry = (entry * self.unit.hours()).div_euclid(unit.hours());
            count(&mut coarse, entry, *rows);
        }
        *self = Self { unit, rows: coarse };
    }

    pub(crate) fn encode_into(&self, out: &mut Vec<u8>) {
        out.push(self.unit as u8);
        put_len(out, self.rows.len());
        let mut before = 0;
        for (entry, rows) in &self.rows {
            put_varint(out, zigzag(entry - before));
            put_varint(out, *rows);
            before = *entry;
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let unit = Unit::from_number(reader.u8()?)
            .ok_or_else(|| reader.refuse("an unknown unit of event hours"))?;
        let mut rows = BTreeMap::new();
        let mut entry = 0i64;
        for _ in 0..reader.count(2)? {
            entry = read_entry(reader, entry)?;
            if rows.last_key_value().is_some_and(|(last, _)| *last >= entry) {
                return Err(reader.refuse("event hours do not ascend"));
            }
            rows.insert(entry, reader.varint()?);
        }
        Ok(Self { unit, rows })
    }
}

fn count(entries: &mut BTreeMap<i64, u64>, entry: i64, rows: u64) {
    let counted = entries.entry(entry).or_default();
    *counted = counted.saturating_add(rows);
}

/// Entry numbers are bounded by the hours that 64 bits of nanoseconds reach, so that no
/// arithmetic on them overflows.
fn read_entry(reader: &mut Reader<'_>, before: i64) -> Result<i64, DecodeError> {
    let limit = i64::MAX / HOUR_NS + 1;
    let entry = before.saturating_add(unzigzag(reader.varint()?));
    if (-limit..=limit).contains(&entry) {
        Ok(entry)
    } else {
        Err(reader.refuse("an event hour outside all time"))
    }
}

const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// Joins runs over the smallest gaps until there are few enough.
fn fewest_runs(runs: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    if runs.len() <= RUNS_MAX {
        return runs;
    }
    let mut gaps: Vec<(i64, usize)> =
        runs.windows(2).enumerate().map(|(at, pair)| (pair[1].0 - pair[0].1, at + 1)).collect();
    gaps.sort_unstable_by(|a, b| b.cmp(a));
    let mut starts: Vec<usize> = gaps.iter().take(RUNS_MAX - 1).map(|(_, at)| *at).collect();
    starts.push(0);
    starts.sort_unstable();
    let ends = starts.iter().skip(1).copied().chain([runs.len()]);
    starts.iter().zip(ends).map(|(start, end)| (runs[*start].0, runs[end - 1].1)).collect()
}

/// Spans of time outside of which a shard has no row, in at most 256 bytes. It may span hours
/// without rows: a search that it does not prune finds nothing there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventSpans {
    unit: Unit,
    /// First entry and the one after the last, ascending, apart.
    runs: Vec<(i64, i64)>,
}

impl EventSpans {
    /// Whether some row may have happened from `min` to `max`, both inclusive.
    #[must_use]
    pub fn overlaps(&self, min: TimestampNs, max: TimestampNs) -> bool {
        let (first, last) = (self.unit.entry(min), self.unit.entry(max));
        self.runs.iter().any(|(start, end)| *start <= last && first < *end)
    }

    /// The spans as at most [`EVENT_SPANS_BYTES_MAX`] bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.unit as u8];
        put_len(&mut out, self.runs.len());
        let mut before = 0;
        for (start, end) in &self.runs {
            put_varint(&mut out, zigzag(start - before));
            put_varint(&mut out, (end - start).unsigned_abs());
            before = *end;
        }
        out
    }

    /// The spans in these bytes.
    ///
    /// # Errors
    ///
    /// Says where the bytes are no spans.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let unit = Unit::from_number(reader.u8()?)
            .ok_or_else(|| reader.refuse("an unknown unit of event hours"))?;
        let mut runs = Vec::new();
        let mut before = i64::MIN;
        for _ in 0..reader.count(2)? {
            let start = read_entry(&mut reader, if runs.is_empty() { 0 } else { before })?;
            let len = reader.varint()?;
            let end = start.saturating_add_unsigned(len);
            if len == 0 || len > 1 << 24 || start < before {
                return Err(reader.refuse("event hours do not ascend"));
            }
            runs.push((start, end));
            before = end;
        }
        reader.end()?;
        Ok(Self { unit, runs })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counted(times: &[i64]) -> EventHours {
        let mut hours = EventHours::default();
        for time in times {
            hours.add(TimestampNs(*time), 1);
        }
        hours
    }

    proptest! {
        #[test]
        fn however_rows_are_divided_the_sum_is_the_same_and_spans_hold_them(
            near in proptest::collection::vec(-40 * HOUR_NS..9_000 * HOUR_NS, 0..60),
            far in proptest::collection::vec(any::<i64>(), 0..60),
            split in 0usize..60,
            ends: (i64, i64),
        ) {
            let times: Vec<i64> = near.into_iter().chain(far).collect();
            let (a, b) = times.split_at(split.min(times.len()));
            let mut merged = counted(a);
            merged.merge(&counted(b));
            let whole = counted(&times);
            prop_assert_eq!(&merged, &whole);
            prop_assert_eq!(whole.rows(), times.len() as u64);

            let spans = whole.spans();
            let bytes = spans.encode();
            prop_assert!(bytes.len() <= EVENT_SPANS_BYTES_MAX);
            prop_assert_eq!(EventSpans::decode(&bytes), Ok(spans.clone()));
            for time in &times {
                let time = TimestampNs(*time);
                prop_assert!(spans.overlaps(time, time) && whole.overlaps(time, time));
            }
            let (from, to) = (ends.0.min(ends.1), ends.0.max(ends.1));
            let entry = whole.entry_hours() * HOUR_NS;
            let near = |time: &i64| {
                (from.div_euclid(entry)..=to.div_euclid(entry)).contains(&time.div_euclid(entry))
            };
            prop_assert_eq!(
                whole.overlaps(TimestampNs(from), TimestampNs(to)),
                times.iter().any(near)
            );
            let mut bytes = Vec::new();
            whole.encode_into(&mut bytes);
            prop_assert_eq!(EventHours::read(&mut Reader::new(&bytes)), Ok(whole));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            if let Ok(spans) = EventSpans::decode(&bytes) {
                let _ = spans.overlaps(TimestampNs::MIN, TimestampNs::MAX);
            }
            if let Ok(mut hours) = EventHours::read(&mut Reader::new(&bytes)) {
                hours.merge(&counted(&[i64::MIN, i64::MAX]));
            }
        }
    }

    #[test]
    fn the_unit_grows_past_4096_entries() {
        let hour = |n: i64| n * HOUR_NS;
        let days = counted(&(0..5_000).map(hour).collect::<Vec<_>>());
        assert_eq!((days.entry_hours(), days.entries().count()), (24, 209));
        let all: Vec<i64> = (-100_000..100_000).step_by(20).map(|day| hour(24 * day)).collect();
        let wide = counted(&all);
        assert_eq!((wide.entry_hours(), wide.rows()), (24 * 64, all.len() as u64));
        assert!(wide.entries().count() <= EVENT_HOUR_ENTRIES_MAX);
    }
}
