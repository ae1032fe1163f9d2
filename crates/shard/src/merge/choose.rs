//! Which segments to merge next: a pure function of what the manifest says of them.
//!
//! While a shard is open, segments of about one size become one larger, so that each row is
//! written a few times in all and a search meets few segments. Once it is closed all of it is
//! merged one last time, the oldest first, as much at a time as makes one large segment: that is
//! incremental, and goes on after a restart where it was.

use std::collections::BTreeMap;

use varve_types::RetentionClass;

use crate::{MergeOptions, SegmentMeta, Stage};

/// Segments to be merged: of one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice<'a> {
    /// At least two, or one that is merged for good.
    pub inputs: Vec<&'a SegmentMeta>,
    /// What comes of them.
    pub stage: Stage,
}

/// What to merge next; `None` when all is well as it is.
#[must_use]
pub fn choose<'a>(
    segments: impl IntoIterator<Item = &'a SegmentMeta>,
    options: &MergeOptions,
    closed: bool,
) -> Option<Choice<'a>> {
    if closed {
        return choose_last(segments, options);
    }
    let due = |(_, tier): &(_, Vec<&SegmentMeta>)| is_due(tier, options);
    let (_, mut tier) = tiers(segments, options).into_iter().find(due)?;
    tier.sort_by_key(|segment| (segment.first_index, segment.last_index));
    tier.truncate(options.fan_in);
    let inputs = take_bytes(tier, options.segment_bytes_max);
    Some(Choice { inputs, stage: Stage::Merged })
}

/// How many segments are to be merged: those of tiers that are due, or, of a closed shard, all
/// that are not merged for good.
#[must_use]
pub fn waiting<'a>(
    segments: impl IntoIterator<Item = &'a SegmentMeta>,
    options: &MergeOptions,
    closed: bool,
) -> usize {
    if closed {
        return segments.into_iter().filter(|segment| segment.stage != Stage::Final).count();
    }
    let tiers = tiers(segments, options);
    tiers.values().filter(|tier| is_due(tier, options)).map(Vec::len).sum()
}

fn choose_last<'a>(
    segments: impl IntoIterator<Item = &'a SegmentMeta>,
    options: &MergeOptions,
) -> Option<Choice<'a>> {
    let mut left: Vec<&SegmentMeta> =
        segments.into_iter().filter(|segment| segment.stage != Stage::Final).collect();
    left.sort_by_key(|segment| (segment.class, segment.min_time, segment.first_index));
    let class = left.first()?.class;
    left.retain(|segment| segment.class == class);
    let inputs = take_bytes(left, options.segment_bytes_max);
    Some(Choice { inputs, stage: Stage::Final })
}

/// The first segments that have at most so many bytes together; at least one.
fn take_bytes(mut segments: Vec<&SegmentMeta>, bytes_max: u64) -> Vec<&SegmentMeta> {
    let mut bytes = 0u64;
    let fitting = segments.iter().take_while(|segment| {
        bytes = bytes.saturating_add(segment.bytes);
        bytes <= bytes_max
    });
    let count = fitting.count().max(1);
    segments.truncate(count);
    segments
}

/// Segments that are still to grow, by the logarithm of their size, and class.
type Tiers<'a> = BTreeMap<(u32, RetentionClass), Vec<&'a SegmentMeta>>;

fn tiers<'a>(
    segments: impl IntoIterator<Item = &'a SegmentMeta>,
    options: &MergeOptions,
) -> Tiers<'a> {
    let mut tiers = Tiers::new();
    for segment in segments {
        // Two of those that do not rest are never too large together.
        let rests = segment.bytes > options.segment_bytes_max / 2;
        if segment.stage != Stage::Final && !rests {
            let tier = (tier_of(segment.bytes, options), segment.class);
            tiers.entry(tier).or_default().push(segment);
        }
    }
    tiers
}

fn tier_of(bytes: u64, options: &MergeOptions) -> u32 {
    let factor = options.fan_in.max(2) as u64;
    let mut tier = 0;
    let mut bytes_max = options.lowest_tier_bytes.max(1);
    while bytes > bytes_max {
        bytes_max = bytes_max.saturating_mul(factor);
        tier += 1;
    }
    tier
}

/// Whether a tier has enough segments, or enough bytes to fill one of the largest.
fn is_due(tier: &[&SegmentMeta], options: &MergeOptions) -> bool {
    let bytes = tier.iter().fold(0u64, |sum, segment| sum.saturating_add(segment.bytes));
    tier.len() >= options.fan_in.max(2) || tier.len() >= 2 && bytes >= options.segment_bytes_max
}

#[cfg(test)]
mod tests;
