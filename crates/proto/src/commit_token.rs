//! How far into each shard's log something reaches.

use std::collections::BTreeMap;

use varve_types::{LogIndex, ShardId};

use crate::v1;

/// The positions of a token. Where a shard occurs twice, the further position holds.
#[must_use]
pub fn decode_commit_token(token: &v1::CommitToken) -> BTreeMap<ShardId, LogIndex> {
    let mut positions = BTreeMap::new();
    for position in &token.positions {
        let reached = positions.entry(ShardId(position.shard)).or_insert(LogIndex(position.index));
        *reached = (*reached).max(LogIndex(position.index));
    }
    positions
}

/// The token of these positions, in the order of shards.
#[must_use]
pub fn encode_commit_token(positions: &BTreeMap<ShardId, LogIndex>) -> v1::CommitToken {
    let position = |(shard, index): (&ShardId, &LogIndex)| v1::ShardPosition {
        shard: shard.get(),
        index: index.get(),
    };
    v1::CommitToken { positions: positions.iter().map(position).collect() }
}
