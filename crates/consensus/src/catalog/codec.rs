//! The catalog's bytes, as snapshots carry them.
//!
//! ```text
//! catalog = version, cluster (option u128), applied (option u64), settings,
//!           nodes, replicas, those coming, those leaving, windows, shards,
//!           next node, replica, window and shard id
//! ```
//!
//! Lists stand behind their count, ids are u64, texts stand behind their length. Version 1 knew
//! clusters of one node only: neither disks, versions and lost nodes, nor replicas that come and leave,
//! nor final files. Version 2 did not know of starts.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use varve_shard::EventSpans;
use varve_types::{
    ContentDigest, HashRange, LogIndex, NodeId, ReplicaId, ShardId, TimestampNs, WindowId,
};

use super::{
    Catalog, Closed, ClusterId, DiskId, FilesDigest, Finished, Incarnation, NextIds, Node,
    Settings, ShardEntry, ShardState, Window,
};
use crate::codec::{CodecError, Reader, Writer};

/// The version of catalogs and of their commands.
pub(super) const VERSION: u8 = 3;
/// The first version of clusters of many nodes.
const NODES_VERSION: u8 = 2;
/// The first version that knows nodes' starts.
pub(super) const STARTS_VERSION: u8 = 3;

impl Catalog {
    pub(crate) fn encode(&self) -> Bytes {
        let mut writer = Writer::new(VERSION);
        writer.option(self.cluster, |writer, cluster| writer.u128(cluster.0));
        writer.option(self.applied, |writer, index| writer.u64(index.get()));
        write_settings(&mut writer, &self.settings);
        writer.list(&self.nodes, |writer, (id, node)| {
            writer.u64(id.get());
            writer.bytes(node.address.as_bytes());
            writer.bytes(node.zone.as_bytes());
            writer.bool(node.draining);
            writer.bytes(node.version.as_bytes());
            writer.u128(node.disk.0);
            writer.bool(node.lost);
            writer.u64(node.incarnation.0);
        });
        write_replicas(&mut writer, &self.replicas);
        write_some(&mut writer, &self.coming);
        write_some(&mut writer, &self.leaving);
        writer.list(&self.windows, |writer, (id, window)| {
            writer.u64(id.get());
            writer.u8(window.bits);
            writer.i64(window.opened_at.get());
        });
        writer.list(&self.shards, |writer, (id, shard)| {
            writer.u64(id.get());
            write_shard(writer, shard);
        });
        for next in [self.next.node, self.next.replica, self.next.window, self.next.shard] {
            writer.u64(next);
        }
        writer.finish()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::new("catalog", VERSION, bytes)?;
        let catalog = Self {
            cluster: reader.option(|reader| reader.u128().map(ClusterId))?,
            applied: reader.option(|reader| reader.u64().map(LogIndex))?,
            settings: read_settings(&mut reader)?,
            nodes: read_map(&mut reader, |reader| {
                let id = NodeId(reader.u64()?);
                let (address, zone) = (reader.string("address")?, reader.string("zone")?);
                let draining = reader.bool("draining")?;
                let (mut version, mut disk, mut lost, mut incarnation) = Default::default();
                if reader.version() >= NODES_VERSION {
                    version = reader.string("version")?;
                    disk = DiskId(reader.u128()?);
                    lost = reader.bool("lost")?;
                }
                if reader.version() >= STARTS_VERSION {
                    incarnation = Incarnation(reader.u64()?);
                }
                Ok((id, Node { address, zone, version, disk, incarnation, draining, lost }))
            })?,
            replicas: read_replicas(&mut reader)?,
            coming: read_some(&mut reader)?,
            leaving: read_some(&mut reader)?,
            windows: read_map(&mut reader, |reader| {
                let id = WindowId(reader.u64()?);
                let bits = reader.u8()?;
                Ok((id, Window { bits, opened_at: TimestampNs(reader.i64()?) }))
            })?,
            shards: read_map(&mut reader, |reader| {
                Ok((ShardId(reader.u64()?), read_shard(reader)?))
            })?,
            next: NextIds {
                node: reader.u64()?,
                replica: reader.u64()?,
                window: reader.u64()?,
                shard: reader.u64()?,
            },
        };
        reader.end()?;
        Ok(catalog)
    }
}

fn read_map<K: Ord, V>(
    reader: &mut Reader,
    item: impl FnMut(&mut Reader) -> Result<(K, V), CodecError>,
) -> Result<BTreeMap<K, V>, CodecError> {
    Ok(reader.list(item)?.into_iter().collect())
}

fn write_replicas(writer: &mut Writer, replicas: &BTreeMap<ReplicaId, NodeId>) {
    writer.list(replicas, |writer, (replica, node)| {
        writer.u64(replica.get());
        writer.u64(node.get());
    });
}

fn read_replicas(reader: &mut Reader) -> Result<BTreeMap<ReplicaId, NodeId>, CodecError> {
    read_map(reader, |reader| Ok((ReplicaId(reader.u64()?), NodeId(reader.u64()?))))
}

fn write_some(writer: &mut Writer, some: &BTreeSet<ReplicaId>) {
    writer.list(some, |writer, id| writer.u64(id.get()));
}

fn read_some(reader: &mut Reader) -> Result<BTreeSet<ReplicaId>, CodecError> {
    if reader.version() < NODES_VERSION {
        return Ok(BTreeSet::new());
    }
    Ok(reader.list(|reader| reader.u64().map(ReplicaId))?.into_iter().collect())
}

fn write_shard(writer: &mut Writer, shard: &ShardEntry) {
    write_range(writer, shard.range);
    writer.u64(shard.window.get());
    match &shard.state {
        ShardState::Preparing => writer.u8(1),
        ShardState::Open => writer.u8(2),
        ShardState::Sealed => writer.u8(3),
        ShardState::Closed(closed) => {
            writer.u8(4);
            write_closed(writer, closed);
        }
    }
    write_replicas(writer, &shard.replicas);
    write_some(writer, &shard.coming);
    write_some(writer, &shard.leaving);
    writer.i64(shard.opened_at.get());
    writer.list(&shard.predecessors, |writer, id| writer.u64(id.get()));
    writer.list(&shard.successors, |writer, id| writer.u64(id.get()));
}

fn read_shard(reader: &mut Reader) -> Result<ShardEntry, CodecError> {
    Ok(ShardEntry {
        range: read_range(reader)?,
        window: WindowId(reader.u64()?),
        state: match reader.u8()? {
            1 => ShardState::Preparing,
            2 => ShardState::Open,
            3 => ShardState::Sealed,
            4 => ShardState::Closed(read_closed(reader)?),
            _ => return Err(reader.impossible("shard state")),
        },
        replicas: read_replicas(reader)?,
        coming: read_some(reader)?,
        leaving: read_some(reader)?,
        opened_at: TimestampNs(reader.i64()?),
        predecessors: reader.list(|reader| reader.u64().map(ShardId))?,
        successors: reader.list(|reader| reader.u64().map(ShardId))?,
    })
}

pub(crate) fn write_closed(writer: &mut Writer, closed: &Closed) {
    write_nodes(writer, &closed.holders);
    writer.u64(closed.rows);
    writer.u128(closed.digest.0);
    writer.bytes(&closed.events.encode());
    writer.option(closed.finished.as_ref(), |writer, finished| {
        writer.u128(finished.files.0);
        write_nodes(writer, &finished.holders);
    });
}

fn write_nodes(writer: &mut Writer, nodes: &BTreeSet<NodeId>) {
    writer.list(nodes, |writer, node| writer.u64(node.get()));
}

fn read_nodes(reader: &mut Reader) -> Result<BTreeSet<NodeId>, CodecError> {
    Ok(reader.list(|reader| reader.u64().map(NodeId))?.into_iter().collect())
}

pub(crate) fn read_closed(reader: &mut Reader) -> Result<Closed, CodecError> {
    Ok(Closed {
        holders: read_nodes(reader)?,
        rows: reader.u64()?,
        digest: ContentDigest(reader.u128()?),
        events: {
            let bytes = reader.bytes()?;
            EventSpans::decode(&bytes).map_err(|_| reader.impossible("event hours"))?
        },
        finished: if reader.version() < NODES_VERSION {
            None
        } else {
            reader.option(|reader| {
                let files = FilesDigest(reader.u128()?);
                Ok(Finished { files, holders: read_nodes(reader)? })
            })?
        },
    })
}

pub(crate) fn write_range(writer: &mut Writer, range: HashRange) {
    writer.u8(range.bits());
    writer.u64(range.prefix());
}

pub(crate) fn read_range(reader: &mut Reader) -> Result<HashRange, CodecError> {
    let (bits, prefix) = (reader.u8()?, reader.u64()?);
    HashRange::new(bits, prefix).ok_or_else(|| reader.impossible("range"))
}

pub(crate) fn write_settings(writer: &mut Writer, settings: &Settings) {
    writer.u64(settings.window_age_ns);
    writer.u64(settings.window_bytes);
    writer.varint(u64::from(settings.replicas));
    writer.option(settings.bucket_bits, Writer::u8);
    writer.u64(settings.node_lost_after_ns);
}

pub(crate) fn read_settings(reader: &mut Reader) -> Result<Settings, CodecError> {
    Ok(Settings {
        window_age_ns: reader.u64()?,
        window_bytes: reader.u64()?,
        replicas: u32::try_from(reader.varint()?).map_err(|_| reader.impossible("replicas"))?,
        bucket_bits: reader.option(Reader::u8)?,
        node_lost_after_ns: if reader.version() < NODES_VERSION {
            Settings::default().node_lost_after_ns
        } else {
            reader.u64()?
        },
    })
}

#[cfg(test)]
mod tests;
