//! The digest of a batch: the same records have the same digest, whatever protocol carried them.
//!
//! XXH3-128 over a canonical encoding. It is compared with the digests of resends for as long as
//! a shard remembers a sequence, so it may change only under a new seed and with a plan.
//!
//! ```text
//! record     = timestamp service level level-text message attributes(resource) attributes
//! timestamp  = 0 | 1 i64
//! level      = u8                level-text = 0 | 1 text
//! attributes = u64 count, each: text name, u8 kind, value    (sorted by name)
//! value      = nothing | u8 | i64 | f64's bits | text        (as the kind says)
//! text       = u64 length, bytes
//! ```

use std::sync::Arc;

use varve_types::{Attribute, BatchDigest, Record, Resource, Value};
use xxhash_rust::xxh3::Xxh3;

/// Version 1 of the encoding above.
const DIGEST_SEED_V1: u64 = 0x5641_5256_4500_1001;

/// Encoded bytes gathered before the hash takes them: many small updates would cost more than
/// the hash itself.
const GATHER_BYTES: usize = 16 << 10;

/// The digest of records as they were decoded, before the server fills anything in.
#[must_use]
pub fn batch_digest(records: &[Record]) -> BatchDigest {
    let mut encoder = Encoder {
        hash: Xxh3::with_seed(DIGEST_SEED_V1),
        gathered: Vec::with_capacity(2 * GATHER_BYTES),
        last_resource: None,
    };
    for record in records {
        encoder.record(record);
    }
    encoder.flush();
    BatchDigest(encoder.hash.digest128())
}

struct Encoder<'a> {
    hash: Xxh3,
    gathered: Vec<u8>,
    /// The resource encoded last, and its encoding, which mostly repeats.
    last_resource: Option<(&'a Arc<Resource>, Vec<u8>)>,
}

impl<'a> Encoder<'a> {
    fn record(&mut self, record: &'a Record) {
        match record.timestamp {
            None => self.gathered.push(0),
            Some(time) => {
                self.gathered.push(1);
                self.gathered.extend_from_slice(&time.get().to_le_bytes());
            }
        }
        self.text(record.service.as_bytes());
        self.gathered.push(record.level.number());
        match &record.level_text {
            None => self.gathered.push(0),
            Some(text) => {
                self.gathered.push(1);
                self.text(text.as_bytes());
            }
        }
        self.text(&record.message);
        self.resource(&record.resource);
        self.attributes(&record.attributes);
        if self.gathered.len() >= GATHER_BYTES {
            self.flush();
        }
    }

    fn resource(&mut self, resource: &'a Arc<Resource>) {
        match &self.last_resource {
            Some((last, encoded)) if Arc::ptr_eq(last, resource) => {
                self.gathered.extend_from_slice(encoded);
            }
            _ => {
                self.flush();
                self.attributes(&resource.0);
                self.last_resource = Some((resource, self.gathered.clone()));
            }
        }
    }

    fn attributes(&mut self, attributes: &[Attribute]) {
        self.gathered.extend_from_slice(&(attributes.len() as u64).to_le_bytes());
        for attribute in attributes {
            self.text(attribute.name.as_bytes());
            self.gathered.push(attribute.value.kind().number());
            match &attribute.value {
                Value::Null | Value::EmptyObject => {}
                Value::Bool(truth) => self.gathered.push(u8::from(*truth)),
                Value::Int(int) => self.gathered.extend_from_slice(&int.to_le_bytes()),
                Value::Float(float) => {
                    self.gathered.extend_from_slice(&float.to_bits().to_le_bytes());
                }
                Value::Number(text) | Value::Text(text) | Value::Array(text) => {
                    self.text(text.as_bytes());
                }
                Value::Bytes(bytes) => self.text(bytes),
            }
        }
    }

    fn text(&mut self, bytes: &[u8]) {
        self.gathered.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.gathered.extend_from_slice(bytes);
    }

    fn flush(&mut self) {
        self.hash.update(&self.gathered);
        self.gathered.clear();
    }
}

#[cfg(test)]
mod tests {
    use varve_types::{Level, TimestampNs};

    use super::*;

    fn record() -> Record {
        let host = Attribute { name: "host".into(), value: Value::Text("a".into()) };
        Record {
            timestamp: Some(TimestampNs(5)),
            service: "checkout".into(),
            level: Level::Info,
            level_text: None,
            message: "hello".into(),
            resource: Arc::new(Resource(vec![host])),
            attributes: vec![Attribute { name: "n".into(), value: Value::Int(1) }],
        }
    }

    #[test]
    fn the_encoding_never_changes() {
        let digest = batch_digest(&[record(), Record::default()]);
        assert_eq!(digest.to_string(), "13e589215128930c898c05b020c3b0dd");
    }

    #[test]
    fn every_field_counts_and_shared_resources_do_not() {
        let one =
            |value| Record { attributes: vec![Attribute { name: "n".into(), value }], ..record() };
        let digests = [
            batch_digest(&[]),
            batch_digest(&[record()]),
            batch_digest(&[record(), record()]),
            batch_digest(&[Record { timestamp: None, ..record() }]),
            batch_digest(&[Record { service: "checkou".into(), ..record() }]),
            batch_digest(&[Record { level: Level::Warn, ..record() }]),
            batch_digest(&[Record { level_text: Some("loud".into()), ..record() }]),
            batch_digest(&[Record { message: "hell".into(), ..record() }]),
            batch_digest(&[Record { resource: Arc::default(), ..record() }]),
            batch_digest(&[one(Value::Float(1.0))]),
            batch_digest(&[one(Value::Float(0.0))]),
            batch_digest(&[one(Value::Float(-0.0))]),
            batch_digest(&[one(Value::Text("1".into()))]),
            batch_digest(&[one(Value::Number("1".into()))]),
            batch_digest(&[one(Value::Null)]),
            batch_digest(&[one(Value::EmptyObject)]),
        ];
        for (at, digest) in digests.iter().enumerate() {
            assert!(!digests[..at].contains(digest), "{at}");
        }
        let shared = record();
        let twice = [shared.clone(), shared];
        assert_eq!(batch_digest(&twice), batch_digest(&[record(), record()]));
    }
}
