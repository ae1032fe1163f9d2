//! What a node reports to the one that drives: its running replicas, and closed shards of which it
//! has something to say.

use std::collections::BTreeSet;

use varve_shard::EventSpans;
use varve_types::{ContentDigest, LogIndex, ReplicaId, ShardId, TimestampNs};

use crate::catalog::FilesDigest;
use crate::codec::{CodecError, Reader, Writer};
use crate::upkeep::RepairStats;

/// What one node says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeReport {
    /// What came to it later; `None` from a node that does not know of it.
    pub(crate) more: Option<MoreReport>,
    /// Whether it is about to stop.
    pub(crate) stopping: bool,
    pub(crate) replicas: Vec<(ShardId, ReplicaReport)>,
    /// Only what differs from the catalog: a thousand quiet shards cost nothing.
    pub(crate) closed: Vec<ClosedReport>,
    /// Replicas of shards that are not closed, and whose files or log here are damaged.
    pub(crate) broken: Vec<(ShardId, ReplicaId)>,
    /// What is copied to it.
    pub(crate) repair: RepairStats,
}

/// What reports came to say later: nodes that do not know of it say the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MoreReport {
    /// What its clock says.
    pub(crate) clock: TimestampNs,
    /// Shards that it leads and whose replicas it found to hold different rows.
    pub(crate) differing: Vec<ShardId>,
}

/// What one replica says of its shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReplicaReport {
    /// Whether it leads.
    pub(crate) leads: bool,
    /// Where the shard stands, as far as this replica applied the log.
    pub(crate) phase: SeenPhase,
    /// The last entry that it applied.
    pub(crate) applied: Option<LogIndex>,
    /// Rows stored.
    pub(crate) rows: u64,
    /// Encoded bytes of them, in memory and on disk.
    pub(crate) bytes: u64,
    /// Whose votes count, and who follows, as far as that is committed: said by who leads.
    pub(crate) members: BTreeSet<ReplicaId>,
    /// What is durable here, once that is all there will ever be.
    pub(crate) written: Option<Written>,
}

/// A shard's phase, without its details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeenPhase {
    /// It refuses writes until it has inherited.
    AwaitingInherit,
    /// It takes writes.
    Open,
    /// It has applied its seal.
    Sealed,
}

/// A sealed shard's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// Rows stored.
    pub(crate) rows: u64,
    /// Their digest.
    pub(crate) digest: ContentDigest,
    /// When they happened.
    pub(crate) events: EventSpans,
}

/// What a node says of a closed shard that it is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClosedReport {
    pub(crate) shard: ShardId,
    /// What it holds; `None` while it holds nothing that can be served.
    pub(crate) held: Option<HeldFiles>,
    /// Why what it held is no longer served.
    pub(crate) problem: Option<String>,
}

/// What lies on a node's disk of a closed shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeldFiles {
    pub(crate) rows: u64,
    pub(crate) digest: ContentDigest,
    pub(crate) files: FilesDigest,
    /// Whether they are merged for good.
    pub(crate) finished: bool,
}

impl NodeReport {
    /// How many shards the node leads.
    pub(crate) fn leads(&self) -> usize {
        self.replicas.iter().filter(|(_, report)| report.leads).count()
    }

    /// Whether the node leads a shard.
    pub(crate) fn leads_shard(&self, shard: ShardId) -> bool {
        self.replicas.iter().any(|(id, report)| *id == shard && report.leads)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.bool(self.stopping);
        writer.list(&self.replicas, |writer, (shard, report)| {
            writer.u64(shard.get());
            report.write(writer);
        });
        writer.list(&self.closed, |writer, report| report.write(writer));
        writer.list(&self.broken, |writer, (shard, replica)| {
            writer.u64(shard.get());
            writer.u64(replica.get());
        });
        write_repair(&self.repair, writer);
    }

    pub(crate) fn read(reader: &mut Reader) -> Result<Self, CodecError> {
        Ok(Self {
            more: None,
            stopping: reader.bool("stopping")?,
            replicas: reader
                .list(|reader| Ok((ShardId(reader.u64()?), ReplicaReport::read(reader)?)))?,
            closed: reader.list(ClosedReport::read)?,
            broken: reader.list(|reader| Ok((ShardId(reader.u64()?), ReplicaId(reader.u64()?))))?,
            repair: read_repair(reader)?,
        })
    }
}

impl MoreReport {
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.i64(self.clock.get());
        writer.list(&self.differing, |writer, shard| writer.u64(shard.get()));
    }

    pub(crate) fn read(reader: &mut Reader) -> Result<Self, CodecError> {
        Ok(Self {
            clock: TimestampNs(reader.i64()?),
            differing: reader.list(|reader| reader.u64().map(ShardId))?,
        })
    }
}

fn write_repair(stats: &RepairStats, writer: &mut Writer) {
    writer.option(stats.current, |writer, shard| writer.u64(shard.get()));
    for number in [
        stats.shards_waiting,
        stats.bytes_done,
        stats.bytes_total,
        stats.bytes_per_s,
        stats.copied,
        stats.failed,
        stats.copied_bytes,
        stats.scrubbed_bytes,
        stats.damaged,
    ] {
        writer.u64(number);
    }
}

fn read_repair(reader: &mut Reader) -> Result<RepairStats, CodecError> {
    Ok(RepairStats {
        current: reader.option(|reader| reader.u64().map(ShardId))?,
        shards_waiting: reader.u64()?,
        bytes_done: reader.u64()?,
        bytes_total: reader.u64()?,
        bytes_per_s: reader.u64()?,
        copied: reader.u64()?,
        failed: reader.u64()?,
        copied_bytes: reader.u64()?,
        scrubbed_bytes: reader.u64()?,
        damaged: reader.u64()?,
    })
}

impl ReplicaReport {
    fn write(&self, writer: &mut Writer) {
        writer.bool(self.leads);
        writer.u8(match self.phase {
            SeenPhase::AwaitingInherit => 1,
            SeenPhase::Open => 2,
            SeenPhase::Sealed => 3,
        });
        writer.option(self.applied, |writer, index| writer.u64(index.get()));
        writer.u64(self.rows);
        writer.u64(self.bytes);
        writer.list(&self.members, |writer, replica| writer.u64(replica.get()));
        writer.option(self.written.as_ref(), |writer, written| {
            writer.u64(written.rows);
            writer.u128(written.digest.0);
            writer.bytes(&written.events.encode());
        });
    }

    fn read(reader: &mut Reader) -> Result<Self, CodecError> {
        Ok(Self {
            leads: reader.bool("leads")?,
            phase: match reader.u8()? {
                1 => SeenPhase::AwaitingInherit,
                2 => SeenPhase::Open,
                3 => SeenPhase::Sealed,
                _ => return Err(reader.impossible("phase")),
            },
            applied: reader.option(|reader| reader.u64().map(LogIndex))?,
            rows: reader.u64()?,
            bytes: reader.u64()?,
            members: reader.list(|reader| reader.u64().map(ReplicaId))?.into_iter().collect(),
            written: reader.option(|reader| {
                let (rows, digest) = (reader.u64()?, ContentDigest(reader.u128()?));
                let events = EventSpans::decode(&reader.bytes()?);
                let events = events.map_err(|_| reader.impossible("event hours"))?;
                Ok(Written { rows, digest, events })
            })?,
        })
    }
}

impl ClosedReport {
    fn write(&self, writer: &mut Writer) {
        writer.u64(self.shard.get());
        writer.option(self.held, |writer, held| {
            writer.u64(held.rows);
            writer.u128(held.digest.0);
            writer.u128(held.files.0);
            writer.bool(held.finished);
        });
        writer.option(self.problem.as_ref(), |writer, problem| writer.bytes(problem.as_bytes()));
    }

    fn read(reader: &mut Reader) -> Result<Self, CodecError> {
        Ok(Self {
            shard: ShardId(reader.u64()?),
            held: reader.option(|reader| {
                Ok(HeldFiles {
                    rows: reader.u64()?,
                    digest: ContentDigest(reader.u128()?),
                    files: FilesDigest(reader.u128()?),
                    finished: reader.bool("finished")?,
                })
            })?,
            problem: reader.option(|reader| reader.string("problem"))?,
        })
    }
}
