//! One bucket of a part: what a lookup reads.
//!
//! ```text
//! bucket   = entries:varint words:varint word* bits
//! word     = length:varint text count:varint counted*      in no order
//! counted  = group - previous group:varint rows without it:varint
//! bits     = (slot - previous slot - 1:rice groups)*       slots ascending; the first from the
//!                                                          bucket's first slot
//! groups   = nothing                                       of a part of one group
//!          | 0 group                                       one
//!          | 10 count - 1:gamma group (gap - 1:rice)*      some; the first group, gaps to the next
//!          | 110 bitmap                                    a bit each
//!          | 1110                                          all
//!          | 1111 count:gamma group (gap - 1:rice)*        all but some
//! ```
//!
//! A group has as many bits as the part's last one needs. Writers take the shortest form.

use super::bits::{BitReader, BitWriter, gamma_bits};
use crate::encoding::varint::{Reader, put_bytes, put_u64};
use crate::error::Malformed;

/// The numbers of a part that its buckets are coded by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coding {
    /// How many groups the part has, 1 to 64.
    pub(super) groups: u32,
    /// Rice's parameter of gaps between slots, at most [`RICE_MAX`].
    pub(super) slot_rice: u32,
    /// Rice's parameter of gaps between groups, at most [`RICE_MAX`].
    pub(super) group_rice: u32,
}

/// The largest parameter of Rice codes that readers accept.
pub(super) const RICE_MAX: u32 = 32;

/// A word whose rows were counted: its text, and by group how many rows have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CountedWord<'a> {
    pub(super) text: &'a [u8],
    /// The group within the part, ascending, and how many rows have the word.
    pub(super) groups: &'a [(u32, u32)],
}

impl Coding {
    /// The set of all groups.
    const fn all(&self) -> u64 {
        u64::MAX >> (64 - self.groups)
    }

    /// The bits of a group.
    const fn group_bits(&self) -> u32 {
        32 - (self.groups - 1).leading_zeros()
    }

    /// Appends a bucket: its slots from its first one, each with the set of groups, never empty,
    /// and its words. `rows` has how many rows each group has.
    pub(super) fn encode(
        &self,
        out: &mut Vec<u8>,
        slots: &[(u64, u64)],
        words: &[CountedWord<'_>],
        rows: &[u32],
    ) {
        put_u64(out, slots.len() as u64);
        put_u64(out, words.len() as u64);
        for word in words {
            put_bytes(out, word.text);
            put_u64(out, word.groups.len() as u64);
            let mut previous = 0;
            for &(group, with_word) in word.groups {
                put_u64(out, u64::from(group - previous));
                put_u64(out, u64::from(rows[group as usize] - with_word));
                previous = group;
            }
        }
        let mut bits = BitWriter::default();
        let mut next = 0;
        for &(slot, set) in slots {
            bits.put_rice(slot - next, self.slot_rice);
            self.put_set(&mut bits, set);
            next = slot + 1;
        }
        out.extend_from_slice(&bits.finish());
    }

    fn put_set(&self, bits: &mut BitWriter, set: u64) {
        if self.groups == 1 {
            return;
        }
        let count = u64::from(set.count_ones());
        let absent = self.all() & !set;
        if count == 1 {
            bits.put(0, 1);
            bits.put(u64::from(set.trailing_zeros()), self.group_bits());
        } else if absent == 0 {
            bits.put(0b0111, 4);
        } else {
            let some = 2 + gamma_bits(count - 1) + self.list_bits(set);
            let but_some = 4 + gamma_bits(u64::from(absent.count_ones())) + self.list_bits(absent);
            let bitmap = 3 + self.groups;
            if bitmap <= some && bitmap <= but_some {
                bits.put(0b011, 3);
                bits.put_set(set, self.groups);
            } else if some <= but_some {
                bits.put(0b01, 2);
                bits.put_gamma(count - 1);
                self.put_list(bits, set);
            } else {
                bits.put(0b1111, 4);
                bits.put_gamma(u64::from(absent.count_ones()));
                self.put_list(bits, absent);
            }
        }
    }

    fn put_list(&self, bits: &mut BitWriter, mut set: u64) {
        bits.put(u64::from(set.trailing_zeros()), self.group_bits());
        while let Some(gap) = take_lowest(&mut set) {
            bits.put_rice(u64::from(gap - 1), self.group_rice);
        }
    }

    fn list_bits(&self, mut set: u64) -> u32 {
        let mut bits = self.group_bits();
        while let Some(gap) = take_lowest(&mut set) {
            bits += ((gap - 1) >> self.group_rice) + 1 + self.group_rice;
        }
        bits
    }

    /// The groups that may have a token, by its slot from the bucket's first one.
    pub(super) fn find(&self, bucket: &[u8], wanted: u64) -> Result<u64, Malformed> {
        let mut reader = Reader::new(bucket);
        let slots = reader.varint()?;
        for _ in 0..reader.count(2)? {
            skip_word(&mut reader)?;
        }
        let mut bits = BitReader::new(reader.take(reader.remaining())?);
        let mut next = 0u64;
        for _ in 0..slots {
            let slot = next.saturating_add(bits.take_rice(self.slot_rice)?);
            if slot > wanted {
                break;
            }
            let set = self.take_set(&mut bits)?;
            if slot == wanted {
                return Ok(set);
            }
            next = slot + 1;
        }
        Ok(0)
    }

    fn take_set(&self, bits: &mut BitReader<'_>) -> Result<u64, Malformed> {
        if self.groups == 1 {
            return Ok(1);
        }
        if bits.take(1)? == 0 {
            return self.take_list(bits, 1);
        }
        if bits.take(1)? == 0 {
            let count = bits.take_gamma()? + 1;
            return self.take_list(bits, count);
        }
        if bits.take(1)? == 0 {
            return bits.take_set(self.groups);
        }
        if bits.take(1)? == 0 {
            return Ok(self.all());
        }
        let count = bits.take_gamma()?;
        Ok(self.all() & !self.take_list(bits, count)?)
    }

    fn take_list(&self, bits: &mut BitReader<'_>, count: u64) -> Result<u64, Malformed> {
        let mut group = bits.take(self.group_bits())?;
        let mut set = 0;
        for left in (0..count).rev() {
            if group >= u64::from(self.groups) {
                return Err("a token is in a group that is not there".into());
            }
            set |= 1 << group;
            if left > 0 {
                group = group.saturating_add(bits.take_rice(self.group_rice)?).saturating_add(1);
            }
        }
        Ok(set)
    }

    /// How many rows of each group have a word, where that was counted. `rows` has how many rows
    /// each group has.
    pub(super) fn counts(
        &self,
        bucket: &[u8],
        wanted: &[u8],
        rows: &[u32],
    ) -> Result<Vec<(u32, u32)>, Malformed> {
        let mut reader = Reader::new(bucket);
        reader.varint()?;
        for _ in 0..reader.count(2)? {
            let text = reader.bytes()?;
            let mut counts = Vec::new();
            let mut group = 0;
            for _ in 0..reader.count(2)? {
                group = reader.varint_u32()?.saturating_add(group);
                let group_rows = rows.get(group as usize).ok_or("a word of no group")?;
                let without = reader.varint_u32()?;
                counts.push((group, group_rows.checked_sub(without).ok_or("too few rows")?));
            }
            if text == wanted {
                return Ok(counts);
            }
        }
        Ok(Vec::new())
    }
}

fn skip_word(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    reader.bytes()?;
    for _ in 0..2 * reader.count(2)? {
        reader.varint()?;
    }
    Ok(())
}

/// Takes the lowest group out of a set, and says how far it is to the next one, if any.
fn take_lowest(set: &mut u64) -> Option<u32> {
    let lowest = set.trailing_zeros();
    *set &= set.wrapping_sub(1);
    (*set != 0).then(|| set.trailing_zeros() - lowest)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    fn sets() -> impl Strategy<Value = u64> {
        prop_oneof![
            (0..64u32).prop_map(|group| 1 << group),
            any::<u64>(),
            (any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(a, b, c)| a & b & c),
            (any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(a, b, c)| a | b | c),
            Just(u64::MAX),
        ]
    }

    proptest! {
        #[test]
        fn a_bucket_reads_back(
            groups in 1..=64u32,
            slots in btree_map(0..3000u64, sets(), 0..100),
            (slot_rice, group_rice) in (0..5u32, 0..5u32),
            probes in vec(0..3000u64, 0..50),
        ) {
            let coding = Coding { groups, slot_rice, group_rice };
            let slots: BTreeMap<u64, u64> = (slots.into_iter())
                .map(|(slot, set)| (slot, set & coding.all()))
                .filter(|&(_, set)| set != 0)
                .collect();
            let rows = vec![100; groups as usize];
            let word = CountedWord { text: b"word", groups: &[(0, 7)] };
            let last = CountedWord { text: b"last", groups: &[(groups - 1, 100)] };
            let mut bucket = Vec::new();
            let listed: Vec<(u64, u64)> = slots.clone().into_iter().collect();
            coding.encode(&mut bucket, &listed, &[word, last], &rows);
            for slot in slots.keys().copied().chain(probes) {
                let wanted = slots.get(&slot).copied().unwrap_or_default();
                prop_assert_eq!(coding.find(&bucket, slot), Ok(wanted));
            }
            prop_assert_eq!(coding.counts(&bucket, b"word", &rows), Ok(vec![(0, 7)]));
            prop_assert_eq!(coding.counts(&bucket, b"last", &rows), Ok(vec![(groups - 1, 100)]));
            prop_assert_eq!(coding.counts(&bucket, b"none", &rows), Ok(vec![]));
        }

        #[test]
        fn no_bytes_panic(
            bytes in vec(prop_oneof![0..4u8, any::<u8>()], 0..60),
            groups in 1..=64u32,
            (slot_rice, group_rice) in (0..=RICE_MAX, 0..=RICE_MAX),
            wanted in 0..100u64,
        ) {
            let coding = Coding { groups, slot_rice, group_rice };
            if let Ok(set) = coding.find(&bytes, wanted) {
                prop_assert_eq!(set & !coding.all(), 0);
            }
            let _ = coding.counts(&bytes, b"a", &vec![9; groups as usize]);
        }
    }
}
