//! Which rows are kept for how long: rules from tenant, service and level to a class.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use varve_columnar::{Column, ColumnId, FormatError};
use varve_types::{Level, RetentionClass, TenantId};

use crate::TailBlock;

/// Rows that a class is given to. What is `None` matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassRule {
    /// Of this tenant.
    pub tenant: Option<TenantId>,
    /// Of this service.
    pub service: Option<Arc<str>>,
    /// Of this level.
    pub level: Option<Level>,
    /// Their class.
    pub class: RetentionClass,
}

/// Rules, of which the first that matches counts. Rows that none matches are of class 0. Cloning
/// shares them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classes(Arc<[ClassRule]>);

/// Rows of one block by their class: ascending ranges, apart.
pub(crate) type ByClass = BTreeMap<RetentionClass, Vec<Range<u32>>>;

impl Classes {
    /// These rules, the first of most weight.
    #[must_use]
    pub fn new(rules: Vec<ClassRule>) -> Self {
        Self(rules.into())
    }

    /// The class of a row.
    #[must_use]
    pub fn of(&self, tenant: TenantId, service: &[u8], level: Level) -> RetentionClass {
        let matches = |rule: &&ClassRule| {
            rule.tenant.is_none_or(|wanted| wanted == tenant)
                && rule.service.as_ref().is_none_or(|wanted| wanted.as_bytes() == service)
                && rule.level.is_none_or(|wanted| wanted == level)
        };
        self.0.iter().find(matches).map_or_else(RetentionClass::default, |rule| rule.class)
    }

    /// The live rows of a block by class. Nothing is read when all rows are of one class.
    pub(crate) fn divide(&self, block: &TailBlock) -> Result<ByClass, FormatError> {
        if self.0.is_empty() {
            return Ok([(RetentionClass::default(), block.live())].into());
        }
        let classes = self.of_rows(block)?;
        let mut divided = ByClass::new();
        for row in block.live().into_iter().flatten() {
            let rows = divided.entry(classes[row as usize]).or_default();
            match rows.last_mut() {
                Some(last) if last.end == row => last.end += 1,
                _ => rows.push(row..row + 1),
            }
        }
        Ok(divided)
    }

    fn of_rows(&self, block: &TailBlock) -> Result<Vec<RetentionClass>, FormatError> {
        let table = block.block().table();
        let mut classes = Vec::new();
        for (group, meta) in table.groups().iter().enumerate() {
            let services = table.read(group, &ColumnId::Service)?;
            let levels = table.read(group, &ColumnId::Level)?;
            let tenants = table.read(group, &ColumnId::Tenant)?;
            let number = |column: &Option<Column>, row| {
                column.as_ref().and_then(|column| column.int_at(row)).unwrap_or_default()
            };
            for row in 0..meta.rows {
                // Numbers that cannot be are those of no rule.
                let tenant = u32::try_from(number(&tenants, row)).map_or(TenantId(0), TenantId);
                let level = u8::try_from(number(&levels, row)).ok().and_then(Level::from_number);
                let service = services.as_ref().and_then(|column| column.bytes_at(row));
                let service = service.unwrap_or_default();
                classes.push(self.of(tenant, service, level.unwrap_or_default()));
            }
        }
        Ok(classes)
    }
}
