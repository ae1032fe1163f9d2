//! What a part of all chunks answers.
//!
//! ```text
//! keys    = tally, list of (time i64, id)
//! counts  = tally, services list, list of (service varint, start i64, level u8, rows varint)
//! records = tally, list of hit
//! hit     = id, created at i64, timestamp option i64, service, level u8, level text option,
//!           message, resource option, attributes        no resource: as of the hit before
//! tally   = list of (considered varint, pruned varint), pages read varint, bytes read varint,
//!           rows scanned varint, rows matched varint
//! ```

use std::sync::Arc;

use varve_columnar::{decode_resource, encode_resource};
use varve_types::{Record, Resource};

use super::question::{ID_BYTES, read_id, read_level, read_timestamp, write_id};
use super::{Reader, WireError, Writer};
use crate::explain::Tally;
use crate::{Aggregate, Counted, Hit, Key, Keys, Records};

impl Keys {
    /// Appends the keys.
    pub fn write(&self, writer: &mut Writer) {
        write_tally(writer, &self.tally);
        writer.list(&self.keys, |writer, key| {
            writer.i64(key.time.get());
            write_id(writer, key.id);
        });
    }

    /// Reads keys.
    ///
    /// # Errors
    ///
    /// The bytes are none.
    pub fn read(reader: &mut Reader) -> Result<Self, WireError> {
        let tally = read_tally(reader)?;
        let keys = reader.list(8 + ID_BYTES, |reader| {
            Ok(Key { time: read_timestamp(reader)?, id: read_id(reader)? })
        })?;
        Ok(Self { keys, tally })
    }
}

impl Counted {
    /// Appends the counts.
    pub fn write(&self, writer: &mut Writer) {
        write_tally(writer, &self.tally);
        self.cells.write(writer);
    }

    /// Reads counts of an aggregate.
    ///
    /// # Errors
    ///
    /// The bytes are none.
    pub fn read(aggregate: &Aggregate, reader: &mut Reader) -> Result<Self, WireError> {
        let tally = read_tally(reader)?;
        Ok(Self { cells: crate::aggregate::read_cells(aggregate, reader)?, tally })
    }
}

impl Records {
    /// Appends the records.
    pub fn write(self, writer: &mut Writer) {
        write_tally(writer, &self.tally);
        let mut resource = Arc::default();
        writer.list(self.hits, |writer, hit| write_hit(writer, hit, &mut resource));
    }

    /// Reads records.
    ///
    /// # Errors
    ///
    /// The bytes are none.
    pub fn read(reader: &mut Reader) -> Result<Self, WireError> {
        /// The fewest bytes of a hit.
        const HIT_BYTES: usize = ID_BYTES + 8 + 7;
        let tally = read_tally(reader)?;
        let mut resource = Arc::default();
        let hits = reader.list(HIT_BYTES, |reader| read_hit(reader, &mut resource))?;
        Ok(Self { hits, tally })
    }
}

fn write_hit(writer: &mut Writer, hit: Hit, resource: &mut Arc<Resource>) {
    let Hit { id, created_at, record } = hit;
    write_id(writer, id);
    writer.i64(created_at.get());
    writer.option(record.timestamp, |writer, time| writer.i64(time.get()));
    writer.bytes(record.service.as_bytes());
    writer.u8(record.level.number());
    writer.option(record.level_text, |writer, text| writer.bytes(text.as_bytes()));
    writer.bytes(&record.message);
    let changed = (record.resource != *resource).then_some(&record.resource);
    writer.option(changed, |writer, changed| write_attributes(writer, changed));
    *resource = record.resource;
    write_attributes(writer, &Resource(record.attributes));
}

fn read_hit(reader: &mut Reader, resource: &mut Arc<Resource>) -> Result<Hit, WireError> {
    let (id, created_at) = (read_id(reader)?, read_timestamp(reader)?);
    let timestamp = reader.option(read_timestamp)?;
    let service = reader.string()?.into();
    let level = read_level(reader)?;
    let level_text = reader.option(Reader::string)?.map(Arc::from);
    let message = reader.bytes()?;
    if let Some(changed) = reader.option(read_attributes)? {
        *resource = Arc::new(changed);
    }
    let attributes = read_attributes(reader)?.0;
    let resource = Arc::clone(resource);
    let record = Record { timestamp, service, level, level_text, message, resource, attributes };
    Ok(Hit { id, created_at, record })
}

fn write_attributes(writer: &mut Writer, attributes: &Resource) {
    let mut bytes = Vec::new();
    encode_resource(attributes, &mut bytes);
    writer.bytes(&bytes);
}

fn read_attributes(reader: &mut Reader) -> Result<Resource, WireError> {
    let bytes = reader.bytes()?;
    decode_resource(&bytes).ok_or_else(|| reader.refuse("attributes are none"))
}

fn write_tally(writer: &mut Writer, tally: &Tally) {
    writer.list(&tally.steps, |writer, &(considered, pruned)| {
        writer.varint(considered);
        writer.varint(pruned);
    });
    for number in [tally.pages_read, tally.bytes_read, tally.rows_scanned, tally.rows_matched] {
        writer.varint(number);
    }
}

fn read_tally(reader: &mut Reader) -> Result<Tally, WireError> {
    let steps = reader.list(2, |reader| Ok((reader.varint()?, reader.varint()?)))?;
    let steps = steps.try_into().map_err(|_| reader.refuse("steps are missing"))?;
    Ok(Tally {
        steps,
        pages_read: reader.varint()?,
        bytes_read: reader.varint()?,
        rows_scanned: reader.varint()?,
        rows_matched: reader.varint()?,
    })
}
