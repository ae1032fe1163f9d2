//! What clients do next, and which fault comes next: decided from a seed, and from what was
//! acknowledged. It does nothing itself.

mod schedule;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

pub use schedule::Schedule;

use crate::history::{Batch, Selection};

/// Batches of one producer; then another begins, so that no answer grows with the run.
const BATCHES: u64 = 50;

/// The next thing that a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Sends a batch until it is acknowledged.
    Append {
        /// Which.
        batch: Batch,
        /// Whether it is sent to two nodes at once.
        is_hedged: bool,
    },
    /// Sends a batch once more that was acknowledged: nothing may come of it.
    AppendAgain(Batch),
    /// Looks for rows.
    Search(Selection),
}

/// The producers of a run. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Producers(Arc<AtomicU64>);

impl Producers {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Decides for one client.
#[derive(Debug)]
pub struct Generator {
    random: StdRng,
    producers: Producers,
    producer: u64,
    /// How many batches of the producer were acknowledged, all of them before any other.
    acknowledged: u64,
    /// What was acknowledged is looked for next.
    to_look_for: Option<Batch>,
    /// From one step to the next, on average.
    pace: Duration,
}

impl Generator {
    /// Decides for the client of this number.
    #[must_use]
    pub fn new(seed: u64, number: u64, producers: Producers, pace: Duration) -> Self {
        let random = StdRng::seed_from_u64(seed ^ (number << 32));
        let producer = producers.next();
        Self { random, producers, producer, acknowledged: 0, to_look_for: None, pace }
    }

    /// What comes next.
    pub fn step(&mut self) -> Step {
        if let Some(batch) = self.to_look_for.take()
            && self.random.random_ratio(1, 2)
        {
            return Step::Search(Selection::Batch(batch));
        }
        match self.random.random_range(0..100) {
            0..60 => self.append(),
            60..75 if self.acknowledged > 0 => {
                let sequence = self.random.random_range(1..=self.acknowledged);
                Step::AppendAgain(Batch { producer: self.producer, sequence })
            }
            60..75 => self.append(),
            75..90 => Step::Search(Selection::Producer(self.any_producer())),
            _ => {
                let sequence = self.random.random_range(1..=BATCHES);
                Step::Search(Selection::Batch(Batch { producer: self.any_producer(), sequence }))
            }
        }
    }

    /// Must be told of each batch that [`Step::Append`] named, before the next step.
    pub fn acknowledged(&mut self, batch: Batch) {
        self.acknowledged = batch.sequence;
        self.to_look_for = Some(batch);
        if self.acknowledged == BATCHES {
            self.producer = self.producers.next();
            self.acknowledged = 0;
        }
    }

    /// How long to wait before the next step.
    pub fn pause(&mut self) -> Duration {
        self.pace.mul_f64(self.random.random_range(0.0..2.0))
    }

    /// Any number: by it a node is chosen.
    pub fn any(&mut self) -> u64 {
        self.random.random()
    }

    fn append(&mut self) -> Step {
        let batch = Batch { producer: self.producer, sequence: self.acknowledged + 1 };
        Step::Append { batch, is_hedged: self.random.random_ratio(1, 10) }
    }

    fn any_producer(&mut self) -> u64 {
        self.random.random_range(0..self.producers.count().max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_order_and_batches_come_one_after_the_other() {
        let run = || {
            let mut generator = Generator::new(7, 1, Producers::default(), Duration::ZERO);
            let mut steps = Vec::new();
            for _ in 0..1_000 {
                let step = generator.step();
                if let Step::Append { batch, .. } = step {
                    generator.acknowledged(batch);
                }
                steps.push(step);
            }
            steps
        };
        let steps = run();
        assert_eq!(steps, run());
        let appended = steps.iter().filter_map(|step| match step {
            Step::Append { batch, .. } => Some((batch.producer, batch.sequence)),
            _ => None,
        });
        let expected = (0..).flat_map(|producer| (1..=BATCHES).map(move |at| (producer, at)));
        assert!(appended.zip(expected).all(|(is, wanted)| is == wanted));
    }
}
