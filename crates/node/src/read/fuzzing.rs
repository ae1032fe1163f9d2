//! Questions and partial answers of other nodes, for fuzzers.

use bytes::Bytes;

use super::fragment::{Fragment, Reply};

/// A question of a peer: what reads is written as what reads alike.
pub fn fragment(bytes: Bytes) {
    if let Ok(fragment) = Fragment::decode(bytes) {
        assert_eq!(Fragment::decode(fragment.encode()).as_ref(), Ok(&fragment));
    }
}

/// What a peer answers to a question.
pub fn reply(question: Bytes, bytes: Bytes) {
    let Ok(fragment) = Fragment::decode(question) else { return };
    let Ok(reply) = Reply::decode(&fragment, bytes) else { return };
    let written = reply.encode();
    match Reply::decode(&fragment, written.clone()) {
        Ok(again) => assert_eq!(again.encode(), written, "it reads back as something else"),
        Err(error) => panic!("an answer that was read and written does not read back: {error}"),
    }
}
