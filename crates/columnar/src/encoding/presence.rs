//! Which rows of a group have a value in a column.
//!
//! ```text
//! presence = 0                             every row
//!          | 1 count:varint rows:ints      the rows, ascending: few of them
//!          | 2 bitmap                      one bit a row, lowest first, rows / 8 bytes rounded up
//! ```

use roaring::RoaringBitmap;

use crate::encoding::ints::{self, Effort};
use crate::encoding::varint::{Reader, put_u64};
use crate::error::Malformed;

const ALL: u8 = 0;
const LIST: u8 = 1;
const BITMAP: u8 = 2;

/// A list is stored while it is shorter than this fraction of the rows: at one byte a row that is
/// where a bitmap becomes shorter.
const LIST_FRACTION: usize = 8;

/// Which rows of a group have a value in a column: the values of a column are those of its
/// present rows, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Presence {
    /// Every row of a group of so many rows.
    All(u32),
    /// Some rows of a group.
    Some {
        /// The positions in the group that have a value; never empty, all below `rows`.
        present: RoaringBitmap,
        /// How many rows the group has.
        rows: u32,
    },
}

impl Presence {
    /// How many rows the group has.
    #[must_use]
    pub const fn rows(&self) -> u32 {
        match self {
            Self::All(rows) | Self::Some { rows, .. } => *rows,
        }
    }

    /// How many rows have a value.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::All(rows) => *rows as usize,
            Self::Some { present, .. } => present.len() as usize,
        }
    }

    /// Whether no row has a value; no stored column is so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a row has a value.
    #[must_use]
    pub fn contains(&self, row: u32) -> bool {
        match self {
            Self::All(rows) => row < *rows,
            Self::Some { present, .. } => present.contains(row),
        }
    }

    /// The position of a row's value among the column's values, or `None` where it has none.
    #[must_use]
    pub fn rank(&self, row: u32) -> Option<usize> {
        match self {
            Self::All(rows) => (row < *rows).then_some(row as usize),
            Self::Some { present, .. } => {
                present.contains(row).then(|| present.rank(row) as usize - 1)
            }
        }
    }

    /// The rows that have a value, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        let (all, some) = match self {
            Self::All(rows) => (0..*rows, None),
            Self::Some { present, .. } => (0..0, Some(present.iter())),
        };
        all.chain(some.into_iter().flatten())
    }

    /// Calls `each(position in wanted, position of the value)` for every row of `wanted`, which
    /// must ascend, that has a value. Costs about the smaller of the two sets, so that thousands
    /// of sparse columns do not each cost a whole group.
    pub(crate) fn for_wanted(&self, wanted: &[u32], mut each: impl FnMut(usize, usize)) {
        let Self::Some { present, .. } = self else {
            let rows = self.rows();
            for (out, &row) in wanted.iter().enumerate().take_while(|&(_, &row)| row < rows) {
                each(out, row as usize);
            }
            return;
        };
        if self.len() * 8 < wanted.len() {
            for (value, row) in present.iter().enumerate() {
                if let Ok(out) = wanted.binary_search(&row) {
                    each(out, value);
                }
            }
        } else if wanted.len() * 8 < self.len() {
            for (out, &row) in wanted.iter().enumerate() {
                if let Some(value) = self.rank(row) {
                    each(out, value);
                }
            }
        } else {
            let mut out = 0;
            for (value, row) in present.iter().enumerate() {
                while wanted.get(out).is_some_and(|&wanted| wanted < row) {
                    out += 1;
                }
                if wanted.get(out) == Some(&row) {
                    each(out, value);
                }
            }
        }
    }
}

/// Appends which of `rows` rows are `present`, ascending.
pub(crate) fn encode(out: &mut Vec<u8>, present: &[u32], rows: u32) {
    if present.len() == rows as usize {
        out.push(ALL);
    } else if present.len() < rows as usize / LIST_FRACTION || present.len() == 1 {
        out.push(LIST);
        put_u64(out, present.len() as u64);
        let present: Vec<i64> = present.iter().map(|&row| i64::from(row)).collect();
        ints::encode(out, &present, Effort::Quick);
    } else {
        out.push(BITMAP);
        let start = out.len();
        out.resize(start + rows.div_ceil(8) as usize, 0);
        for row in present {
            out[start + (row / 8) as usize] |= 1 << (row % 8);
        }
    }
}

pub(crate) fn decode(reader: &mut Reader<'_>, rows: u32) -> Result<Presence, Malformed> {
    let present = match reader.u8()? {
        ALL => return Ok(Presence::All(rows)),
        LIST => {
            let count = reader.varint()?;
            let count = usize::try_from(count)
                .ok()
                .filter(|&count| count <= rows as usize)
                .ok_or("a column has more values than rows")?;
            let listed = ints::decode(reader, count)?;
            if listed.iter().any(|&row| !(0..i64::from(rows)).contains(&row)) {
                return Err("a column has values for rows outside its group".into());
            }
            RoaringBitmap::from_sorted_iter(listed.into_iter().map(|row| row as u32))
                .map_err(|_| "a column's rows do not ascend")?
        }
        BITMAP => {
            let bitmap = reader.take(rows.div_ceil(8) as usize)?;
            RoaringBitmap::from_lsb0_bytes(0, bitmap)
        }
        _ => return Err("rows with values have an unknown encoding".into()),
    };
    match present.max() {
        Some(last) if last < rows => Ok(Presence::Some { present, rows }),
        Some(_) => Err("a column has values for rows outside its group".into()),
        None => Err("a column has no values".into()),
    }
}
