//! Which fault comes next: each once before any a second time, in an order that the seed decides.

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};

/// An endless order of so many faults.
#[derive(Debug)]
pub struct Schedule {
    random: StdRng,
    count: usize,
    left: Vec<usize>,
}

impl Schedule {
    /// The order of `count` faults.
    #[must_use]
    pub fn new(seed: u64, count: usize) -> Self {
        Self { random: StdRng::seed_from_u64(seed ^ u64::MAX), count, left: Vec::new() }
    }

    /// The next of them, by its place; `None` when there are none.
    pub fn pick(&mut self) -> Option<usize> {
        if self.left.is_empty() {
            self.left = (0..self.count).collect();
            self.left.shuffle(&mut self.random);
        }
        self.left.pop()
    }

    /// Randomness for what a fault itself leaves open.
    pub fn randomness(&mut self) -> StdRng {
        StdRng::seed_from_u64(self.random.random())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_comes_once_before_any_comes_again() {
        let mut schedule = Schedule::new(3, 4);
        for _ in 0..5 {
            let mut round: Vec<_> = (0..4).filter_map(|_| schedule.pick()).collect();
            round.sort_unstable();
            assert_eq!(round, [0, 1, 2, 3]);
        }
        assert_eq!(Schedule::new(3, 0).pick(), None);
    }
}
