//! Which row groups may have a word, and how many rows have a frequent one.
//!
//! An inverted list: the tokens' hashes, cut short so that a few bits are left of each, with the
//! groups that have a token of that hash. It errs to one side: a group that has the word is always
//! named, one that lacks it now and then. Words that many rows have are there with their text and
//! counts, which are exact.
//!
//! ```text
//! directory (section 7) = count:varint part*
//! part      = groups:u8 rice of slots:u8 rice of groups:u8 slots:varint slots of a bucket:varint
//!             (length:varint crc32c:u32)*            a bucket each, as many as the slots need
//! buckets   (section 8) = bucket*                    end to end, part by part
//! ```
//!
//! Section 8 is stored as it is, and read a bucket at a time: a lookup reads a few KiB of a
//! segment, however large it is.

mod bits;
mod bucket;
mod documents;
mod hash;
mod part;
mod text;
mod vocabulary;

use roaring::RoaringBitmap;

use crate::cells::GroupCells;
use crate::encoding::varint::{Reader, put_u64};
use crate::error::{FormatError, Malformed};
use crate::index::{BUCKETS_SECTION, WORDS_SECTION, damaged};
use crate::table::Table;
use crate::table::bounds::PAGE_RAW_BYTES_MAX;
use crate::table::writer::TableWriter;
use bucket::{Coding, RICE_MAX};
use documents::Documents;
use hash::hash;
use part::{GROUPS_MAX, PartBuilder, PartDirectory, slot_of};
use vocabulary::Vocabulary;

/// The longest section 8: longer ones belong to segments larger than any.
const BUCKETS_BYTES_MAX: usize = 1 << 30;

/// Which row groups may have a word. Opened, it knows where the buckets lie.
#[derive(Clone, Debug)]
pub struct WordIndex {
    table: Table,
    parts: Vec<Part>,
}

/// A part, with where its first group is in the table and its first bucket in the section.
#[derive(Clone, Debug)]
struct Part {
    directory: PartDirectory,
    first_group: usize,
    first_byte: u64,
}

impl WordIndex {
    pub(super) fn open(table: &Table) -> Result<Option<Self>, FormatError> {
        let Some(section) = table.section(WORDS_SECTION)? else {
            return Ok(None);
        };
        let parts = decode(&section, table.groups().len());
        let parts = parts.map_err(|what| damaged(table, "word", &what))?;
        Ok(Some(Self { table: table.clone(), parts }))
    }

    /// The row groups that may have a word, which is a whole token in lower case: all that have
    /// it, and a few that do not.
    ///
    /// # Errors
    ///
    /// When the source cannot be read or the index is damaged.
    pub fn groups(&self, word: &[u8]) -> Result<RoaringBitmap, FormatError> {
        let hash = hash(word);
        let mut groups = RoaringBitmap::new();
        for part in &self.parts {
            let set = part.find(hash, &self.bucket(part, hash)?);
            let set = set.map_err(|what| damaged(&self.table, "word", &what))?;
            groups.extend(part.groups(set));
        }
        Ok(groups)
    }

    /// For each row group how many rows have a word, which is a whole token in lower case, or
    /// `None` where some may have it and they were not counted.
    ///
    /// # Errors
    ///
    /// When the source cannot be read or the index is damaged.
    pub fn counts(&self, word: &[u8]) -> Result<Vec<Option<u32>>, FormatError> {
        let hash = hash(word);
        let mut counts = vec![Some(0); self.table.groups().len()];
        for part in &self.parts {
            let bucket = self.bucket(part, hash)?;
            let coding = &part.directory.coding;
            let groups = part.first_group..part.first_group + coding.groups as usize;
            let rows: Vec<u32> =
                self.table.groups()[groups].iter().map(|group| group.rows).collect();
            let found = part.find(hash, &bucket);
            let counted = found.and_then(|set| Ok((set, coding.counts(&bucket, word, &rows)?)));
            let (set, counted) = counted.map_err(|what| damaged(&self.table, "word", &what))?;
            part.groups(set).for_each(|group| counts[group as usize] = None);
            for (group, with_word) in counted {
                counts[part.first_group + group as usize] = Some(with_word);
            }
        }
        Ok(counts)
    }

    fn bucket(&self, part: &Part, hash: u64) -> Result<bytes::Bytes, FormatError> {
        let PartDirectory { slots, bucket_slots, buckets, .. } = &part.directory;
        let place = (slot_of(hash, *slots) / bucket_slots) as usize;
        let before: u64 = buckets[..place].iter().map(|&(len, _)| u64::from(len)).sum();
        let (len, crc) = buckets[place];
        self.table.read_in_section(BUCKETS_SECTION, part.first_byte + before, len, crc)
    }
}

impl Part {
    /// The groups of the part that may have a token.
    fn find(&self, hash: u64, bucket: &[u8]) -> Result<u64, Malformed> {
        let PartDirectory { coding, slots, bucket_slots, .. } = &self.directory;
        coding.find(bucket, slot_of(hash, *slots) % bucket_slots)
    }

    /// The groups of a set, as the table numbers them.
    fn groups(&self, set: u64) -> impl Iterator<Item = u32> {
        let first = self.first_group as u32;
        (0..GROUPS_MAX).filter(move |group| set >> group & 1 == 1).map(move |group| first + group)
    }
}

fn decode(section: &[u8], groups: usize) -> Result<Vec<Part>, Malformed> {
    let mut reader = Reader::new(section);
    let (mut first_group, mut first_byte) = (0, 0);
    let mut parts = Vec::new();
    for _ in 0..reader.count(5)? {
        let directory = decode_part(&mut reader)?;
        let part_groups = directory.coding.groups as usize;
        let bytes: u64 = directory.buckets.iter().map(|&(len, _)| u64::from(len)).sum();
        parts.push(Part { directory, first_group, first_byte });
        first_group += part_groups;
        first_byte += bytes;
    }
    reader.end()?;
    if first_group != groups {
        return Err("its groups are not those of the table".into());
    }
    Ok(parts)
}

fn decode_part(reader: &mut Reader<'_>) -> Result<PartDirectory, Malformed> {
    let coding = Coding {
        groups: reader.u8()?.into(),
        slot_rice: reader.u8()?.into(),
        group_rice: reader.u8()?.into(),
    };
    if !(1..=GROUPS_MAX).contains(&coding.groups)
        || coding.slot_rice.max(coding.group_rice) > RICE_MAX
    {
        return Err("a part is coded in an unknown way".into());
    }
    let (slots, bucket_slots) = (reader.varint()?, reader.varint()?);
    if slots == 0 || bucket_slots == 0 {
        return Err("a part has no slots".into());
    }
    let count = slots.div_ceil(bucket_slots);
    if count > reader.remaining() as u64 / 5 {
        return Err("a part has more buckets than it says where".into());
    }
    let buckets = (0..count).map(|_| Ok((reader.varint_u32()?, reader.u32()?)));
    let buckets = buckets.collect::<Result<_, Malformed>>()?;
    Ok(PartDirectory { coding, slots, bucket_slots, buckets })
}

fn encode(parts: &[PartDirectory]) -> Vec<u8> {
    let mut out = Vec::new();
    put_u64(&mut out, parts.len() as u64);
    for PartDirectory { coding, slots, bucket_slots, buckets } in parts {
        out.extend([coding.groups, coding.slot_rice, coding.group_rice].map(|number| number as u8));
        put_u64(&mut out, *slots);
        put_u64(&mut out, *bucket_slots);
        for &(len, crc) in buckets {
            put_u64(&mut out, u64::from(len));
            out.extend_from_slice(&crc.to_le_bytes());
        }
    }
    out
}

/// The words of a segment being written.
#[derive(Debug, Default)]
pub(super) struct WordsBuilder {
    documents: Documents,
    vocabulary: Vocabulary,
    part: PartBuilder,
    parts: Vec<PartDirectory>,
    buckets: Vec<u8>,
}

impl WordsBuilder {
    /// Adds the cells of the next group.
    pub(super) fn add_group(&mut self, group: &GroupCells) {
        self.documents.fill(group);
        self.vocabulary.fill(&self.documents);
        self.part.add(&self.vocabulary, &self.documents, group.rows);
        if self.part.is_full() {
            self.close_part();
        }
    }

    fn close_part(&mut self) {
        self.parts.push(std::mem::take(&mut self.part).encode(&mut self.buckets));
    }

    /// Writes both sections.
    pub(super) fn write(mut self, table: &mut TableWriter) {
        if !self.part.is_empty() {
            self.close_part();
        }
        let directory = encode(&self.parts);
        if directory.len() <= PAGE_RAW_BYTES_MAX && self.buckets.len() <= BUCKETS_BYTES_MAX {
            table.write_section(WORDS_SECTION, &directory);
            table.write_raw_section(BUCKETS_SECTION, &self.buckets);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in vec(prop_oneof![0..4u8, any::<u8>()], 0..60)) {
            let _ = decode(&bytes, 3);
        }
    }
}
