//! Gathers batches' rows into a block.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use varve_types::{
    Attribute, BatchDigest, BatchKey, ContentDigest, HashRange, Record, Resource, RowDigest,
    RowNumber, TenantId, Value,
};

use crate::block::check::{FIXED_BYTES, attribute_bytes, check, own_bytes};
use crate::block::{BlockError, PARTS_SECTION, Part, parts};
use crate::cells::GroupCells;
use crate::column_id::ColumnId;
use crate::encoding::compression::ZstdLevel;
use crate::resource::encode_resource;
use crate::table::TableKind;
use crate::table::bounds::{GROUP_BYTES, GROUP_MESSAGE_BYTES, GROUP_ROWS_MAX};
use crate::table::writer::TableWriter;

/// The path of every acknowledged row: as fast as zstd goes.
const ZSTD_LEVEL: ZstdLevel = ZstdLevel(1);

/// A block being gathered.
pub struct BlockBuilder {
    writer: TableWriter,
    group: GroupCells,
    /// Strings in the group being gathered: messages, and all.
    group_message_bytes: usize,
    group_bytes: usize,
    /// Rows of the groups already written, and their digests.
    digests: Vec<RowDigest>,
    parts: Vec<Part>,
    rows: u32,
    raw_bytes: usize,
    /// What the previous record had, with its code in this group: rows of one batch share Arcs.
    last_service: Option<(Arc<str>, u32)>,
    last_resource: Option<(Arc<Resource>, u32)>,
    /// The column that each position in the list of attributes had in the previous record.
    last_columns: Vec<usize>,
    scratch: Vec<u8>,
}

impl Default for BlockBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl BlockBuilder {
    /// An empty block.
    #[must_use]
    pub fn new() -> Self {
        Self {
            writer: TableWriter::new(TableKind::Block, ZSTD_LEVEL),
            group: GroupCells::new(),
            group_message_bytes: 0,
            group_bytes: 0,
            digests: Vec::new(),
            parts: Vec::new(),
            rows: 0,
            raw_bytes: 0,
            last_service: None,
            last_resource: None,
            last_columns: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// How many rows were added.
    #[must_use]
    pub const fn rows(&self) -> u32 {
        self.rows
    }

    /// How many bytes the rows have decoded: what [`varve_types::limits::BLOCK_GATHER_BYTES`] bounds.
    #[must_use]
    pub const fn raw_bytes(&self) -> usize {
        self.raw_bytes
    }

    /// Adds the rows of one batch that fall into one range, timestamps filled in.
    ///
    /// # Errors
    ///
    /// Says what does not fit or is not as records must be; nothing of the part is then added.
    pub fn push_part(
        &mut self,
        key: BatchKey,
        batch_digest: BatchDigest,
        range: HashRange,
        records: &[Record],
    ) -> Result<(), BlockError> {
        check(records, &self.group, self.rows, self.raw_bytes)?;
        let first = self.rows;
        let tenant = key.producer.tenant;
        for record in records {
            self.push(tenant, record);
        }
        self.parts.push(Part {
            key,
            batch_digest,
            range,
            rows: first..self.rows,
            content: ContentDigest::EMPTY,
        });
        Ok(())
    }

    /// The block's bytes.
    ///
    /// # Panics
    ///
    /// Never: what bounds a footer was checked with every part.
    #[must_use]
    pub fn finish(mut self) -> Bytes {
        self.write_group();
        for part in &mut self.parts {
            part.content = digest_of(&self.digests, &part.rows);
        }
        let digest = self.parts.iter().fold(ContentDigest::EMPTY, |sum, part| sum + part.content);
        self.writer.write_section(PARTS_SECTION, &parts::encode(&self.parts));
        self.writer
            .finish(&self.group.ids, digest)
            .expect("BUG: a block within its limits has a footer that is too long");
        self.writer.take().into()
    }

    fn push(&mut self, tenant: TenantId, record: &Record) {
        let new_resource = (self.last_resource.as_ref())
            .is_none_or(|(last, _)| !Arc::ptr_eq(last, &record.resource));
        let mut bytes = own_bytes(record);
        if new_resource {
            bytes += attribute_bytes(&record.resource.0);
        }
        let full = self.group.rows == GROUP_ROWS_MAX
            || self.group_message_bytes + record.message.len() > GROUP_MESSAGE_BYTES
            || self.group_bytes + bytes > GROUP_BYTES;
        if full && self.group.rows > 0 {
            self.write_group();
        }
        self.group_message_bytes += record.message.len();
        self.group_bytes += bytes;
        self.raw_bytes += bytes + FIXED_BYTES;
        let row = self.group.rows;
        self.push_fixed(row, tenant, record);
        self.push_resource(row, &record.resource);
        self.push_attributes(row, &record.attributes);
        self.group.rows += 1;
        self.rows += 1;
    }

    fn push_fixed(&mut self, row: u32, tenant: TenantId, record: &Record) {
        let group = &mut self.group;
        let timestamp = record.timestamp.expect("BUG: a timestamp was checked to be there");
        group.push_fixed_int(&ColumnId::Timestamp, row, timestamp.get());
        group.push_fixed_int(&ColumnId::Level, row, i64::from(record.level.number()));
        if tenant != TenantId(0) {
            group.push_fixed_int(&ColumnId::Tenant, row, i64::from(tenant.get()));
        }
        group.push_bytes(GroupCells::fixed(&ColumnId::Message), row, &record.message);
        if let Some(text) = &record.level_text {
            group.push_bytes(GroupCells::fixed(&ColumnId::LevelText), row, text.as_bytes());
        }
        let service = GroupCells::fixed(&ColumnId::Service);
        match &self.last_service {
            Some((last, code)) if Arc::ptr_eq(last, &record.service) => {
                group.cells[service].push_code(row, *code);
            }
            _ => {
                let code = group.push_bytes(service, row, record.service.as_bytes());
                self.last_service = code.map(|code| (Arc::clone(&record.service), code));
            }
        }
    }

    fn push_resource(&mut self, row: u32, resource: &Arc<Resource>) {
        if resource.0.is_empty() {
            return;
        }
        let place = GroupCells::fixed(&ColumnId::Resource);
        match &self.last_resource {
            Some((last, code)) if Arc::ptr_eq(last, resource) => {
                self.group.cells[place].push_code(row, *code);
            }
            _ => {
                self.scratch.clear();
                encode_resource(resource, &mut self.scratch);
                let code = self.group.push_bytes(place, row, &self.scratch);
                self.last_resource = code.map(|code| (Arc::clone(resource), code));
            }
        }
    }

    fn push_attributes(&mut self, row: u32, attributes: &[Attribute]) {
        for (position, attribute) in attributes.iter().enumerate() {
            let place = self.column_of(position, attribute);
            let group = &mut self.group;
            match &attribute.value {
                Value::Null | Value::EmptyObject => group.cells[place].push_unit(row),
                Value::Bool(truth) => group.cells[place].push_int(row, i64::from(*truth)),
                Value::Int(number) => group.cells[place].push_int(row, *number),
                Value::Float(number) => {
                    group.cells[place].push_int(row, number.to_bits() as i64);
                }
                Value::Number(text) | Value::Text(text) | Value::Array(text) => {
                    group.push_bytes(place, row, text.as_bytes());
                }
                Value::Bytes(bytes) => {
                    group.push_bytes(place, row, bytes);
                }
            }
        }
    }

    /// The attribute's column: mostly that of the same position in the previous record.
    fn column_of(&mut self, position: usize, attribute: &Attribute) -> usize {
        let wanted = attribute.value.kind();
        if let Some(&place) = self.last_columns.get(position)
            && let Some(ColumnId::Attribute { name, kind }) = self.group.ids.get(place)
            && *kind == wanted
            && (Arc::ptr_eq(name, &attribute.name) || *name == attribute.name)
        {
            return place;
        }
        let place = self.group.attribute(&attribute.name, wanted);
        if position >= self.last_columns.len() {
            self.last_columns.resize(position + 1, 0);
        }
        self.last_columns[position] = place;
        place
    }

    fn write_group(&mut self) {
        if self.group.rows == 0 {
            return;
        }
        self.digests.extend(self.writer.write_group(&mut self.group));
        self.group_message_bytes = 0;
        self.group_bytes = 0;
        self.last_service = None;
        self.last_resource = None;
    }
}

/// The digest of some rows of a block.
pub(super) fn digest_of(digests: &[RowDigest], rows: &Range<u32>) -> ContentDigest {
    let mut sum = ContentDigest::EMPTY;
    for row in rows.clone() {
        sum += ContentDigest::of_row(digests[row as usize], RowNumber(row));
    }
    sum
}
