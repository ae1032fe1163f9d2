//! Records on the wire, with the table of resources that they point into.

use std::sync::Arc;

use varve_types::{Record, Resource, TimestampNs};

use crate::attribute::{decode_attributes, encode_attributes};
use crate::intern::Interner;
use crate::resource_table::ResourceTable;
use crate::{DecodeError, Place, Problem, decode_level, encode_level, v1};

/// Turns the records of one message into ours. Strings that repeat (services, attribute names)
/// are kept once.
#[derive(Debug)]
pub struct RecordDecoder {
    /// What number 0 stands for, then the table, so that numbers are positions.
    resources: Vec<Arc<Resource>>,
    interner: Interner,
    service: Arc<str>,
    names: Vec<Arc<str>>,
}

impl RecordDecoder {
    /// A decoder of records that point into these resources.
    ///
    /// # Errors
    ///
    /// As [`decode_resources`].
    pub fn new(resources: Vec<v1::Resource>) -> Result<Self, DecodeError> {
        Ok(Self::over(decode_resources(resources)?))
    }

    /// A decoder of records that point into resources which have been decoded already.
    #[must_use]
    pub fn over(resources: Vec<Resource>) -> Self {
        let mut table = vec![Arc::default()];
        table.extend(resources.into_iter().map(Arc::new));
        Self {
            resources: table,
            interner: Interner::default(),
            service: Arc::default(),
            names: Vec::new(),
        }
    }

    /// One record; `index` is its place in the request, for the error.
    ///
    /// # Errors
    ///
    /// Names the field: a level that is none, a resource past the table, an attribute without a
    /// value or with a name that occurs twice.
    pub fn decode(&mut self, index: usize, record: v1::Record) -> Result<Record, DecodeError> {
        let place = Place::Record(index);
        let refused =
            |field: &str, problem| DecodeError { place, field: field.to_owned(), problem };
        let level = decode_level(record.level).map_err(|problem| refused("level", problem))?;
        let resource = usize::try_from(record.resource)
            .ok()
            .and_then(|number| self.resources.get(number))
            .ok_or_else(|| {
                let resources = self.resources.len() - 1;
                refused("resource", Problem::Resource { index: record.resource, resources })
            })?;
        let resource = Arc::clone(resource);
        self.service = self.interner.intern(&record.service, Some(&self.service));
        let level_text =
            (!record.level_text.is_empty()).then(|| self.interner.intern(&record.level_text, None));
        let attributes =
            decode_attributes(place, record.attributes, &mut self.interner, &mut self.names)?;
        Ok(Record {
            timestamp: record.timestamp_ns.map(TimestampNs),
            service: Arc::clone(&self.service),
            level,
            level_text,
            message: record.message,
            resource,
            attributes,
        })
    }
}

/// Turns records into messages, and gathers the table of their resources.
#[derive(Debug, Default)]
pub struct RecordEncoder {
    resources: ResourceTable,
}

impl RecordEncoder {
    /// One record as a message.
    #[must_use]
    pub fn encode(&mut self, record: &Record) -> v1::Record {
        v1::Record {
            timestamp_ns: record.timestamp.map(TimestampNs::get),
            service: record.service.as_ref().to_owned(),
            level: encode_level(record.level).into(),
            level_text: record.level_text.as_deref().unwrap_or_default().to_owned(),
            message: record.message.clone(),
            resource: self.resources.number(&record.resource),
            attributes: encode_attributes(&record.attributes),
        }
    }

    /// The resources that the records encoded so far point into.
    #[must_use]
    pub fn into_resources(self) -> Vec<v1::Resource> {
        self.resources.into_messages()
    }
}

/// The table of resources of one message.
///
/// # Errors
///
/// Names the resource and the attribute that has no value, or whose name occurs twice.
pub fn decode_resources(resources: Vec<v1::Resource>) -> Result<Vec<Resource>, DecodeError> {
    let mut interner = Interner::default();
    let mut names = Vec::new();
    let decode = |(index, resource): (usize, v1::Resource)| {
        let place = Place::Resource(index);
        decode_attributes(place, resource.attributes, &mut interner, &mut names).map(Resource)
    };
    resources.into_iter().enumerate().map(decode).collect()
}

/// All records of one message.
///
/// # Errors
///
/// As [`decode_resources`] and [`RecordDecoder::decode`].
pub fn decode_records(
    resources: Vec<v1::Resource>,
    records: Vec<v1::Record>,
) -> Result<Vec<Record>, DecodeError> {
    let mut decoder = RecordDecoder::new(resources)?;
    let decode = |(index, record)| decoder.decode(index, record);
    records.into_iter().enumerate().map(decode).collect()
}

/// Records as messages, and the resources that they point into.
#[must_use]
pub fn encode_records(records: &[Record]) -> (Vec<v1::Resource>, Vec<v1::Record>) {
    let mut encoder = RecordEncoder::default();
    let messages = records.iter().map(|record| encoder.encode(record)).collect();
    (encoder.into_resources(), messages)
}
