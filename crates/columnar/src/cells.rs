//! The cells of one row group while it is gathered, column by column, before it is encoded.

use std::collections::HashMap;
use std::sync::Arc;

use varve_types::{RowDigest, ValueKind};

use crate::byte_column::ByteBuffer;
use crate::column_id::{ColumnClass, ColumnId};
use crate::encoding::interner::Interner;

/// One column's cells in the group being gathered.
#[derive(Debug)]
pub(crate) struct Cells {
    /// The rows that have a value, ascending.
    pub(crate) present: Vec<u32>,
    /// One value per present row.
    pub(crate) values: Values,
}

/// The values of one column's cells.
#[derive(Debug)]
pub(crate) enum Values {
    Ints(Vec<i64>),
    Bytes(ByteBuffer),
    /// Columns that are always dictionaries, few strings being shared by many rows.
    Interned {
        interner: Interner,
        codes: Vec<u32>,
    },
    Unit,
}

impl Cells {
    fn new(id: &ColumnId) -> Self {
        let values = match id {
            ColumnId::Service | ColumnId::Resource => {
                Values::Interned { interner: Interner::default(), codes: Vec::new() }
            }
            _ => match id.class() {
                ColumnClass::Ints => Values::Ints(Vec::new()),
                ColumnClass::Bytes => Values::Bytes(ByteBuffer::default()),
                ColumnClass::Unit => Values::Unit,
            },
        };
        Self { present: Vec::new(), values }
    }

    fn clear(&mut self) {
        self.present.clear();
        match &mut self.values {
            Values::Ints(numbers) => numbers.clear(),
            Values::Bytes(strings) => strings.clear(),
            Values::Interned { interner, codes } => {
                interner.clear();
                codes.clear();
            }
            Values::Unit => {}
        }
    }

    pub(crate) fn push_int(&mut self, row: u32, number: i64) {
        let Values::Ints(numbers) = &mut self.values else {
            unreachable!("BUG: a number in a column of another class");
        };
        numbers.push(number);
        self.present.push(row);
    }

    /// Adds a string, and says under which code where the column is a dictionary. `seed` is the
    /// column's.
    pub(crate) fn push_bytes(&mut self, row: u32, seed: u64, string: &[u8]) -> Option<u32> {
        self.present.push(row);
        match &mut self.values {
            Values::Bytes(strings) => {
                strings.push(string);
                None
            }
            Values::Interned { interner, codes } => {
                let code = interner.intern(string, RowDigest::of_cell(seed, string));
                codes.push(code);
                Some(code)
            }
            Values::Ints(_) | Values::Unit => {
                unreachable!("BUG: a string in a column of another class")
            }
        }
    }

    /// Adds a string by the code that [`Self::push_bytes`] gave it in this group.
    pub(crate) fn push_code(&mut self, row: u32, code: u32) {
        let Values::Interned { codes, .. } = &mut self.values else {
            unreachable!("BUG: a code in a column that is no dictionary");
        };
        codes.push(code);
        self.present.push(row);
    }

    pub(crate) fn push_unit(&mut self, row: u32) {
        self.present.push(row);
    }
}

/// The columns of a table being written, in order of first appearance, and the cells of the group
/// being gathered. Fixed columns come first, each at its tag's place.
#[derive(Debug)]
pub(crate) struct GroupCells {
    pub(crate) ids: Vec<ColumnId>,
    pub(crate) seeds: Vec<u64>,
    pub(crate) cells: Vec<Cells>,
    /// By attribute name: the column of each kind. Looked up, never iterated.
    by_name: HashMap<Arc<str>, [Option<u32>; KINDS]>,
    pub(crate) rows: u32,
}

/// How many kinds of values there are.
const KINDS: usize = 9;

impl GroupCells {
    pub(crate) fn new() -> Self {
        let mut group = Self {
            ids: Vec::new(),
            seeds: Vec::new(),
            cells: Vec::new(),
            by_name: HashMap::new(),
            rows: 0,
        };
        for id in ColumnId::FIXED {
            group.add(id);
        }
        group
    }

    fn add(&mut self, id: ColumnId) -> usize {
        self.seeds.push(id.seed());
        self.cells.push(Cells::new(&id));
        self.ids.push(id);
        self.ids.len() - 1
    }

    /// How many attribute columns the table has so far.
    pub(crate) fn attributes(&self) -> usize {
        self.ids.len() - ColumnId::FIXED.len()
    }

    /// The place of a fixed column.
    pub(crate) fn fixed(id: &ColumnId) -> usize {
        debug_assert!(id.tag() < ColumnId::FIXED.len() as u8, "BUG: {id} is not fixed");
        usize::from(id.tag())
    }

    /// The place of an attribute's column, or `None` while it has none.
    pub(crate) fn find(&self, name: &str, kind: ValueKind) -> Option<usize> {
        let kinds = self.by_name.get(name)?;
        kinds[usize::from(kind.number())].map(|place| place as usize)
    }

    /// The place of an attribute's column, which is added when new.
    pub(crate) fn attribute(&mut self, name: &Arc<str>, kind: ValueKind) -> usize {
        if let Some(place) = self.find(name, kind) {
            return place;
        }
        let place = self.add(ColumnId::Attribute { name: Arc::clone(name), kind });
        let kinds = self.by_name.entry(Arc::clone(name)).or_default();
        kinds[usize::from(kind.number())] = Some(place as u32);
        place
    }

    /// The place of any column, which is added when new.
    pub(crate) fn column(&mut self, id: &ColumnId) -> usize {
        match id {
            ColumnId::Attribute { name, kind } => self.attribute(name, *kind),
            fixed => Self::fixed(fixed),
        }
    }

    /// Adds a number to a fixed column.
    pub(crate) fn push_fixed_int(&mut self, id: &ColumnId, row: u32, number: i64) {
        self.cells[Self::fixed(id)].push_int(row, number);
    }

    /// Adds a string to any column by its place.
    pub(crate) fn push_bytes(&mut self, place: usize, row: u32, string: &[u8]) -> Option<u32> {
        self.cells[place].push_bytes(row, self.seeds[place], string)
    }

    /// Empties all columns for the next group; the columns stay.
    pub(crate) fn clear(&mut self) {
        self.rows = 0;
        self.cells.iter_mut().for_each(Cells::clear);
    }
}
