//! Requests that bring records. What is taken can be stored, read back and answered.

use bytes::Bytes;
use prost::Message;
use varve_columnar::{Block, BlockBuilder};
use varve_ingest::json::{self, Defaults, Format, RecordJson};
use varve_ingest::{Batch, batch_digest, cut, decompress, grpc};
use varve_proto::{encode_records, v1};
use varve_types::limits::REQUEST_BYTES_MAX;
use varve_types::{BatchKey, HashRange, Record, TenantId};

use crate::{Memory, Target};

const TENANT: TenantId = TenantId(0);

/// A body, behind a byte that says of which form it is and what its address says.
pub(super) const HTTP_JSON: Target = Target {
    name: "http_json",
    run: |input| {
        let Some((&form, body)) = input.split_first() else { return };
        let format = if form & 1 == 0 { Format::Json } else { Format::Lines };
        let service = (form & 2 != 0).then_some("api");
        let level = (form & 4 != 0).then_some("warn");
        let defaults = Defaults::new(service, level).expect("BUG: these are taken");
        let key = (form & 8 != 0).then(key);
        let body = Bytes::copy_from_slice(body);
        if let Ok(decoded) = json::decode(TENANT, key, &body, format, &defaults) {
            stores(&decoded.batch);
            answers_alike(&decoded.batch);
        }
    },
    mend: None,
    memory: Memory { bytes: 4 << 20, per_byte: 1 << 10 },
};

/// An `AppendRequest`.
pub(super) const GRPC_APPEND: Target = Target {
    name: "grpc_append",
    run: |input| {
        let Ok(request) = v1::AppendRequest::decode(input) else { return };
        if let Ok(batch) = grpc::decode(TENANT, request) {
            stores(&batch);
            let (resources, records) = encode_records(&batch.records);
            let request = v1::AppendRequest { resources, records, ..Default::default() };
            let again = grpc::decode(TENANT, request).expect("what was taken is taken again");
            assert_eq!(again.digest, batch.digest, "a batch that is sent on is another");
        }
    },
    mend: None,
    memory: Memory { bytes: 4 << 20, per_byte: 1 << 10 },
};

/// A body, behind a byte that says how it is compressed.
pub(super) const CONTENT_ENCODING: Target = Target {
    name: "content_encoding",
    run: |input| {
        let Some((&encoding, body)) = input.split_first() else { return };
        let encoding = ["gzip", "zstd"][usize::from(encoding) % 2];
        if let Ok(body) = decompress(Some(encoding), &Bytes::copy_from_slice(body)) {
            assert!(body.len() <= REQUEST_BYTES_MAX, "{} bytes", body.len());
        }
    },
    mend: None,
    // A buffer that grows by doubling.
    memory: Memory { bytes: 2 * REQUEST_BYTES_MAX + (1 << 20), per_byte: 16 },
};

fn key() -> BatchKey {
    BatchKey::parse(TENANT, "fuzzer:0:1").expect("BUG: this is a key")
}

/// A batch that was taken goes into blocks as it is, and comes back as it was.
fn stores(batch: &Batch) {
    assert_eq!(batch_digest(&batch.records), batch.digest);
    for mut records in cut(batch.records.clone()) {
        // The gateway fills in when it received them.
        for record in &mut records {
            record.timestamp.get_or_insert_default();
        }
        let mut builder = BlockBuilder::new();
        let built = builder.push_part(key(), batch.digest, HashRange::WHOLE, &records);
        built.expect("what was taken can be stored");
        let block = Block::open(builder.finish()).expect("a new block opens");
        block.verify().expect("a new block is right");
        let table = block.table();
        let groups = 0..table.groups().len();
        let read = groups.flat_map(|group| table.all_records(group).expect("reads"));
        let read: Vec<Record> = read.collect();
        assert_eq!(batch_digest(&read), batch_digest(&records), "it comes back as another");
    }
}

/// Records that came as JSON are answered as JSON that says the same.
fn answers_alike(batch: &Batch) {
    for record in &batch.records {
        // An answer gives an unknown level a field of its own, which requests do not have.
        let record = Record { level_text: None, ..record.clone() };
        let mut body = String::new();
        RecordJson { record: &record, log_id: None, created_at: None }.write(&mut body);
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(&body);
        parsed.unwrap_or_else(|error| panic!("an answer is no JSON: {error}: {body}"));
        let decoded = json::decode(TENANT, None, &body.into(), Format::Json, &Defaults::default());
        let again = &decoded.expect("what is answered is taken").batch.records[0];
        assert_eq!(batch_digest(std::slice::from_ref(again)), batch_digest(&[record]));
    }
}
