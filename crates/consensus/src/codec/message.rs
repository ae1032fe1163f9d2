//! Raft's messages between replicas. Snapshots travel as files and have their own messages in
//! `network`.

use bytes::Bytes;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use varve_types::LogIndex;

use super::raft::{decode_entry, encode_entry};
use super::{
    CodecError, Reader, Writer, read_log_id_option, read_vote, write_log_id_option, write_vote,
};
use crate::raft_types::Types;

const VERSION: u8 = 1;

/// `vote, previous log id, leader's commit, entries: (index, encoded entry)…`
pub(crate) fn encode_append(request: &AppendEntriesRequest<Types>) -> Bytes {
    let mut writer = Writer::new(VERSION);
    write_vote(&mut writer, &request.vote);
    write_log_id_option(&mut writer, request.prev_log_id.as_ref());
    write_log_id_option(&mut writer, request.leader_commit.as_ref());
    writer.count(request.entries.len());
    for entry in &request.entries {
        writer.u64(entry.log_id.index());
        writer.bytes(&encode_entry(entry));
    }
    writer.finish()
}

pub(crate) fn decode_append(bytes: Bytes) -> Result<AppendEntriesRequest<Types>, CodecError> {
    let mut reader = Reader::new("append request", VERSION, bytes)?;
    let vote = read_vote(&mut reader)?;
    let prev_log_id = read_log_id_option(&mut reader)?;
    let leader_commit = read_log_id_option(&mut reader)?;
    let entries = reader.list(|reader| {
        let index = LogIndex(reader.u64()?);
        decode_entry(index, reader.bytes()?)
    })?;
    reader.end()?;
    // openraft takes the entries as following one another; a peer that sends others is broken.
    let mut next = prev_log_id.as_ref().map_or(0, |id| id.index().saturating_add(1));
    for entry in &entries {
        if entry.log_id.index() != next {
            return Err(CodecError::Impossible {
                what: "append request",
                field: "order of entries",
            });
        }
        next = next.saturating_add(1);
    }
    Ok(AppendEntriesRequest { vote, prev_log_id, entries, leader_commit })
}

pub(crate) fn encode_append_reply(reply: &AppendEntriesResponse<Types>) -> Bytes {
    let mut writer = Writer::new(VERSION);
    match reply {
        AppendEntriesResponse::Success => writer.u8(0),
        AppendEntriesResponse::PartialSuccess(id) => {
            writer.u8(1);
            write_log_id_option(&mut writer, id.as_ref());
        }
        AppendEntriesResponse::Conflict => writer.u8(2),
        AppendEntriesResponse::HigherVote(vote) => {
            writer.u8(3);
            write_vote(&mut writer, vote);
        }
    }
    writer.finish()
}

pub(crate) fn decode_append_reply(
    bytes: Bytes,
) -> Result<AppendEntriesResponse<Types>, CodecError> {
    let mut reader = Reader::new("append reply", VERSION, bytes)?;
    let reply = match reader.u8()? {
        0 => AppendEntriesResponse::Success,
        1 => AppendEntriesResponse::PartialSuccess(read_log_id_option(&mut reader)?),
        2 => AppendEntriesResponse::Conflict,
        3 => AppendEntriesResponse::HigherVote(read_vote(&mut reader)?),
        _ => return Err(reader.impossible("kind")),
    };
    reader.end()?;
    Ok(reply)
}

pub(crate) fn encode_vote_request(request: &VoteRequest<Types>) -> Bytes {
    let mut writer = Writer::new(VERSION);
    write_vote(&mut writer, &request.vote);
    write_log_id_option(&mut writer, request.last_log_id.as_ref());
    writer.bool(request.leadership_transfer);
    writer.finish()
}

pub(crate) fn decode_vote_request(bytes: Bytes) -> Result<VoteRequest<Types>, CodecError> {
    let mut reader = Reader::new("vote request", VERSION, bytes)?;
    let vote = read_vote(&mut reader)?;
    let last_log_id = read_log_id_option(&mut reader)?;
    let leadership_transfer = reader.bool("transfer")?;
    reader.end()?;
    Ok(VoteRequest { vote, last_log_id, leadership_transfer })
}

pub(crate) fn encode_vote_reply(reply: &VoteResponse<Types>) -> Bytes {
    let mut writer = Writer::new(VERSION);
    write_vote(&mut writer, &reply.vote);
    writer.bool(reply.vote_granted);
    write_log_id_option(&mut writer, reply.last_log_id.as_ref());
    writer.finish()
}

pub(crate) fn decode_vote_reply(bytes: Bytes) -> Result<VoteResponse<Types>, CodecError> {
    let mut reader = Reader::new("vote reply", VERSION, bytes)?;
    let vote = read_vote(&mut reader)?;
    let vote_granted = reader.bool("granted")?;
    let last_log_id = read_log_id_option(&mut reader)?;
    reader.end()?;
    Ok(VoteResponse { vote, vote_granted, last_log_id })
}

pub(crate) fn encode_transfer(request: &TransferLeaderRequest<Types>) -> Bytes {
    let mut writer = Writer::new(VERSION);
    write_vote(&mut writer, request.from_leader());
    writer.u64(*request.to_node_id());
    write_log_id_option(&mut writer, request.last_log_id());
    writer.finish()
}

pub(crate) fn decode_transfer(bytes: Bytes) -> Result<TransferLeaderRequest<Types>, CodecError> {
    let mut reader = Reader::new("transfer request", VERSION, bytes)?;
    let from = read_vote(&mut reader)?;
    let to = reader.u64()?;
    let last = read_log_id_option(&mut reader)?;
    reader.end()?;
    Ok(TransferLeaderRequest::new(from, to, last))
}

pub(crate) fn encode_transfer_reply(reply: &TransferLeaderResponse<Types>) -> Bytes {
    let mut writer = Writer::new(VERSION);
    match reply {
        Ok(()) => writer.u8(0),
        Err(TransferLeaderError::VoteChanged { expected, actual }) => {
            writer.u8(1);
            write_vote(&mut writer, expected);
            write_vote(&mut writer, actual);
        }
        Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
            writer.u8(2);
            write_log_id_option(&mut writer, expected.as_ref());
            write_log_id_option(&mut writer, actual.as_ref());
        }
    }
    writer.finish()
}

pub(crate) fn decode_transfer_reply(
    bytes: Bytes,
) -> Result<TransferLeaderResponse<Types>, CodecError> {
    let mut reader = Reader::new("transfer reply", VERSION, bytes)?;
    let reply = match reader.u8()? {
        0 => Ok(()),
        1 => Err(TransferLeaderError::VoteChanged {
            expected: read_vote(&mut reader)?,
            actual: read_vote(&mut reader)?,
        }),
        2 => Err(TransferLeaderError::LogNotFlushed {
            expected: read_log_id_option(&mut reader)?,
            actual: read_log_id_option(&mut reader)?,
        }),
        _ => return Err(reader.impossible("kind")),
    };
    reader.end()?;
    Ok(reply)
}
