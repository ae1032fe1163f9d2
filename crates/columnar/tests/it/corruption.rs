//! Damage is an error: never a panic, never another answer.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use varve_columnar::{Block, BytesSource, FormatError, Segment, Table};
use varve_types::{LogIndex, TimestampNs};

use crate::fixtures::sample_batches;
use crate::generate::{block_bytes, block_of, segment_builder, segment_bytes};

fn small_block() -> Bytes {
    block_bytes(&sample_batches())
}

fn small_segment() -> Bytes {
    let block = block_of(&sample_batches());
    let rows = block.table().rows() as u32;
    let mut builder = segment_builder();
    builder.add_block(&block, LogIndex(7), TimestampNs(9), &[0..1, 2..rows]).expect("fits");
    segment_bytes(builder).0
}

fn read_block(bytes: Bytes) -> Result<(), FormatError> {
    Block::open(bytes)?.verify()
}

fn open_segment(bytes: Bytes) -> Result<Segment, FormatError> {
    Segment::open(Arc::new(BytesSource::new("segment", bytes)))
}

/// Reads as queries do, without verifying.
fn read_plainly(table: &Table) -> Result<usize, FormatError> {
    let mut rows = 0;
    for group in 0..table.groups().len() {
        rows += table.all_records(group)?.len();
        for column in table.columns() {
            table.read(group, column)?;
        }
    }
    Ok(rows)
}

#[test]
fn a_flipped_bit_anywhere_in_a_block_is_found() {
    let bytes = small_block();
    read_block(bytes.clone()).expect("sound before");
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 1 << bit;
            assert!(read_block(damaged.into()).is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_in_a_segment_is_found_and_not_served() {
    let bytes = small_segment();
    let sound = open_segment(bytes.clone()).expect("sound before");
    let wanted = sound.table().all_records(0).expect("sound before");
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 1 << bit;
            let opened = open_segment(damaged.into());
            // Without verify, damage outside the pages may go unseen; then the answer is right.
            if let Ok(segment) = &opened
                && let Ok(records) = segment.table().all_records(0)
            {
                assert_eq!(records, wanted, "byte {at}, bit {bit}");
            }
            assert!(opened.and_then(|s| s.verify()).is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn a_table_cut_off_or_extended_is_refused() {
    for bytes in [small_block(), small_segment()] {
        for len in 0..bytes.len() {
            let source = BytesSource::new("cut", bytes.slice(..len));
            assert!(Table::open(Arc::new(source)).is_err(), "{len} bytes");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(Table::open(Arc::new(BytesSource::new("longer", longer.into()))).is_err());
    }
}

#[test]
fn a_newer_version_is_named() {
    let mut bytes = small_block().to_vec();
    bytes[8] = 3;
    let crc = crc32c::crc32c(&bytes[..12]).to_le_bytes();
    bytes[12..16].copy_from_slice(&crc);
    let error = Block::open(bytes.into()).expect_err("unknown version").to_string();
    expect_test::expect![[
        "block: table format version 3 is unknown: this program reads versions 1 to 2, a newer one wrote it; upgrade this node"
    ]]
    .assert_eq(&error);
}

#[test]
fn errors_name_the_source_and_the_place() {
    let mut bytes = small_block().to_vec();
    bytes[20] ^= 1;
    let error = read_block(bytes.into()).expect_err("damaged").to_string();
    expect_test::expect!["block: at byte 16: page: the checksum does not match"].assert_eq(&error);
}

/// Makes all checksums of damaged bytes right again, as a faulty or hostile peer could, so that
/// the decoders behind them meet the damage.
fn with_checksums_mended(mut bytes: Vec<u8>) -> Vec<u8> {
    let len = bytes.len();
    let footer_len = u32::from_le_bytes(bytes[len - 16..len - 12].try_into().expect("4")) as usize;
    let Some(start) = (len - 16).checked_sub(footer_len) else {
        return bytes;
    };
    let crc = crc32c::crc32c(&bytes[start..len - 16]).to_le_bytes();
    bytes[len - 12..len - 8].copy_from_slice(&crc);
    let crc = crc32c::crc32c(&bytes[len - 16..len - 8]).to_le_bytes();
    bytes[len - 8..len - 4].copy_from_slice(&crc);
    bytes
}

proptest! {
    #[test]
    fn random_bytes_are_refused(bytes: Vec<u8>) {
        prop_assert!(read_block(bytes.clone().into()).is_err());
        prop_assert!(open_segment(bytes.into()).is_err());
    }

    #[test]
    fn a_damaged_footer_with_a_right_checksum_never_panics(
        segment: bool,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let bytes = if segment { small_segment() } else { small_block() };
        let mut bytes = bytes.to_vec();
        // The footer is the end; edits there reach its decoder.
        let from = bytes.len() - 300.min(bytes.len());
        let span = bytes.len() - 16 - from;
        for (at, byte) in edits {
            bytes[from + at.index(span)] = byte;
        }
        let bytes = Bytes::from(with_checksums_mended(bytes));
        if let Ok(block) = Block::open(bytes.clone()) {
            let _ = read_plainly(block.table());
            let _ = block.verify();
        }
        if let Ok(segment) = open_segment(bytes) {
            let _ = read_plainly(segment.table());
            let _ = segment.verify();
        }
    }
}
