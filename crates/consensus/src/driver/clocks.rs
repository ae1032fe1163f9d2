//! Whether the nodes' clocks agree while they are connected: a connection checks them only when it
//! begins.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::{info, warn};
use varve_types::limits::CLOCK_DIFFERENCE_MAX;
use varve_types::{NodeId, TimestampNs};

/// How far a node's clock is from that of the one that looks, in ns and ahead of it; `None` while
/// that is no more than it may be.
pub(crate) fn clock_off_ns(here: TimestampNs, there: TimestampNs) -> Option<i64> {
    let apart = Duration::from_nanos(here.get().abs_diff(there.get()));
    (apart > CLOCK_DIFFERENCE_MAX).then(|| there.get().saturating_sub(here.get()))
}

/// The nodes whose clocks are off, as this node said in its log.
#[derive(Default)]
pub(crate) struct Clocks(Mutex<BTreeSet<NodeId>>);

/// What is to be said of a node's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// It came to be off, by so many seconds.
    Off(u64),
    /// It agrees again.
    Agrees,
}

impl Clocks {
    /// A node's clock was seen; it is said when that is another matter than before.
    pub(super) fn seen(&self, node: NodeId, here: TimestampNs, there: TimestampNs) {
        match self.change(node, here, there) {
            Some(Change::Off(seconds)) => warn!(
                node = node.get(),
                "the clock here says {here}, that of node {node} {there}: they are {seconds} s \
                 apart, and at most {} s are allowed; let both follow a time server. Connections \
                 that are made anew are refused until then",
                CLOCK_DIFFERENCE_MAX.as_secs()
            ),
            Some(Change::Agrees) => info!(
                node = node.get(),
                "the clock of node {node} agrees again: it says {there}, the one here {here}"
            ),
            None => {}
        }
    }

    fn change(&self, node: NodeId, here: TimestampNs, there: TimestampNs) -> Option<Change> {
        let mut off = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match clock_off_ns(here, there) {
            Some(by) => off
                .insert(node)
                .then(|| Change::Off(Duration::from_nanos(by.unsigned_abs()).as_secs())),
            None => off.remove(&node).then_some(Change::Agrees),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_NS: i64 = 60_000_000_000;

    #[test]
    fn a_clock_that_goes_off_is_told_of_once_and_when_it_agrees_again() {
        let (clocks, node) = (Clocks::default(), NodeId(2));
        let here = TimestampNs(1_700_000_000_000_000_000);
        let see = |off_ns: i64| clocks.change(node, here, TimestampNs(here.get() + off_ns));
        assert_eq!(see(0), None);
        assert_eq!(see(5 * MINUTE_NS), None);
        assert_eq!(see(-5 * MINUTE_NS - 1), Some(Change::Off(300)));
        assert_eq!(see(-6 * MINUTE_NS), None);
        assert_eq!(see(60 * MINUTE_NS), None);
        assert_eq!(see(4 * MINUTE_NS), Some(Change::Agrees));
        assert_eq!(see(0), None);
        assert_eq!(see(60 * MINUTE_NS), Some(Change::Off(3600)));
        // Another node's clock is another matter.
        let late = TimestampNs(i64::MIN);
        assert!(matches!(clocks.change(NodeId(3), here, late), Some(Change::Off(_))));
        assert_eq!(clock_off_ns(TimestampNs(i64::MAX), late), Some(i64::MIN));
    }
}
