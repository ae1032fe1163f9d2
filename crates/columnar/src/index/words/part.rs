//! A part: the words of up to 64 row groups that follow each other, as an index of its own.
//!
//! Parts bound what a writer holds and what it does at once; a lookup reads one bucket of each.

use std::collections::HashMap;

use super::bucket::{Coding, CountedWord};
use super::documents::Documents;
use super::vocabulary::{Token, Vocabulary};

/// Row groups of a part at most: so many are the bits of a set.
pub(super) const GROUPS_MAX: u32 = 64;

/// Tokens of all groups of a part at which it is closed early: 8 MiB of memory, and some tens of
/// milliseconds to sort and write them.
const PAIRS_MAX: usize = 1 << 20;

/// How many slots there are per distinct token: a token that does not occur finds its slot taken
/// with a chance of one in so many.
const SLOTS_PER_TOKEN: u64 = 4;

/// Rice's parameter for the gaps between slots that many tokens leave among them.
const SLOT_RICE: u32 = 2;

const GROUP_RICE: u32 = 2;

/// Slots that are taken in one bucket, about: a KiB or two, half of which a lookup decodes.
const BUCKET_TOKENS: u64 = 1024;

/// A word is counted in a group where one row in so many has it, or more ...
const COUNTED_FRACTION: u32 = 64;

/// ... and these are so many rows, or more than half of the group's: where rows are few and long,
/// one in 64 has thousands of words, and their texts would be longer than all the rest.
const COUNTED_ROWS_MIN: u32 = 128;

/// The longest word that is counted, in bytes.
const COUNTED_BYTES_MAX: u32 = 64;

/// The bits of a pair that are the group's.
const GROUP_BITS: u32 = GROUPS_MAX.ilog2();

/// Where in a part of so many slots a token's slot is.
pub(super) const fn slot_of(hash: u64, slots: u64) -> u64 {
    (((hash >> GROUP_BITS) as u128 * slots as u128) >> (u64::BITS - GROUP_BITS)) as u64
}

/// A part being gathered.
#[derive(Debug, Default)]
pub(super) struct PartBuilder {
    /// How many rows each group has.
    rows: Vec<u32>,
    /// Tokens and the group of each: the hash's high bits, then the group.
    pairs: Vec<u64>,
    /// By text: the groups in which a word was counted, and its rows.
    counted: HashMap<Box<[u8]>, Counted>,
}

#[derive(Debug)]
struct Counted {
    hash: u64,
    groups: Vec<(u32, u32)>,
}

/// Where a part's buckets lie, and how they are coded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PartDirectory {
    pub(super) coding: Coding,
    /// How many slots there are.
    pub(super) slots: u64,
    /// How many slots a bucket has, the last one maybe fewer.
    pub(super) bucket_slots: u64,
    /// The length and the checksum of each bucket; they lie end to end.
    pub(super) buckets: Vec<(u32, u32)>,
}

impl PartBuilder {
    /// Adds the tokens of the next group.
    pub(super) fn add(&mut self, vocabulary: &Vocabulary, documents: &Documents, rows: u32) {
        let group = self.rows.len() as u32;
        self.rows.push(rows);
        let counted_from = COUNTED_ROWS_MIN.min(rows / 2 + 1).max(rows.div_ceil(COUNTED_FRACTION));
        for token in &vocabulary.tokens {
            self.pairs.push(token.hash >> GROUP_BITS << GROUP_BITS | u64::from(group));
            if token.rows >= counted_from && token.len <= COUNTED_BYTES_MAX {
                self.count(documents, token, group);
            }
        }
    }

    fn count(&mut self, documents: &Documents, token: &Token, group: u32) {
        let start = token.start as usize;
        let text = &documents.buffer[start..start + token.len as usize];
        match self.counted.get_mut(text) {
            Some(counted) => counted.groups.push((group, token.rows)),
            None => {
                let counted = Counted { hash: token.hash, groups: vec![(group, token.rows)] };
                self.counted.insert(text.into(), counted);
            }
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows.len() as u32 == GROUPS_MAX || self.pairs.len() >= PAIRS_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Appends the part's buckets.
    pub(super) fn encode(mut self, out: &mut Vec<u8>) -> PartDirectory {
        self.pairs.sort_unstable();
        let tokens = self.pairs.chunk_by(|a, b| a >> GROUP_BITS == b >> GROUP_BITS).count() as u64;
        let slots = (tokens * SLOTS_PER_TOKEN).max(1);
        let bucket_slots = slots.div_ceil(tokens.div_ceil(BUCKET_TOKENS).max(1));
        let coding =
            Coding { groups: self.rows.len() as u32, slot_rice: SLOT_RICE, group_rice: GROUP_RICE };
        let mut words: Vec<(u64, CountedWord<'_>)> = (self.counted.iter())
            .map(|(text, Counted { hash, groups })| {
                (slot_of(*hash, slots), CountedWord { text, groups })
            })
            .collect();
        words.sort_unstable_by(|(a, left), (b, right)| (a, left.text).cmp(&(b, right.text)));
        let mut words = words.into_iter().peekable();
        let mut pairs = self.pairs.iter().peekable();
        let mut buckets = Vec::new();
        let (mut taken, mut counted) = (Vec::new(), Vec::new());
        for bucket in 0..slots.div_ceil(bucket_slots) {
            let (first, end) = (bucket * bucket_slots, (bucket + 1) * bucket_slots);
            taken.clear();
            while let Some(pair) = pairs.next_if(|&&pair| slot_of(pair, slots) < end) {
                let slot = slot_of(*pair, slots) - first;
                let group = 1 << (pair & u64::from(GROUPS_MAX - 1));
                match taken.last_mut() {
                    Some((last, set)) if *last == slot => *set |= group,
                    _ => taken.push((slot, group)),
                }
            }
            counted.clear();
            while let Some((_, word)) = words.next_if(|(slot, _)| *slot < end) {
                counted.push(word);
            }
            let start = out.len();
            coding.encode(out, &taken, &counted, &self.rows);
            buckets.push(((out.len() - start) as u32, crc32c::crc32c(&out[start..])));
        }
        PartDirectory { coding, slots, bucket_slots, buckets }
    }
}
