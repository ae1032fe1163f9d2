//! Blocks and segments, as files and as single pages and sections of a table that is otherwise
//! sound: so that short inputs reach each decoder.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use varve_columnar::{Block, BytesSource, Segment};

use super::table_questions::{ask_block, ask_segment};
use crate::formats::table::{Piece, mend, pieces, plain, replace};
use crate::{Memory, Target};

/// A footer may expand to 96 MiB, and a page to 32 MiB, however short they are when compressed.
const MEMORY: Memory = Memory { bytes: 192 << 20, per_byte: 64 };

/// A block.
pub(super) const BLOCK: Target =
    Target { name: "block", run: read_block, mend: Some(mend), memory: MEMORY };

/// A segment.
pub(super) const SEGMENT: Target =
    Target { name: "segment", run: read_segment, mend: Some(mend), memory: MEMORY };

/// One page, as it is stored, behind its number among all pages of a block and a segment.
pub(super) const PAGES: Target = Target {
    name: "table_page",
    run: |input| read_piece(input, |piece| piece.section.is_none()),
    mend: None,
    memory: MEMORY,
};

/// One section, as it is stored, behind its number among all sections of a block and a segment.
pub(super) const SECTIONS: Target = Target {
    name: "table_section",
    run: |input| read_piece(input, |piece| piece.section.is_some()),
    mend: None,
    memory: MEMORY,
};

/// The tables that pages are put into: of a format version that is written no more, but is read for
/// ever, so that a page's number stays what it is.
static TABLES: LazyLock<[(Vec<u8>, Vec<Piece>); 2]> = LazyLock::new(|| {
    let block = include_bytes!("../../../../crates/columnar/tests/fixtures/block-v1.bin");
    let segment = include_bytes!("../../../../crates/columnar/tests/fixtures/segment-v2.bin");
    [&block[..], &segment[..]].map(|file| {
        let table = plain(file);
        let pieces = pieces(&table);
        (table, pieces)
    })
});

fn read_block(bytes: &[u8]) {
    if let Ok(block) = Block::open(Bytes::copy_from_slice(bytes)) {
        ask_block(&block);
    }
}

fn read_segment(bytes: &[u8]) {
    let source = BytesSource::new("segment", Bytes::copy_from_slice(bytes));
    if let Ok(segment) = Segment::open(Arc::new(source)) {
        ask_segment(&segment);
    }
}

fn read_piece(input: &[u8], is_meant: fn(&Piece) -> bool) {
    let Some((&number, stored)) = input.split_first() else { return };
    let [block, segment] = &*TABLES;
    let of = |table: &'static (Vec<u8>, Vec<Piece>)| {
        table.1.iter().filter(move |piece| is_meant(piece)).map(move |piece| (&table.0, piece))
    };
    let all: Vec<_> = of(block).chain(of(segment)).collect();
    let (table, piece) = all[usize::from(number) % all.len()];
    let mut forged = replace(table, piece, stored);
    mend(&mut forged);
    if std::ptr::eq(table, &raw const block.0) {
        read_block(&forged);
    } else {
        read_segment(&forged);
    }
}

/// The tables of which [`PAGES`] and [`SECTIONS`] change one piece, uncompressed.
#[must_use]
pub fn sound_tables() -> [Vec<u8>; 2] {
    TABLES.each_ref().map(|(table, _)| table.clone())
}

/// Inputs of [`PAGES`] or [`SECTIONS`] that change nothing.
#[must_use]
pub fn sound_pieces(are_sections: bool) -> Vec<Vec<u8>> {
    let all = TABLES.iter().flat_map(|(table, pieces)| pieces.iter().map(move |it| (table, it)));
    let meant = all.filter(|(_, piece)| piece.section.is_some() == are_sections);
    let stored = meant.map(|(table, piece)| &table[piece.offset..piece.offset + piece.len]);
    (0..).zip(stored).map(|(number, stored)| [&[number], stored].concat()).collect()
}
