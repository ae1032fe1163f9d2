//! The catalog's bytes, as snapshots carry them.
//!
//! ```text
//! catalog = version, cluster (option u128), applied (option u64), settings,
//!           nodes, replicas, windows, shards, next node, replica, window and shard id
//! ```
//!
//! Lists stand behind their count, ids are u64, texts stand behind their length.

use std::collections::BTreeMap;

use bytes::Bytes;
use varve_shard::EventSpans;
use varve_types::{
    ContentDigest, HashRange, LogIndex, NodeId, ReplicaId, ShardId, TimestampNs, WindowId,
};

use super::{Catalog, Closed, ClusterId, NextIds, Node, Settings, ShardEntry, ShardState, Window};
use crate::codec::{CodecError, Reader, Writer};

const VERSION: u8 = 1;

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
        });
        write_replicas(&mut writer, &self.replicas);
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
                Ok((id, Node { address, zone, draining: reader.bool("draining")? }))
            })?,
            replicas: read_replicas(&mut reader)?,
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
        opened_at: TimestampNs(reader.i64()?),
        predecessors: reader.list(|reader| reader.u64().map(ShardId))?,
        successors: reader.list(|reader| reader.u64().map(ShardId))?,
    })
}

pub(crate) fn write_closed(writer: &mut Writer, closed: &Closed) {
    writer.list(&closed.holders, |writer, node| writer.u64(node.get()));
    writer.u64(closed.rows);
    writer.u128(closed.digest.0);
    writer.bytes(&closed.events.encode());
}

pub(crate) fn read_closed(reader: &mut Reader) -> Result<Closed, CodecError> {
    Ok(Closed {
        holders: reader.list(|reader| reader.u64().map(NodeId))?.into_iter().collect(),
        rows: reader.u64()?,
        digest: ContentDigest(reader.u128()?),
        events: {
            let bytes = reader.bytes()?;
            EventSpans::decode(&bytes).map_err(|_| reader.impossible("event hours"))?
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
}

pub(crate) fn read_settings(reader: &mut Reader) -> Result<Settings, CodecError> {
    Ok(Settings {
        window_age_ns: reader.u64()?,
        window_bytes: reader.u64()?,
        replicas: u32::try_from(reader.varint()?).map_err(|_| reader.impossible("replicas"))?,
        bucket_bits: reader.option(Reader::u8)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use varve_shard::EventHours;
    use varve_types::{ContentDigest, ShardId};

    use super::super::{CatalogCommand, SuccessorPlan};
    use super::*;

    fn range() -> impl Strategy<Value = HashRange> {
        (0..=HashRange::BITS_MAX)
            .prop_flat_map(|bits| (Just(bits), 0..1u64 << bits))
            .prop_map(|(bits, prefix)| HashRange::new(bits, prefix).unwrap())
    }

    fn closed() -> impl Strategy<Value = Closed> {
        (vec(any::<u64>(), 0..4), any::<u64>(), any::<u128>(), vec(any::<i64>(), 0..3)).prop_map(
            |(holders, rows, digest, times)| {
                let mut hours = EventHours::default();
                times.into_iter().for_each(|time| hours.add(TimestampNs(time), 1));
                Closed {
                    holders: holders.into_iter().map(NodeId).collect(),
                    rows,
                    digest: ContentDigest(digest),
                    events: hours.spans(),
                }
            },
        )
    }

    fn command() -> impl Strategy<Value = CatalogCommand> {
        let shard = any::<u64>().prop_map(ShardId);
        prop_oneof![
            (any::<u128>(), ".*", ".*", any::<u8>()).prop_map(|(cluster, address, zone, bits)| {
                CatalogCommand::Found { cluster: ClusterId(cluster), address, zone, bits }
            }),
            (".*", ".*").prop_map(|(address, zone)| CatalogCommand::AddNode { address, zone }),
            (any::<u64>(), any::<bool>()).prop_map(|(node, draining)| {
                CatalogCommand::SetDraining { node: NodeId(node), draining }
            }),
            any::<(u64, u64, u32, Option<u8>)>().prop_map(|(age, bytes, replicas, bits)| {
                CatalogCommand::Set(Settings {
                    window_age_ns: age,
                    window_bytes: bytes,
                    replicas,
                    bucket_bits: bits,
                })
            }),
            (vec(any::<u64>(), 0..4), vec((range(), vec(any::<u64>(), 0..4)), 0..4)).prop_map(
                |(predecessors, successors)| CatalogCommand::Prepare {
                    predecessors: predecessors.into_iter().map(ShardId).collect(),
                    successors: successors
                        .into_iter()
                        .map(|(range, nodes)| SuccessorPlan {
                            range,
                            nodes: nodes.into_iter().map(NodeId).collect(),
                        })
                        .collect(),
                }
            ),
            shard.clone().prop_map(|shard| CatalogCommand::Sealed { shard }),
            shard.clone().prop_map(|shard| CatalogCommand::Opened { shard }),
            (shard, closed()).prop_map(|(shard, closed)| CatalogCommand::Closed { shard, closed }),
        ]
    }

    proptest! {
        #[test]
        fn commands_read_back(command in command()) {
            prop_assert_eq!(CatalogCommand::decode(command.encode()), Ok(command));
        }

        #[test]
        fn the_catalog_that_any_commands_leave_reads_back(
            commands in vec((any::<i64>(), command()), 0..40),
        ) {
            let mut catalog = Catalog::default();
            let found = CatalogCommand::Found {
                cluster: ClusterId(7), address: "a:1".into(), zone: String::new(), bits: 1,
            };
            for (index, (stamp, command)) in
                std::iter::once((1, found)).chain(commands).enumerate()
            {
                let _ = catalog.apply(LogIndex(index as u64), TimestampNs(stamp), &command);
            }
            prop_assert_eq!(Catalog::decode(catalog.encode()), Ok(catalog));
        }

        #[test]
        fn no_bytes_panic(mut bytes in vec(any::<u8>(), 0..200)) {
            let _ = Catalog::decode(Bytes::from(bytes.clone()));
            let _ = CatalogCommand::decode(Bytes::from(bytes.clone()));
            if let Some(version) = bytes.first_mut() {
                *version = VERSION;
            }
            let _ = Catalog::decode(Bytes::from(bytes.clone()));
            let _ = CatalogCommand::decode(Bytes::from(bytes));
        }
    }
}
