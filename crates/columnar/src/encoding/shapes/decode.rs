//! Reads strings back from shapes and values.

use bytes::Bytes;

use crate::byte_column::ByteColumn;
use crate::encoding::shapes::room::{Overfull, Padded, Room};
use crate::encoding::shapes::skim::{Skimmed, skim};
use crate::encoding::shapes::values::Values;
use crate::encoding::shapes::{SLOT, VALUES_MAX};
use crate::encoding::varint::Reader;
use crate::error::Malformed;

/// A text of a shape, and the column of the value after it, if one follows.
#[derive(Clone, Copy)]
struct Piece {
    start: u32,
    end: u32,
    column: Option<u32>,
}

/// The shapes of a page, taken to pieces.
struct Shapes {
    texts: ByteColumn,
    pieces: Vec<Piece>,
    /// Where the pieces of each shape begin, and where those of the last end.
    firsts: Vec<usize>,
    columns: usize,
}

/// Reads `count` strings; `page` is the buffer under `reader`. Those that are not `wanted`, where
/// that is given, come out empty: the positions wanted ascend.
pub(crate) fn decode(
    reader: &mut Reader<'_>,
    page: &Bytes,
    count: usize,
    wanted: Option<&[u32]>,
) -> Result<ByteColumn, Malformed> {
    let Skimmed { len, shapes, slot_columns, codes } = skim(reader, page, count)?;
    let shapes = Shapes::of(shapes, slot_columns)?;
    let counts = shapes.count_values(&codes)?;
    let mut columns = counts
        .into_iter()
        .map(|count| Values::decode(reader, page, count))
        .collect::<Result<Vec<_>, _>>()?;
    let mut room = Room::new(len);
    let texts = Padded::of(shapes.texts.data());
    let mut offsets = Vec::with_capacity(count + 1);
    offsets.push(0);
    let mut wanted_next = wanted.map(|wanted| wanted.iter().peekable());
    for (position, &code) in codes.iter().enumerate() {
        let pieces = shapes.pieces_of(code as usize);
        if let Some(wanted) = &mut wanted_next
            && wanted.next_if(|&&next| next as usize == position).is_none()
        {
            pieces.iter().filter_map(|piece| piece.column).for_each(|column| {
                columns[column as usize].skip_next();
            });
            offsets.push(room.filled() as u32);
            continue;
        }
        for piece in pieces {
            let text_len = (piece.end - piece.start) as usize;
            room.put_padded(&texts, piece.start as usize, text_len).map_err(too_long)?;
            if let Some(column) = piece.column {
                columns[column as usize].put_next(&mut room).map_err(too_long)?;
            }
        }
        offsets.push(room.filled() as u32);
    }
    if wanted.is_none() && !room.is_full() {
        return Err("strings are shorter than stated".into());
    }
    let data = room.into_filled();
    Ok(ByteColumn::new(offsets, data.into()))
}

fn too_long(_: Overfull) -> Malformed {
    "strings are longer than stated".into()
}

impl Shapes {
    /// Takes shapes to pieces, by the column of each of their slots.
    fn of(texts: ByteColumn, slot_columns: Vec<i64>) -> Result<Self, Malformed> {
        let slots = slot_columns.len();
        let columns = slot_columns.iter().max().map_or(0, |&last| last.saturating_add(1));
        if slot_columns.iter().any(|&column| column < 0) || columns > slots as i64 {
            return Err("a slot has an impossible column".into());
        }
        let mut slot_columns = slot_columns.into_iter();
        let mut pieces = Vec::with_capacity(slots + texts.len());
        let mut firsts = Vec::with_capacity(texts.len() + 1);
        for (text, ends) in texts.iter().zip(texts.offsets().windows(2)) {
            firsts.push(pieces.len());
            let mut start = ends[0];
            for (at, _) in text.iter().enumerate().filter(|(_, byte)| **byte == SLOT) {
                let end = ends[0] + at as u32;
                let column = slot_columns.next().map(|column| column as u32);
                pieces.push(Piece { start, end, column });
                start = end + 1;
            }
            pieces.push(Piece { start, end: ends[1], column: None });
        }
        firsts.push(pieces.len());
        Ok(Self { texts, pieces, firsts, columns: columns as usize })
    }

    fn pieces_of(&self, shape: usize) -> &[Piece] {
        &self.pieces[self.firsts[shape]..self.firsts[shape + 1]]
    }

    /// How many values each column must have for strings of these shapes.
    fn count_values(&self, codes: &[u32]) -> Result<Vec<usize>, Malformed> {
        let mut uses = vec![0usize; self.texts.len()];
        codes.iter().for_each(|&code| uses[code as usize] += 1);
        let mut counts = vec![0; self.columns];
        let mut values = 0usize;
        for (shape, uses) in uses.into_iter().enumerate() {
            for column in self.pieces_of(shape).iter().filter_map(|piece| piece.column) {
                counts[column as usize] += uses;
                values = values.saturating_add(uses);
            }
        }
        if values > VALUES_MAX {
            return Err("strings have more values than the format allows".into());
        }
        Ok(counts)
    }
}
