//! The checksums of a table: of its header, pages, sections, footer and trailer, and those within
//! the section that lists the buckets of words. `varve_columnar::table` draws the bytes.

use super::{Walk, put_varint, seal};

const HEADER_BYTES: usize = 16;
const TRAILER_BYTES: usize = 16;
/// The tags of attributes, which have names, begin here.
const ATTRIBUTE_TAG: u8 = 16;
/// How bytes are stored: as they are, or compressed, behind their length.
const RAW: u8 = 0;
const ZSTD: u8 = 1;
/// The section that lists the buckets of words, and the section that they lie in.
const WORDS_SECTION: u64 = 7;
const BUCKETS_SECTION: u64 = 8;

/// A page or section: where it lies, and where in the footer its checksum stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    /// The kind of a section; `None` for a page.
    pub(crate) section: Option<u64>,
    pub(crate) offset: usize,
    pub(crate) len: usize,
    /// Where the entry begins in the footer, its length's varint, and its checksum.
    len_at: usize,
    crc_at: usize,
}

/// A footer as far as it could be walked.
struct Footer {
    /// Where its raw bytes begin in the file, and where they end.
    start: usize,
    end: usize,
    pieces: Vec<Piece>,
}

/// Sets every checksum right that can be found.
pub(crate) fn mend(file: &mut [u8]) {
    seal(file, 0, 12);
    let Some(trailer) = file.len().checked_sub(TRAILER_BYTES) else { return };
    if let Some(footer) = walk(file) {
        mend_buckets(file, &footer);
        for piece in &footer.pieces {
            if let Some(bytes) = file.get(piece.offset..piece.offset.saturating_add(piece.len)) {
                let crc = crc32c::crc32c(bytes).to_le_bytes();
                file[piece.crc_at..piece.crc_at + 4].copy_from_slice(&crc);
            }
        }
    }
    if let Some(start) = footer_start(file) {
        let crc = crc32c::crc32c(&file[start..trailer]).to_le_bytes();
        file[trailer + 4..trailer + 8].copy_from_slice(&crc);
    }
    seal(file, trailer, trailer + 8);
}

/// The pages and sections of a sound table.
pub(crate) fn pieces(file: &[u8]) -> Vec<Piece> {
    walk(file).map(|footer| footer.pieces).unwrap_or_default()
}

/// A sound table with nothing in it compressed, so that what is changed in it meets decoders and
/// not zstd.
pub(crate) fn plain(file: &[u8]) -> Vec<u8> {
    let start = footer_start(file).expect("BUG: the table is sound");
    let end = file.len() - TRAILER_BYTES;
    let mut out = file[..start].to_vec();
    out.extend_from_slice(&raw(&file[start..end]));
    let len = u32::try_from(out.len() - start).expect("BUG: the table is small");
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&file[end + 4..]);
    for place in 0..pieces(&out).len() {
        let piece = pieces(&out)[place];
        let bytes = raw(&out[piece.offset..piece.offset + piece.len]);
        out = replace(&out, &piece, &bytes);
    }
    mend(&mut out);
    out
}

/// Stored bytes, stored as they are.
fn raw(stored: &[u8]) -> Vec<u8> {
    if stored[0] != ZSTD {
        return stored.to_vec();
    }
    let mut walk = Walk { bytes: stored, at: 1 };
    let len = walk.count().expect("BUG: the table is sound");
    let bytes = zstd::bulk::decompress(&stored[walk.at..], len).expect("BUG: the table is sound");
    [&[RAW], &bytes[..]].concat()
}

/// A sound table, one page or section of which is other bytes. Its checksums are not right yet.
pub(crate) fn replace(file: &[u8], piece: &Piece, bytes: &[u8]) -> Vec<u8> {
    let Some(footer) = walk(file) else { return file.to_vec() };
    let mut out = file[..piece.offset].to_vec();
    out.extend_from_slice(bytes);
    // The byte before the raw footer says that it is raw.
    out.extend_from_slice(&file[piece.offset + piece.len..footer.start]);
    let footer_at = out.len() - 1;
    out.extend_from_slice(&file[footer.start..piece.len_at]);
    put_varint(&mut out, bytes.len() as u64);
    out.extend_from_slice(&file[piece.crc_at..footer.end]);
    let len = u32::try_from(out.len() - footer_at).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&file[footer.end + 4..]);
    out
}

fn footer_start(file: &[u8]) -> Option<usize> {
    let trailer = file.len().checked_sub(TRAILER_BYTES)?;
    let len = u32::from_le_bytes(file[trailer..trailer + 4].try_into().ok()?);
    trailer.checked_sub(len as usize).filter(|start| *start >= HEADER_BYTES)
}

/// Walks a footer that is stored as it is.
fn walk(file: &[u8]) -> Option<Footer> {
    let (start, end) = (footer_start(file)? + 1, file.len() - TRAILER_BYTES);
    if file[start - 1] != RAW {
        return None;
    }
    let mut walk = Walk { bytes: file.get(..end)?, at: start };
    let groups = walk_head(&mut walk)?;
    let mut offset = HEADER_BYTES;
    let mut pieces = Vec::new();
    let entry = |walk: &mut Walk<'_>, section, offset: &mut usize| {
        let len_at = walk.at;
        let len = walk.count()?;
        let crc_at = walk.at;
        walk.skip(4)?;
        let piece = Piece { section, offset: *offset, len, len_at, crc_at };
        *offset = offset.checked_add(len)?;
        Some(piece)
    };
    for _ in 0..groups {
        for _ in 0..walk.count()? {
            walk.varint()?;
            pieces.push(entry(&mut walk, None, &mut offset)?);
        }
    }
    for _ in 0..walk.count()? {
        let kind = walk.varint()?;
        pieces.push(entry(&mut walk, Some(kind), &mut offset)?);
    }
    Some(Footer { start, end, pieces })
}

/// Up to the lists of pages; answers how many groups there are.
fn walk_head(walk: &mut Walk<'_>) -> Option<usize> {
    let is_segment = walk.byte()? == 1;
    walk.varint()?;
    walk.skip(16)?;
    let groups = walk.count()?;
    for _ in 0..groups {
        for _ in 0..3 {
            walk.varint()?;
        }
        walk.byte()?;
        if is_segment {
            walk.varint()?;
            walk.varint()?;
        }
    }
    if walk.byte()? == 1 {
        for _ in 0..walk.count()? {
            walk.prefixed()?;
        }
    }
    for _ in 0..walk.count()? {
        if walk.byte()? >= ATTRIBUTE_TAG {
            walk.prefixed()?;
        }
    }
    Some(groups)
}

/// Sets the checksums of the buckets of words right, where their list is stored as it is.
fn mend_buckets(file: &mut [u8], footer: &Footer) -> Option<()> {
    let find = |kind| footer.pieces.iter().find(|piece| piece.section == Some(kind));
    let (list, buckets) = (find(WORDS_SECTION)?, find(BUCKETS_SECTION)?);
    let (list_at, mut bucket_at) = (list.offset + 1, buckets.offset + 1);
    let bytes = file.get(list_at..list.offset.checked_add(list.len)?)?.to_vec();
    if file[list.offset] != RAW {
        return None;
    }
    let mut walk = Walk::new(&bytes);
    for _ in 0..walk.count()? {
        walk.skip(3)?;
        let (slots, of_bucket) = (walk.varint()?, walk.varint()?);
        for _ in 0..slots.div_ceil(of_bucket.max(1)) {
            let len = walk.count()?;
            let crc_at = list_at + walk.at;
            walk.skip(4)?;
            let bucket = file.get(bucket_at..bucket_at.checked_add(len)?)?;
            let crc = crc32c::crc32c(bucket).to_le_bytes();
            file[crc_at..crc_at + 4].copy_from_slice(&crc);
            bucket_at += len;
        }
    }
    Some(())
}
