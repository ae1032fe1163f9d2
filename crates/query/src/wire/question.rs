//! What is asked.
//!
//! ```text
//! search    = tenant u32, services list, levels list, time, words string, attributes list,
//!             order u8 (0 newest, 1 oldest), offset varint, limit varint, total u8 (0 exact, 1 unasked)
//! aggregate = tenant u32, services list, levels list, time, step option u64, by service, by level
//! lookup    = id, time option i64
//! time      = start option i64, end option i64
//! id        = shard u64, index u64, row u32
//! ```

use std::num::NonZeroU64;

use varve_types::{Level, RecordId, TenantId, TimeRange, TimestampNs};

use super::{Reader, WireError, Writer};
use crate::{Aggregate, AttributeFilter, Lookup, Order, Search, Total, WordQuery};

/// The bytes of an id.
pub(super) const ID_BYTES: usize = 20;

impl Search {
    /// Appends the search.
    pub fn write(&self, writer: &mut Writer) {
        write_owners(writer, self.tenant, &self.services, &self.levels);
        write_time(writer, self.time);
        writer.bytes(self.words.to_string().as_bytes());
        writer.list(&self.attributes, |writer, AttributeFilter { name, value }| {
            writer.bytes(name.as_bytes());
            writer.bytes(value.as_bytes());
        });
        writer.bool(self.order == Order::Oldest);
        writer.varint(self.offset);
        writer.varint(self.limit);
        writer.bool(self.total == Total::Unasked);
    }

    /// Reads a search.
    ///
    /// # Errors
    ///
    /// The bytes are none.
    pub fn read(reader: &mut Reader) -> Result<Self, WireError> {
        let (tenant, services, levels) = read_owners(reader)?;
        let time = read_time(reader)?;
        let words = reader.string()?;
        let words = WordQuery::parse(&words).map_err(|_| reader.refuse("words are none"))?;
        let attributes = reader.list(2, |reader| {
            Ok(AttributeFilter { name: reader.string()?, value: reader.string()? })
        })?;
        let order = if reader.bool()? { Order::Oldest } else { Order::Newest };
        let (offset, limit) = (reader.varint()?, reader.varint()?);
        let total = if reader.bool()? { Total::Unasked } else { Total::Exact };
        Ok(Self { tenant, services, levels, time, words, attributes, order, offset, limit, total })
    }
}

impl Aggregate {
    /// Appends the aggregate.
    pub fn write(&self, writer: &mut Writer) {
        write_owners(writer, self.tenant, &self.services, &self.levels);
        write_time(writer, self.time);
        writer.option(self.step_ns, |writer, step| writer.u64(step.get()));
        writer.bool(self.by_service);
        writer.bool(self.by_level);
    }

    /// Reads an aggregate.
    ///
    /// # Errors
    ///
    /// The bytes are none.
    pub fn read(reader: &mut Reader) -> Result<Self, WireError> {
        let (tenant, services, levels) = read_owners(reader)?;
        let time = read_time(reader)?;
        let step_ns = reader.option(|reader| {
            NonZeroU64::new(reader.u64()?).ok_or_else(|| reader.refuse("a step is 0"))
        })?;
        let (by_service, by_level) = (reader.bool()?, reader.bool()?);
        Ok(Self { tenant, services, levels, time, step_ns, by_service, by_level })
    }
}

impl Lookup {
    /// The fewest bytes of one.
    pub const BYTES_MIN: usize = ID_BYTES + 1;

    /// Appends the look-up.
    pub fn write(&self, writer: &mut Writer) {
        write_id(writer, self.id);
        writer.option(self.time, |writer, time| writer.i64(time.get()));
    }

    /// Reads a look-up.
    ///
    /// # Errors
    ///
    /// The bytes are none.
    pub fn read(reader: &mut Reader) -> Result<Self, WireError> {
        let id = read_id(reader)?;
        Ok(Self { id, time: reader.option(read_timestamp)? })
    }
}

fn write_owners(writer: &mut Writer, tenant: TenantId, services: &[String], levels: &[Level]) {
    writer.u32(tenant.get());
    writer.list(services, |writer, service| writer.bytes(service.as_bytes()));
    writer.list(levels, |writer, level| writer.u8(level.number()));
}

fn read_owners(reader: &mut Reader) -> Result<(TenantId, Vec<String>, Vec<Level>), WireError> {
    let tenant = TenantId(reader.u32()?);
    Ok((tenant, reader.list(1, Reader::string)?, reader.list(1, read_level)?))
}

pub(crate) fn read_level(reader: &mut Reader) -> Result<Level, WireError> {
    Level::from_number(reader.u8()?).ok_or_else(|| reader.refuse("there is no such level"))
}

fn write_time(writer: &mut Writer, TimeRange { start, end }: TimeRange) {
    for bound in [start, end] {
        writer.option(bound, |writer, time| writer.i64(time.get()));
    }
}

fn read_time(reader: &mut Reader) -> Result<TimeRange, WireError> {
    Ok(TimeRange { start: reader.option(read_timestamp)?, end: reader.option(read_timestamp)? })
}

pub(super) fn read_timestamp(reader: &mut Reader) -> Result<TimestampNs, WireError> {
    reader.i64().map(TimestampNs)
}

pub(super) fn write_id(writer: &mut Writer, id: RecordId) {
    writer.u64(id.shard.get());
    writer.u64(id.index.get());
    writer.u32(id.row.get());
}

pub(super) fn read_id(reader: &mut Reader) -> Result<RecordId, WireError> {
    let (shard, index) = (reader.u64()?.into(), reader.u64()?.into());
    Ok(RecordId { shard, index, row: reader.u32()?.into() })
}
