//! Rows per hour of event time.
//!
//! ```text
//! hours = count:varint (hour - previous hour:zigzag rows:varint)*     ascending
//! ```

use std::collections::BTreeMap;

use crate::encoding::varint::{Reader, put_i64, put_u64};
use crate::error::Malformed;

/// Hour since 1970 (negative before it) → how many rows have their timestamp in it.
pub type EventHours = BTreeMap<i64, u64>;

const HOUR_NS: i64 = 3_600_000_000_000;

/// Counts a row with this timestamp, in nanoseconds.
pub(super) fn count(hours: &mut EventHours, time_ns: i64) {
    *hours.entry(time_ns.div_euclid(HOUR_NS)).or_default() += 1;
}

pub(super) fn encode(hours: &EventHours) -> Vec<u8> {
    let mut out = Vec::new();
    put_u64(&mut out, hours.len() as u64);
    let mut previous = 0;
    for (&hour, &rows) in hours {
        put_i64(&mut out, hour - previous);
        put_u64(&mut out, rows);
        previous = hour;
    }
    out
}

pub(super) fn decode(bytes: &[u8]) -> Result<EventHours, Malformed> {
    let mut reader = Reader::new(bytes);
    let mut hours = EventHours::new();
    let mut previous = 0i64;
    for _ in 0..reader.count(2)? {
        let hour = previous.checked_add(reader.zigzag()?).ok_or("an event hour is impossible")?;
        if !hours.is_empty() && hour <= previous {
            return Err("the event hours do not ascend".into());
        }
        hours.insert(hour, reader.varint()?);
        previous = hour;
    }
    reader.end()?;
    Ok(hours)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counts_read_back_and_no_bytes_panic(times: Vec<i64>, random: Vec<u8>) {
            let mut hours = EventHours::new();
            times.iter().for_each(|&time| count(&mut hours, time));
            prop_assert_eq!(decode(&encode(&hours)), Ok(hours));
            let _ = decode(&random);
        }
    }
}
