//! Pieces become messages again.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use varve_proto::v1::Part;

use super::MESSAGE_BYTES_MAX;

/// How many bytes of unfinished messages one connection may leave here: several of the largest.
const UNFINISHED_BYTES_MAX: usize = 4 * MESSAGE_BYTES_MAX;

/// A message that is whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) request: u64,
    pub(super) head: Bytes,
    pub(super) body: Bytes,
    pub(super) refused: bool,
}

/// What a peer sent is no message of this protocol.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// More than any message has.
    #[error("request {0} has more than {MESSAGE_BYTES_MAX} bytes")]
    TooLarge(u64),
    /// More than is ever under way.
    #[error("more than {UNFINISHED_BYTES_MAX} bytes of unfinished messages")]
    TooMany,
    /// A piece that brings nothing would let unfinished messages grow without bytes.
    #[error("an empty piece of request {0} that does not end it")]
    Empty(u64),
    /// A frame that has no business here.
    #[error("a frame of another kind than parts")]
    NoParts,
    /// A reply to nothing.
    #[error("a reply to request {0}, which was not made")]
    Unasked(u64),
}

/// Messages of one connection that are not whole yet.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    unfinished: HashMap<u64, (Bytes, BytesMut)>,
    bytes: usize,
}

impl Assembly {
    /// Takes a part, and answers the message when it ends one.
    pub(super) fn take(&mut self, part: Part) -> Result<Option<Whole>, Malformed> {
        let Part { request, head, body, last, refused, .. } = part;
        let Some((_, begun)) = self.unfinished.get_mut(&request) else {
            // Most messages are one piece, and are not copied.
            if last {
                return Ok(Some(Whole { request, head, body, refused }));
            }
            if body.is_empty() {
                return Err(Malformed::Empty(request));
            }
            self.bytes += body.len();
            self.unfinished.insert(request, (head, BytesMut::from(&body[..])));
            return if self.bytes > UNFINISHED_BYTES_MAX {
                Err(Malformed::TooMany)
            } else {
                Ok(None)
            };
        };
        if begun.len() + body.len() > MESSAGE_BYTES_MAX {
            return Err(Malformed::TooLarge(request));
        }
        if body.is_empty() && !last {
            return Err(Malformed::Empty(request));
        }
        begun.extend_from_slice(&body);
        self.bytes += body.len();
        if self.bytes > UNFINISHED_BYTES_MAX {
            return Err(Malformed::TooMany);
        }
        if !last {
            return Ok(None);
        }
        let (head, body) = self.unfinished.remove(&request).expect("BUG: it was there");
        self.bytes -= body.len();
        Ok(Some(Whole { request, head, body: body.freeze(), refused }))
    }

    /// Forgets what is there of a message that will not be finished.
    pub(super) fn forget(&mut self, request: u64) {
        if let Some((_, body)) = self.unfinished.remove(&request) {
            self.bytes -= body.len();
        }
    }
}
