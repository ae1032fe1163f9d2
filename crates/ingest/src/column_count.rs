//! How many columns a batch would make: distinct pairs of an attribute's name and kind.

use std::collections::HashMap;
use std::sync::Arc;

use varve_types::limits::COLUMNS_PER_BATCH_MAX;
use varve_types::{Attribute, ValueKind};

/// Counts the columns of the records seen so far.
#[derive(Debug, Default)]
pub(crate) struct ColumnCount {
    count: usize,
    /// A bit per kind seen under the name.
    kinds: HashMap<Arc<str>, u16>,
    /// What the record before had in each place: mostly what this one has.
    last: Vec<(Arc<str>, ValueKind)>,
}

impl ColumnCount {
    /// Whether the batch is past its limit.
    pub(crate) const fn is_over(&self) -> bool {
        self.count > COLUMNS_PER_BATCH_MAX
    }

    /// Adds a record's columns; whether the batch is still within its limit.
    pub(crate) fn add(&mut self, attributes: &[Attribute]) -> bool {
        for (place, attribute) in attributes.iter().enumerate() {
            let kind = attribute.value.kind();
            if let Some((name, last_kind)) = self.last.get(place)
                && Arc::ptr_eq(name, &attribute.name)
                && *last_kind == kind
            {
                continue;
            }
            match self.last.get_mut(place) {
                Some(last) => *last = (Arc::clone(&attribute.name), kind),
                None => self.last.push((Arc::clone(&attribute.name), kind)),
            }
            let kinds = self.kinds.entry(Arc::clone(&attribute.name)).or_default();
            let bit = 1 << kind.number();
            if *kinds & bit == 0 {
                *kinds |= bit;
                self.count += 1;
                if self.count > COLUMNS_PER_BATCH_MAX {
                    return false;
                }
            }
        }
        true
    }
}
