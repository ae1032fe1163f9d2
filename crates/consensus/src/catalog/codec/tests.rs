//! Round trips, and any bytes against the readers.

use proptest::collection::vec;
use proptest::prelude::*;
use varve_shard::EventHours;
use varve_types::{ContentDigest, GroupId, ShardId};

use super::super::{CatalogCommand, NodeCard, Starts, SuccessorPlan};
use super::*;

fn range() -> impl Strategy<Value = HashRange> {
    (0..=HashRange::BITS_MAX)
        .prop_flat_map(|bits| (Just(bits), 0..1u64 << bits))
        .prop_map(|(bits, prefix)| HashRange::new(bits, prefix).unwrap())
}

fn closed() -> impl Strategy<Value = Closed> {
    let finished = proptest::option::of((any::<u128>(), vec(any::<u64>(), 0..4)));
    let holders = vec(any::<u64>(), 0..4);
    (holders, any::<u64>(), any::<u128>(), vec(any::<i64>(), 0..3), finished).prop_map(
        |(holders, rows, digest, times, finished)| {
            let mut hours = EventHours::default();
            times.into_iter().for_each(|time| hours.add(TimestampNs(time), 1));
            Closed {
                holders: holders.into_iter().map(NodeId).collect(),
                rows,
                digest: ContentDigest(digest),
                events: hours.spans(),
                finished: finished.map(|(files, holders)| Finished {
                    files: FilesDigest(files),
                    holders: holders.into_iter().map(NodeId).collect(),
                }),
            }
        },
    )
}

fn card() -> impl Strategy<Value = NodeCard> {
    (any::<u128>(), ".*", ".*", ".*").prop_map(|(disk, address, zone, version)| NodeCard {
        disk: DiskId(disk),
        address,
        zone,
        version,
    })
}

/// Small numbers, so that commands meet what others left.
fn id() -> impl Strategy<Value = u64> {
    prop_oneof![0..6u64, any::<u64>()]
}

fn of_nodes() -> impl Strategy<Value = CatalogCommand> {
    let node = || id().prop_map(NodeId);
    prop_oneof![
        (any::<u128>(), card(), any::<u8>()).prop_map(|(cluster, node, bits)| {
            CatalogCommand::Found { cluster: ClusterId(cluster), node, bits }
        }),
        (card(), proptest::option::of(node()))
            .prop_map(|(node, instead_of)| CatalogCommand::AddNode { node, instead_of }),
        (node(), card(), id(), proptest::option::of(id())).prop_map(|(id, node, this, before)| {
            let starts = Starts { this: Incarnation(this), before: before.map(Incarnation) };
            CatalogCommand::Announce { id, node, starts }
        }),
        (node(), any::<bool>())
            .prop_map(|(node, draining)| CatalogCommand::SetDraining { node, draining }),
        (node(), any::<bool>()).prop_map(|(node, lost)| CatalogCommand::SetLost { node, lost }),
        node().prop_map(|node| CatalogCommand::RemoveNode { node }),
        any::<(u64, u64, u32, Option<u8>, u64)>().prop_map(|(age, bytes, replicas, bits, lost)| {
            CatalogCommand::Set(Settings {
                window_age_ns: age,
                window_bytes: bytes,
                replicas,
                bucket_bits: bits,
                node_lost_after_ns: lost,
            })
        }),
    ]
}

fn of_shards() -> impl Strategy<Value = CatalogCommand> {
    let shard = || id().prop_map(ShardId);
    prop_oneof![
        (vec(id(), 0..4), vec((range(), vec(id(), 0..4)), 0..4)).prop_map(
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
        shard().prop_map(|shard| CatalogCommand::Sealed { shard }),
        shard().prop_map(|shard| CatalogCommand::Opened { shard }),
        (shard(), closed()).prop_map(|(shard, closed)| CatalogCommand::Closed { shard, closed }),
    ]
}

fn of_replicas() -> impl Strategy<Value = CatalogCommand> {
    let shard = || id().prop_map(ShardId);
    let node = || id().prop_map(NodeId);
    let group = || id().prop_map(GroupId::from_number);
    let replica = || id().prop_map(ReplicaId);
    let files = || any::<u128>().prop_map(FilesDigest);
    prop_oneof![
        (group(), node()).prop_map(|(group, node)| CatalogCommand::AddReplica { group, node }),
        (group(), replica())
            .prop_map(|(group, replica)| CatalogCommand::RetireReplica { group, replica }),
        (group(), replica())
            .prop_map(|(group, replica)| CatalogCommand::RemoveReplica { group, replica }),
        (shard(), node(), proptest::option::of(files()))
            .prop_map(|(shard, node, files)| CatalogCommand::Held { shard, node, files }),
        (shard(), node()).prop_map(|(shard, node)| CatalogCommand::Dropped { shard, node }),
        (shard(), node(), files()).prop_map(|(shard, node, files)| CatalogCommand::Finished {
            shard,
            node,
            files
        }),
    ]
}

fn command() -> impl Strategy<Value = CatalogCommand> {
    prop_oneof![of_nodes(), of_shards(), of_replicas()]
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
            cluster: ClusterId(7), node: NodeCard::default(), bits: 1,
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
