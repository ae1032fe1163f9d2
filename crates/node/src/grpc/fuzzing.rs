//! Questions over gRPC, for fuzzers.

use bytes::Bytes;
use prost::Message;
use varve_proto::v1;
use varve_query::wire::{Reader, Writer};
use varve_query::{Aggregate, Search};

use super::questions;

/// A question: what is understood can be handed on to other nodes as it is.
pub fn questions(bytes: Bytes) {
    if let Ok(request) = v1::QueryRequest::decode(bytes.clone()) {
        let _ = questions::options(request.consistency, request.partial);
        if let Ok(search) = questions::search(request) {
            let mut writer = Writer::default();
            search.write(&mut writer);
            assert_eq!(Search::read(&mut Reader::new(writer.finish())).as_ref(), Ok(&search));
        }
    }
    if let Ok(request) = v1::AggregateRequest::decode(bytes)
        && let Ok(aggregate) = questions::aggregate(request)
    {
        let mut writer = Writer::default();
        aggregate.write(&mut writer);
        assert_eq!(Aggregate::read(&mut Reader::new(writer.finish())).as_ref(), Ok(&aggregate));
    }
}
