//! Bytes of everything that consensus stores or sends: votes, log ids, memberships, entries and
//! messages. Each structure starts with a version; reading back checks every bound and answers an
//! error for anything else, whatever the bytes.

mod message;
mod raft;
mod wire;

pub(crate) use message::{
    decode_append, decode_append_reply, decode_transfer, decode_transfer_reply, decode_vote_reply,
    decode_vote_request, encode_append, encode_append_reply, encode_transfer,
    encode_transfer_reply, encode_vote_reply, encode_vote_request,
};
pub(crate) use raft::{
    Position, decode_entry, decode_log_id, decode_vote, encode_entry, encode_log_id, encode_vote,
    read_log_id_option, read_vote, write_log_id_option, write_vote,
};
pub(crate) use wire::{Reader, Writer};

/// Why stored or received bytes were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// They end inside a field.
    #[error("{what} ends at byte {at}, inside a field")]
    Short {
        /// Which structure.
        what: &'static str,
        /// Where it ends.
        at: usize,
    },
    /// A field holds what no version writes.
    #[error("{what} holds an impossible {field}")]
    Impossible {
        /// Which structure.
        what: &'static str,
        /// Which field of it.
        field: &'static str,
    },
    /// They were written by a later version.
    #[error("{what} has version {version}, this program reads up to {known}: start a newer one")]
    Version {
        /// Which structure.
        what: &'static str,
        /// The version found.
        version: u8,
        /// The newest version known here.
        known: u8,
    },
    /// Bytes are left over after the last field.
    #[error("{what} has {bytes} bytes too many")]
    Long {
        /// Which structure.
        what: &'static str,
        /// How many are left.
        bytes: usize,
    },
}

impl From<CodecError> for std::io::Error {
    fn from(error: CodecError) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

#[cfg(test)]
mod tests;
