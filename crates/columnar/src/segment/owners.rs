//! Numbers each (tenant, service) of a merge, so that rows are sorted by numbers.

use std::collections::BTreeMap;

use crate::column::Column;
use crate::column_id::ColumnId;
use crate::segment::input::DecodedGroup;

/// The owners of rows met so far, numbered in order of appearance.
#[derive(Default)]
pub(super) struct Owners {
    numbers: BTreeMap<(i64, Box<[u8]>), u32>,
}

impl Owners {
    /// The owner of each row of a group.
    pub(super) fn number(&mut self, group: &DecodedGroup, rows: u32) -> Vec<u32> {
        let Some(Column::Dict { dictionary, codes, .. }) = group.column(&ColumnId::Service) else {
            unreachable!("BUG: services are no dictionary, which decoding a page checks");
        };
        let tenants = group.column(&ColumnId::Tenant);
        let mut owners = Vec::with_capacity(rows as usize);
        // One tenant's rows mostly follow each other: its services are looked up once.
        let mut known_tenant = 0;
        let mut known: Vec<Option<u32>> = vec![None; dictionary.len()];
        for (row, &code) in (0..rows).zip(codes) {
            let tenant = tenants.and_then(|tenants| tenants.int_at(row)).unwrap_or_default();
            if tenant != known_tenant {
                known_tenant = tenant;
                known.fill(None);
            }
            let owner = known[code as usize]
                .get_or_insert_with(|| self.of(tenant, dictionary.get(code as usize)));
            owners.push(*owner);
        }
        owners
    }

    fn of(&mut self, tenant: i64, service: &[u8]) -> u32 {
        let next = self.numbers.len() as u32;
        *self.numbers.entry((tenant, service.into())).or_insert(next)
    }

    /// For each owner its place in the order of (tenant, service).
    pub(super) fn ranks(&self) -> Vec<u32> {
        let mut ranks = vec![0; self.numbers.len()];
        for (rank, &number) in (0..).zip(self.numbers.values()) {
            ranks[number as usize] = rank;
        }
        ranks
    }
}
