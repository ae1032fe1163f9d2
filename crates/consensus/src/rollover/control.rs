//! What the driver asks of other nodes, and what they answer.

use bytes::Bytes;
use varve_shard::{EventSpans, Outcome};
use varve_types::{ContentDigest, ShardId};

use super::{ReplicaReport, SeenPhase, Written};
use crate::codec::{CodecError, Reader, Writer};

const VERSION: u8 = 1;

/// A request of the driver. Those about a shard come under its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ControlRequest {
    /// Report all running replicas of this node.
    Reports,
    /// Propose a command in the shard that this node leads.
    Propose(Bytes),
    /// What a sealed shard remembers of producers.
    ExportDedup,
    /// Roll this shard: for the node that leads the catalog.
    Roll(ShardId),
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ControlReply {
    Reports(Vec<(ShardId, ReplicaReport)>),
    Proposed(Outcome),
    Dedup(Bytes),
    Done,
}

impl ControlRequest {
    pub(crate) fn encode(&self) -> Bytes {
        let mut writer = Writer::new(VERSION);
        match self {
            Self::Reports => writer.u8(1),
            Self::Propose(command) => {
                writer.u8(2);
                writer.bytes(command);
            }
            Self::ExportDedup => writer.u8(3),
            Self::Roll(shard) => {
                writer.u8(4);
                writer.u64(shard.get());
            }
        }
        writer.finish()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::new("control request", VERSION, bytes)?;
        let request = match reader.u8()? {
            1 => Self::Reports,
            2 => Self::Propose(reader.bytes()?),
            3 => Self::ExportDedup,
            4 => Self::Roll(ShardId(reader.u64()?)),
            _ => return Err(reader.impossible("kind")),
        };
        reader.end()?;
        Ok(request)
    }
}

impl ControlReply {
    pub(crate) fn encode(&self) -> Bytes {
        let mut writer = Writer::new(VERSION);
        match self {
            Self::Reports(reports) => {
                writer.u8(1);
                writer.list(reports, |writer, (shard, report)| {
                    writer.u64(shard.get());
                    write_report(writer, report);
                });
            }
            Self::Proposed(outcome) => {
                writer.u8(2);
                writer.bytes(&outcome.encode());
            }
            Self::Dedup(table) => {
                writer.u8(3);
                writer.bytes(table);
            }
            Self::Done => writer.u8(4),
        }
        writer.finish()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::new("control reply", VERSION, bytes)?;
        let reply = match reader.u8()? {
            1 => Self::Reports(
                reader.list(|reader| Ok((ShardId(reader.u64()?), read_report(reader)?)))?,
            ),
            2 => {
                let outcome = Outcome::decode(&reader.bytes()?);
                Self::Proposed(outcome.map_err(|_| reader.impossible("outcome"))?)
            }
            3 => Self::Dedup(reader.bytes()?),
            4 => Self::Done,
            _ => return Err(reader.impossible("kind")),
        };
        reader.end()?;
        Ok(reply)
    }
}

fn write_report(writer: &mut Writer, report: &ReplicaReport) {
    writer.bool(report.leads);
    writer.u8(match report.phase {
        SeenPhase::AwaitingInherit => 1,
        SeenPhase::Open => 2,
        SeenPhase::Sealed => 3,
    });
    writer.u64(report.rows);
    writer.u64(report.bytes);
    writer.option(report.written.as_ref(), |writer, written| {
        writer.u64(written.rows);
        writer.u128(written.digest.0);
        writer.bytes(&written.events.encode());
    });
}

fn read_report(reader: &mut Reader) -> Result<ReplicaReport, CodecError> {
    Ok(ReplicaReport {
        leads: reader.bool("leads")?,
        phase: match reader.u8()? {
            1 => SeenPhase::AwaitingInherit,
            2 => SeenPhase::Open,
            3 => SeenPhase::Sealed,
            _ => return Err(reader.impossible("phase")),
        },
        rows: reader.u64()?,
        bytes: reader.u64()?,
        written: reader.option(|reader| {
            let (rows, digest) = (reader.u64()?, ContentDigest(reader.u128()?));
            let events = EventSpans::decode(&reader.bytes()?);
            let events = events.map_err(|_| reader.impossible("event hours"))?;
            Ok(Written { rows, digest, events })
        })?,
    })
}
