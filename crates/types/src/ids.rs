//! Identifiers as newtypes, so that a shard cannot be passed where a node is meant.

use std::fmt;

/// Declares one identifier: an integer that orders, hashes, prints and nothing else.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident($int:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $int);

        impl $name {
            /// The plain number, for formats and for arithmetic at the edges.
            #[must_use]
            pub const fn get(self) -> $int {
                self.0
            }

            /// The identifier after this one.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl From<$int> for $name {
            fn from(number: $int) -> Self {
                Self(number)
            }
        }
    };
}

id!(
    /// A machine (more exactly: a data disk) in the cluster, allotted by the catalog, never reused.
    NodeId(u64)
);
id!(
    /// One bucket in one window: one Raft group, opened once, sealed once. Never reused.
    ShardId(u64)
);
id!(
    /// A span of arrival time in which the same shards take the writes.
    WindowId(u64)
);
id!(
    /// One replica of one group on one disk, in one incarnation: Raft's own node id. A disk that
    /// was wiped comes back under another.
    ReplicaId(u64)
);
id!(
    /// For how long rows are kept, as a number that policies give a meaning. Segments hold rows of
    /// one class, so that retention deletes whole files.
    RetentionClass(u8)
);
id!(
    /// A position in a group's replicated log, from 0.
    LogIndex(u64)
);
id!(
    /// A Raft term.
    Term(u64)
);
id!(
    /// A row's place in its block, from 0. With the shard and the index it names a record for ever.
    RowNumber(u32)
);
id!(
    /// A tenant. Tenant 0 is the one that exists before any other is made.
    TenantId(u32)
);

/// A Raft group: the catalog's, or a shard's.
///
/// ```
/// use varve_types::{GroupId, ShardId};
/// assert_eq!(GroupId::CATALOG.to_string(), "catalog");
/// assert_eq!(GroupId::shard(ShardId(7)).to_string(), "shard 7");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(u64);

impl GroupId {
    /// The metadata group. Shards are numbered from 1, so that its 0 is free.
    pub const CATALOG: Self = Self(0);

    /// The group of a shard.
    #[must_use]
    pub const fn shard(shard: ShardId) -> Self {
        Self(shard.0)
    }

    /// The shard of this group, or `None` for the catalog's group.
    #[must_use]
    pub const fn as_shard(self) -> Option<ShardId> {
        if self.0 == 0 { None } else { Some(ShardId(self.0)) }
    }

    /// The number under which logs and messages carry the group.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The group carried under this number.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_shard() {
            None => f.write_str("catalog"),
            Some(shard) => write!(f, "shard {shard}"),
        }
    }
}
