//! What must be so before two nodes talk: the same cluster, the node that is meant, a protocol
//! that both speak, clocks that agree.

use std::fmt;
use std::time::Duration;

use varve_consensus::{ClusterId, Incarnation, Lane, Starts};
use varve_env::Clock;
use varve_proto::v1;
use varve_types::limits::CLOCK_DIFFERENCE_MAX;
use varve_types::{NodeId, TimestampNs};

use super::Identity;

/// The protocols that this version speaks. A message's meaning never changes within one.
pub(super) const PROTOCOL_MIN: u32 = 1;
/// The newest of them.
pub(super) const PROTOCOL_MAX: u32 = 1;
/// This version, for logs.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What one side says of itself.
#[derive(Clone, Debug)]
pub(super) struct Side {
    pub(super) identity: Identity,
    pub(super) protocol_min: u32,
    pub(super) protocol_max: u32,
    pub(super) version: String,
    pub(super) clock: TimestampNs,
}

/// The checks, by the numbers that they have on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub(super) enum Check {
    /// The first frame is what it must be.
    Form = 1,
    /// Both are of one cluster.
    Cluster = 2,
    /// The node that is called is the one that is meant.
    Node = 3,
    /// The caller is a member.
    Member = 4,
    /// Both speak a protocol.
    Protocol = 5,
    /// The clocks agree.
    Clock = 6,
    /// No other process is this node.
    Start = 7,
}

/// Why two nodes do not talk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) check: Check,
    /// With the values of both sides, and the remedy.
    pub(super) reason: String,
}

impl Check {
    pub(super) fn from_number(number: u32) -> Self {
        let all =
            [Self::Cluster, Self::Node, Self::Member, Self::Protocol, Self::Clock, Self::Start];
        all.into_iter().find(|check| *check as u32 == number).unwrap_or(Self::Form)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Side {
    /// This node, now.
    pub(super) fn here(identity: Identity, clock: &Clock) -> Self {
        Self {
            identity,
            protocol_min: PROTOCOL_MIN,
            protocol_max: PROTOCOL_MAX,
            version: VERSION.to_owned(),
            clock: clock.now(),
        }
    }

    /// The other side, as it introduced itself.
    pub(super) fn decode(message: Option<v1::Introduction>) -> Result<Self, Refusal> {
        let malformed = |what: &str| Refusal {
            check: Check::Form,
            reason: format!(
                "the other side did not introduce itself: {what}; is it a node of Varve, of a \
                 version that this one can read?"
            ),
        };
        let message = message.ok_or_else(|| malformed("nothing is there"))?;
        let cluster = decode_u128(&message.cluster).ok_or_else(|| malformed("its cluster"))?;
        Ok(Self {
            identity: Identity {
                cluster: ClusterId(cluster),
                node: NodeId(message.node),
                starts: Starts {
                    this: Incarnation(message.start),
                    before: Some(message.start_before).filter(|&no| no > 0).map(Incarnation),
                },
            },
            protocol_min: message.protocol_min,
            protocol_max: message.protocol_max,
            version: message.version,
            clock: TimestampNs(message.clock_ns),
        })
    }

    pub(super) fn encode(self) -> v1::Introduction {
        let Identity { cluster, node, starts } = self.identity;
        v1::Introduction {
            cluster: encode_u128(cluster.0),
            node: node.get(),
            start: starts.this.0,
            start_before: starts.before.unwrap_or_default().0,
            protocol_min: self.protocol_min,
            protocol_max: self.protocol_max,
            version: self.version,
            clock_ns: self.clock.get(),
        }
    }

    /// Whether this side, which is the one to check, may talk with the other.
    pub(super) fn check(&self, there: &Self) -> Result<(), Refusal> {
        let (me, other) = (self.identity, there.identity);
        if me.cluster != other.cluster {
            return refuse(
                Check::Cluster,
                format!(
                    "node {} is of cluster {}, and node {} of cluster {}: one of them has an \
                     address or a data directory of the other cluster; correct that one",
                    other.node, other.cluster, me.node, me.cluster
                ),
            );
        }
        check_protocol(
            &(self.protocol_min, self.protocol_max, &self.version),
            &(there.protocol_min, there.protocol_max, &there.version),
        )?;
        check_clock(self.clock, there.clock)
    }
}

fn refuse<T>(check: Check, reason: String) -> Result<T, Refusal> {
    Err(Refusal { check, reason })
}

/// Whether the node that is called is the one that is meant.
pub(super) fn check_node(called: NodeId, meant: NodeId) -> Result<(), Refusal> {
    if called == meant {
        return Ok(());
    }
    refuse(
        Check::Node,
        format!(
            "this address is that of node {called}, but node {meant} was called: two nodes have one \
             address, or node {meant} has moved; give each node its own `advertise_peer`"
        ),
    )
}

/// Whether a node may have gone on from its last start that is known here to the one that it says.
pub(super) fn check_start(there: Identity, known: Incarnation) -> Result<(), Refusal> {
    if there.starts.continues(known) {
        return Ok(());
    }
    let node = there.node;
    refuse(
        Check::Start,
        format!(
            "node {node} has been started since on another disk: the data directory of this process \
             is a copy of what it was; to run one node more, start it on an empty data directory with \
             --join"
        ),
    )
}

/// Whether both sides, given as oldest and newest protocol and version, speak one protocol.
pub(super) fn check_protocol(
    here: &(u32, u32, &str),
    there: &(u32, u32, &str),
) -> Result<(), Refusal> {
    if here.0 <= there.1 && there.0 <= here.1 {
        return Ok(());
    }
    let older = if here.1 < there.0 { "this" } else { "the other" };
    refuse(
        Check::Protocol,
        format!(
            "this node has version {} and speaks protocols {} to {}, the other has version {} and \
             speaks {} to {}: update {older} node, one version at a time",
            here.2, here.0, here.1, there.2, there.0, there.1
        ),
    )
}

/// Whether the clocks agree.
pub(super) fn check_clock(here: TimestampNs, there: TimestampNs) -> Result<(), Refusal> {
    let apart = Duration::from_nanos(here.get().abs_diff(there.get()));
    if apart <= CLOCK_DIFFERENCE_MAX {
        return Ok(());
    }
    refuse(
        Check::Clock,
        format!(
            "the clock here says {here}, the other node's {there}: they are {} s apart, and at most \
             {} s are allowed; let both follow a time server",
            apart.as_secs(),
            CLOCK_DIFFERENCE_MAX.as_secs()
        ),
    )
}

pub(super) fn encode_u128(value: u128) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(&value.to_be_bytes())
}

pub(super) fn decode_u128(bytes: &[u8]) -> Option<u128> {
    bytes.try_into().ok().map(u128::from_be_bytes)
}

/// The lane's number on the wire.
pub(super) const fn encode_lane(lane: Lane) -> u32 {
    lane as u32 + 1
}

pub(super) fn decode_lane(number: u32) -> Result<Lane, Refusal> {
    let lane = Lane::ALL.into_iter().find(|lane| encode_lane(*lane) == number);
    lane.ok_or_else(|| Refusal {
        check: Check::Form,
        reason: format!("{number} is no lane that this version knows: update this node"),
    })
}
