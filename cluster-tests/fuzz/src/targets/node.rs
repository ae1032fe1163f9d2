//! What peers and clients send to a node, before anything acts on it.

use bytes::Bytes;
use varve_node::fuzzing;

use crate::script::Script;
use crate::{Memory, Target};

/// Messages that are put together are there once as parts and once whole.
const MEMORY: Memory = Memory { bytes: 64 << 10, per_byte: 128 };

/// Frames of a connection, each behind its length.
pub(super) const PEER_FRAMES: Target = of_bytes("peer_frames", |input| {
    fuzzing::peer_frames(Bytes::copy_from_slice(input));
});

/// How a peer introduces itself.
pub(super) const PEER_INTRODUCTION: Target = of_bytes("peer_introduction", |input| {
    fuzzing::peer_introductions(Bytes::copy_from_slice(input));
});

/// A question of another node.
pub(super) const FRAGMENT: Target = of_bytes("query_fragment", |input| {
    fuzzing::fragment(Bytes::copy_from_slice(input));
});

/// A question behind its length, and the answer of another node.
pub(super) const REPLY: Target = of_bytes("query_reply", |input| {
    let mut script = Script::new(input);
    let question = Bytes::copy_from_slice(script.chunk());
    fuzzing::reply(question, Bytes::copy_from_slice(script.rest()));
});

/// A question over gRPC.
pub(super) const GRPC_QUESTION: Target = of_bytes("grpc_question", |input| {
    fuzzing::grpc_questions(Bytes::copy_from_slice(input));
});

/// The parameters of a request over HTTP.
pub(super) const HTTP_PARAMETERS: Target = of_bytes("http_parameters", |input| {
    fuzzing::http_parameters(&String::from_utf8_lossy(input));
});

const fn of_bytes(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run, mend: None, memory: MEMORY }
}
