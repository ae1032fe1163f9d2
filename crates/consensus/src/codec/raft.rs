//! Votes, log ids, memberships and log entries.
//!
//! ```text
//! vote      = version, term u64, voted for u64, committed u8
//! log id    = version, term u64, index u64
//! position  = version, last log id (option), membership log id (option), membership
//! membership= count, (count, replica u64 …)…  count, (replica u64, node u64)…
//! entry     = version, kind u8, term u64, then by kind:
//!             0 blank | 1 command: stamp i64, bytes to the end | 2 membership
//! ```
//!
//! The log keeps an entry's index beside it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use openraft::{EntryPayload, RaftTypeConfig};
use varve_types::{LogIndex, NodeId, TimestampNs};

use super::{CodecError, Reader, Writer};
use crate::raft_types::{
    Entry, LogId, Membership, Payload, Place, StoredMembership, Types, Vote, log_id,
};

const VERSION: u8 = 1;

/// Where a state machine is: what a manifest keeps for Raft.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) last: Option<LogId>,
    pub(crate) membership: StoredMembership,
}

pub(crate) fn encode_vote(vote: &Vote) -> Bytes {
    let mut writer = Writer::new(VERSION);
    write_vote(&mut writer, vote);
    writer.finish()
}

pub(crate) fn decode_vote(bytes: Bytes) -> Result<Vote, CodecError> {
    let mut reader = Reader::new("vote", VERSION, bytes)?;
    let vote = read_vote(&mut reader)?;
    reader.end()?;
    Ok(vote)
}

pub(crate) fn write_vote(writer: &mut Writer, vote: &Vote) {
    writer.u64(vote.leader_id.term);
    writer.u64(vote.leader_id.voted_for);
    writer.bool(vote.committed);
}

pub(crate) fn read_vote(reader: &mut Reader) -> Result<Vote, CodecError> {
    let (term, node) = (reader.u64()?, reader.u64()?);
    Ok(if reader.bool("committed")? {
        Vote::new_committed(term, node)
    } else {
        Vote::new(term, node)
    })
}

pub(crate) fn encode_log_id(id: &LogId) -> Bytes {
    let mut writer = Writer::new(VERSION);
    write_log_id(&mut writer, id);
    writer.finish()
}

pub(crate) fn decode_log_id(bytes: Bytes) -> Result<LogId, CodecError> {
    let mut reader = Reader::new("log id", VERSION, bytes)?;
    let id = read_log_id(&mut reader)?;
    reader.end()?;
    Ok(id)
}

fn write_log_id(writer: &mut Writer, id: &LogId) {
    writer.u64(**id.committed_leader_id());
    writer.u64(id.index());
}

fn read_log_id(reader: &mut Reader) -> Result<LogId, CodecError> {
    Ok(log_id(reader.u64()?, reader.u64()?))
}

pub(crate) fn write_log_id_option(writer: &mut Writer, id: Option<&LogId>) {
    writer.option(id, write_log_id);
}

pub(crate) fn read_log_id_option(reader: &mut Reader) -> Result<Option<LogId>, CodecError> {
    reader.option(read_log_id)
}

impl Position {
    pub(crate) fn encode(&self) -> Bytes {
        let mut writer = Writer::new(VERSION);
        write_log_id_option(&mut writer, self.last.as_ref());
        write_log_id_option(&mut writer, self.membership.log_id().as_ref());
        write_membership(&mut writer, self.membership.membership());
        writer.finish()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::new("position", VERSION, bytes)?;
        let last = read_log_id_option(&mut reader)?;
        let at = read_log_id_option(&mut reader)?;
        let membership = StoredMembership::new(at, read_membership(&mut reader)?);
        reader.end()?;
        Ok(Self { last, membership })
    }
}

fn write_membership(writer: &mut Writer, membership: &Membership) {
    let configs = membership.get_joint_config();
    writer.list(configs, |writer, config| writer.list(config, |writer, id| writer.u64(*id)));
    let nodes: Vec<_> = membership.nodes().collect();
    writer.list(nodes, |writer, (replica, machine)| {
        writer.u64(*replica);
        writer.u64(machine.0.get());
    });
}

fn read_membership(reader: &mut Reader) -> Result<Membership, CodecError> {
    let configs: Vec<BTreeSet<u64>> = reader
        .list(|reader| reader.list(Reader::u64).map(|voters| voters.into_iter().collect()))?;
    let nodes: BTreeMap<u64, Place> = reader
        .list(|reader| Ok((reader.u64()?, Place(NodeId(reader.u64()?)))))?
        .into_iter()
        .collect();
    if configs.is_empty() && nodes.is_empty() {
        return Ok(Membership::default());
    }
    Membership::new(configs, nodes).map_err(|_| reader.impossible("membership"))
}

type RaftPayload = <Types as RaftTypeConfig>::Payload;

/// An entry without its index.
pub(crate) fn encode_entry(entry: &Entry) -> Bytes {
    let room = match &entry.payload {
        EntryPayload::Normal(payload) => payload.command.len() + 32,
        _ => 64,
    };
    let mut writer = Writer::with_capacity(VERSION, room);
    writer.u8(match &entry.payload {
        EntryPayload::Blank => 0,
        EntryPayload::Normal(_) => 1,
        EntryPayload::Membership(_) => 2,
    });
    writer.u64(**entry.log_id.committed_leader_id());
    match &entry.payload {
        EntryPayload::Blank => {}
        EntryPayload::Normal(payload) => {
            writer.i64(payload.stamp.get());
            writer.raw(&payload.command);
        }
        EntryPayload::Membership(membership) => write_membership(&mut writer, membership),
    }
    writer.finish()
}

pub(crate) fn decode_entry(index: LogIndex, bytes: Bytes) -> Result<Entry, CodecError> {
    let mut reader = Reader::new("log entry", VERSION, bytes)?;
    let kind = reader.u8()?;
    let log_id = log_id(reader.u64()?, index.get());
    let payload: RaftPayload = match kind {
        0 => {
            reader.end()?;
            EntryPayload::Blank
        }
        1 => {
            let stamp = TimestampNs(reader.i64()?);
            EntryPayload::Normal(Payload { stamp, command: reader.rest() })
        }
        2 => {
            let membership = read_membership(&mut reader)?;
            reader.end()?;
            EntryPayload::Membership(membership)
        }
        _ => return Err(reader.impossible("kind")),
    };
    Ok(Entry { log_id, payload })
}
