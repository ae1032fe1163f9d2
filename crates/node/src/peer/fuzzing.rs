//! What comes on a peer's connection, for fuzzers.

use bytes::Bytes;
use prost::Message;
use varve_consensus::{ClusterId, PeerMessage, Starts};
use varve_proto::v1::{Frame, Hello, frame};
use varve_types::{NodeId, TimestampNs};

use super::Identity;
use super::assembly::Assembly;
use super::handshake::{Check, PROTOCOL_MAX, PROTOCOL_MIN, Side, check_node, decode_lane};

/// Frames as they follow each other, each behind its length: pieces become messages, which are read
/// as far as the lane that they belong to.
pub fn frames(mut bytes: Bytes) {
    let mut assembly = Assembly::default();
    while let Ok(Frame { content: Some(frame::Content::Parts(parts)) }) =
        Frame::decode_length_delimited(&mut bytes)
    {
        for part in parts.parts {
            if part.cancelled {
                assembly.forget(part.request);
                continue;
            }
            match assembly.take(part) {
                Ok(Some(whole)) => {
                    if let Ok(message) = PeerMessage::from_parts(whole.head, whole.body) {
                        let _ = message.kind.lane();
                        let again = PeerMessage::from_parts(message.head(), message.body.clone());
                        assert_eq!(again.as_ref(), Ok(&message));
                    }
                }
                Ok(None) => {}
                // The connection ends.
                Err(_) => return,
            }
        }
    }
}

/// How a connection begins: one side introduces itself and is checked.
pub fn introductions(bytes: Bytes) {
    let Ok(hello) = Hello::decode(bytes) else { return };
    let _ = decode_lane(hello.lane);
    let _ = Check::from_number(hello.lane);
    let _ = check_node(NodeId(1), NodeId(hello.to));
    if let Ok(there) = Side::decode(hello.introduction) {
        let here = Side {
            identity: Identity {
                cluster: ClusterId(1),
                node: NodeId(1),
                starts: Starts::default(),
            },
            protocol_min: PROTOCOL_MIN,
            protocol_max: PROTOCOL_MAX,
            version: String::new(),
            clock: TimestampNs(0),
        };
        let _ = here.check(&there);
        let written = there.clone().encode();
        let again = Side::decode(Some(written.clone())).map(Side::encode);
        assert_eq!(again, Ok(written));
    }
}
