//! Filters on the columns that every table has: time, tenant, service, level.

use varve_columnar::{Column, ColumnId, FormatError, LevelSet};
use varve_types::{Level, TenantId, TimeRange, TimestampNs};

use crate::group::{Group, spread};
use crate::row_set::RowSet;

/// Rows within the range. A group that lies wholly inside is not read.
pub(super) fn by_time(
    time: &TimeRange,
    group: &mut Group<'_>,
    selected: &mut RowSet,
) -> Result<(), FormatError> {
    if !time.covers(group.meta().min_time, group.meta().max_time) {
        let times = group.ints(&ColumnId::Timestamp)?;
        selected.intersect(&RowSet::of_values(&times, |ns| time.contains(TimestampNs(ns))));
    }
    Ok(())
}

/// Rows of the tenant. Those of tenant 0 have no value in the column, and where nobody has one
/// there is no page.
pub(super) fn by_tenant(
    tenant: TenantId,
    group: &mut Group<'_>,
    selected: &mut RowSet,
) -> Result<(), FormatError> {
    let rows = group.rows();
    let with_number = |accepts: &dyn Fn(i64) -> bool, group: &mut Group<'_>| {
        Ok::<_, FormatError>(match group.column(&ColumnId::Tenant)?.as_deref() {
            None => RowSet::none(rows),
            Some(Column::Ints { presence, values }) => {
                spread(presence, &RowSet::of_values(values, accepts), rows)
            }
            Some(_) => return Err(group.corrupt("column tenant holds no numbers")),
        })
    };
    if tenant == TenantId(0) {
        selected.subtract(&with_number(&|number| number != 0, group)?);
    } else {
        let wanted = i64::from(tenant.get());
        selected.intersect(&with_number(&|number| number == wanted, group)?);
    }
    Ok(())
}

/// Rows of any of the services.
pub(super) fn by_service(
    services: &[String],
    group: &mut Group<'_>,
    selected: &mut RowSet,
) -> Result<(), FormatError> {
    let rows = group.rows();
    let column = group.column(&ColumnId::Service)?;
    let wanted = |name: &[u8]| services.iter().any(|service| service.as_bytes() == name);
    let Some(Column::Dict { presence, dictionary, codes }) = column.as_deref() else {
        return Err(group.corrupt("column service holds no dictionary"));
    };
    let is_wanted: Vec<bool> = dictionary.iter().map(wanted).collect();
    if !is_wanted.contains(&true) {
        *selected = RowSet::none(rows);
    } else if is_wanted.contains(&false) {
        let of_code = |code: u32| is_wanted.get(code as usize).copied().unwrap_or(false);
        selected.intersect(&spread(presence, &RowSet::of_values(codes, of_code), rows));
    }
    Ok(())
}

/// Rows of any of the levels.
pub(super) fn by_level(
    levels: LevelSet,
    group: &mut Group<'_>,
    selected: &mut RowSet,
) -> Result<(), FormatError> {
    let wanted = |number: i64| {
        let level = u8::try_from(number).ok().and_then(Level::from_number);
        level.is_some_and(|level| levels.contains(level))
    };
    selected.intersect(&RowSet::of_values(&group.ints(&ColumnId::Level)?, wanted));
    Ok(())
}
