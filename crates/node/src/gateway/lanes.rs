//! The gateway's own keys, for requests that come without one.
//!
//! A shard remembers the last 256 sequences of a producer, and a producer has at most 64 in
//! flight; so the gateway is as many producers ("lanes") as it takes to keep that rule. The
//! lanes of one boot have a name of their own, so a restarted gateway never reuses a key. A lane
//! with a batch whose outcome is not known gives out no more keys: its client may resend that
//! batch much later.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use varve_types::{BatchKey, Epoch, ProducerId, ProducerKey, Sequence, TenantId, limits};

/// Gives out keys.
#[derive(Debug)]
pub(super) struct Lanes {
    /// Names this boot: no other boot of any gateway has it.
    name: String,
    open: Arc<Mutex<OpenLanes>>,
}

#[derive(Debug, Default)]
struct OpenLanes {
    lanes: Vec<Lane>,
    made: u64,
}

#[derive(Debug)]
struct Lane {
    number: u64,
    producer: ProducerKey,
    next: Sequence,
    in_flight: BTreeSet<Sequence>,
}

/// A key in use. Dropped without [`Ticket::acknowledged`], its lane is retired.
#[derive(Debug)]
pub(super) struct Ticket {
    key: BatchKey,
    lane: u64,
    open: Arc<Mutex<OpenLanes>>,
    acknowledged: bool,
}

impl Lanes {
    /// Lanes named after a number that no other boot will have.
    #[must_use]
    pub(super) fn new(boot: u64) -> Self {
        Self { name: format!("gateway-{boot:016x}"), open: Arc::default() }
    }

    /// The next key for a tenant's batch.
    #[must_use]
    pub(super) fn next_key(&self, tenant: TenantId) -> Ticket {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let usable =
            open.lanes.iter().position(|lane| lane.producer.tenant == tenant && lane.has_room());
        let at = usable.unwrap_or_else(|| {
            let number = open.made;
            open.made += 1;
            open.lanes.push(Lane::new(&self.name, number, tenant));
            open.lanes.len() - 1
        });
        let lane = &mut open.lanes[at];
        let sequence = lane.next;
        lane.next = sequence.next();
        lane.in_flight.insert(sequence);
        Ticket {
            key: BatchKey { producer: lane.producer.clone(), sequence },
            lane: lane.number,
            open: Arc::clone(&self.open),
            acknowledged: false,
        }
    }
}

impl Lane {
    fn new(name: &str, number: u64, tenant: TenantId) -> Self {
        let producer = ProducerId::new(&format!("{name}-{number}"))
            .expect("BUG: the gateway's own name is not a producer id");
        Self {
            number,
            producer: ProducerKey { tenant, producer, epoch: Epoch(0) },
            next: Sequence::FIRST,
            in_flight: BTreeSet::new(),
        }
    }

    /// Whether the next sequence keeps the rule: n only after n - 64 was acknowledged.
    fn has_room(&self) -> bool {
        self.in_flight
            .first()
            .is_none_or(|lowest| self.next.get() - lowest.get() < limits::PRODUCER_WINDOW)
    }
}

impl Ticket {
    /// The key.
    #[must_use]
    pub(super) const fn key(&self) -> &BatchKey {
        &self.key
    }

    /// Says that the batch's outcome is known, so that the lane can go on.
    pub(super) fn acknowledged(mut self) {
        self.acknowledged = true;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.acknowledged {
            open.lanes.retain(|lane| lane.number != self.lane);
        } else if let Some(lane) = open.lanes.iter_mut().find(|lane| lane.number == self.lane) {
            lane.in_flight.remove(&self.key.sequence);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: TenantId = TenantId(0);

    #[test]
    fn keys_are_unique_and_no_lane_runs_ahead_of_its_window() {
        let lanes = Lanes::new(7);
        let tickets: Vec<Ticket> = (0..200).map(|_| lanes.next_key(TENANT)).collect();
        let keys: BTreeSet<&BatchKey> = tickets.iter().map(Ticket::key).collect();
        assert_eq!(keys.len(), 200);
        assert!(keys.iter().all(|key| key.sequence.get() <= limits::PRODUCER_WINDOW));
    }

    #[test]
    fn a_lane_goes_on_when_its_batches_are_acknowledged_and_ends_when_one_is_not() {
        let lanes = Lanes::new(7);
        for number in 1..=1000 {
            let ticket = lanes.next_key(TENANT);
            assert_eq!(ticket.key().sequence.get(), number);
            ticket.acknowledged();
        }
        let unknown = lanes.next_key(TENANT);
        let retired = unknown.key().producer.clone();
        drop(unknown);
        let next = lanes.next_key(TENANT);
        assert_ne!(next.key().producer, retired);
    }
}
