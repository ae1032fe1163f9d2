//! What fuzzers reach of this crate: every reader of bytes that come from a peer or from a disk,
//! and the catalog that a peer may tell. Compiled with the feature `fuzzing` alone.
//!
//! Each function takes any bytes and answers nothing: it panics when a promise is broken. What
//! reads must write itself down so that it reads back, and is then written as the same bytes.

use bytes::Bytes;
use varve_types::{LogIndex, ShardId};

use crate::catalog::{Catalog, CatalogCommand, CatalogFeed, CatalogNews};
use crate::codec::{self, CodecError, Position};
use crate::host::{MetadataReply, MetadataRequest, proposal, read};
use crate::machine::{catalog as saved, framed};
use crate::network::{
    FilesReply, FilesRequest, PeerMessage, SnapshotHeld, SnapshotInstall, SnapshotOffer,
    SnapshotPiece,
};
use crate::rollover::{ControlReply, ControlRequest};

/// Reads bytes as one kind of message.
pub type Reading = fn(Bytes);

/// The readers of all that replicas and nodes say to each other and keep in their logs, each under
/// the number that an input begins with. New ones go to the end: stored inputs keep their meaning.
pub const READINGS: &[Reading] = &[
    |bytes| check(bytes, codec::decode_vote, codec::encode_vote),
    |bytes| check(bytes, codec::decode_log_id, codec::encode_log_id),
    |bytes| check(bytes, |bytes| codec::decode_entry(LogIndex(7), bytes), codec::encode_entry),
    |bytes| check(bytes, Position::decode, Position::encode),
    |bytes| check(bytes, codec::decode_append, codec::encode_append),
    |bytes| check(bytes, codec::decode_append_reply, codec::encode_append_reply),
    |bytes| check(bytes, codec::decode_vote_request, codec::encode_vote_request),
    |bytes| check(bytes, codec::decode_vote_reply, codec::encode_vote_reply),
    |bytes| check(bytes, codec::decode_transfer, codec::encode_transfer),
    |bytes| check(bytes, codec::decode_transfer_reply, codec::encode_transfer_reply),
    |bytes| check(bytes, |head| PeerMessage::from_parts(head, Bytes::new()), PeerMessage::head),
    |bytes| check(bytes, SnapshotOffer::decode, SnapshotOffer::encode),
    |bytes| check(bytes, SnapshotHeld::decode, SnapshotHeld::encode),
    |bytes| check(bytes, SnapshotPiece::decode, SnapshotPiece::encode),
    |bytes| check(bytes, SnapshotInstall::decode, SnapshotInstall::encode),
    |bytes| check(bytes, FilesRequest::decode, FilesRequest::encode),
    |bytes| check(bytes, FilesReply::decode, FilesReply::encode),
    |bytes| check(bytes, MetadataRequest::decode, MetadataRequest::encode),
    |bytes| check(bytes, MetadataReply::decode, MetadataReply::encode),
    |bytes| check(bytes, ControlRequest::decode, ControlRequest::encode),
    |bytes| check(bytes, ControlReply::decode, ControlReply::encode),
    |bytes| {
        let decode = |bytes| proposal::decode(bytes, ShardId(1), std::time::Duration::ZERO);
        check(bytes, decode, proposal::encode);
    },
    |bytes| {
        use read::message::{decode_request, encode_request};
        check(bytes, decode_request, |shards| encode_request(shards));
    },
    |bytes| check(bytes, read::message::decode_reply, read::message::encode_reply),
    |bytes| check(bytes, CatalogCommand::decode, CatalogCommand::encode),
    |bytes| check(bytes, CatalogNews::decode, CatalogNews::encode),
    |bytes| check(bytes, Catalog::decode, Catalog::encode),
];

/// Reads bytes, and holds what was read against what it writes.
fn check<T>(
    bytes: Bytes,
    decode: impl Fn(Bytes) -> Result<T, CodecError>,
    encode: impl Fn(&T) -> Bytes,
) {
    let Ok(value) = decode(bytes) else { return };
    let written = encode(&value);
    match decode(written.clone()) {
        Ok(again) => assert_eq!(encode(&again), written, "it reads back as something else"),
        Err(error) => panic!("what was read and written does not read back: {error}"),
    }
}

/// The file that a metadata replica saves its catalog in.
pub fn saved_catalog(file: &Bytes) {
    if let Ok(bytes) = framed::unframe(saved::MAGIC, file)
        && let Ok((position, catalog)) = saved::decode(bytes)
    {
        check(position.encode(), Position::decode, Position::encode);
        check(catalog.encode(), Catalog::decode, Catalog::encode);
    }
}

/// A node that watches the catalog is told news, one after the other: whatever they say, it has a
/// catalog that can be saved and told on, and that never goes back.
pub fn told_news(news: impl IntoIterator<Item = Bytes>) {
    let feed = CatalogFeed::new(Catalog::default());
    for news in news {
        let before = feed.latest().applied;
        let _ = CatalogNews::decode(news).and_then(|news| feed.learn(news));
        let latest = feed.latest();
        assert!(latest.applied >= before, "the catalog went back");
        assert_eq!(Catalog::decode(latest.encode()).as_ref(), Ok(&*latest));
    }
}
