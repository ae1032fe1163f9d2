//! Random choices that are the same for a seed for ever, and the sum of the information in them.
//!
//! Every choice the corpus makes goes through here, so that the entropy it states cannot forget
//! one. Generators of libraries may change between versions; SplitMix64 is a definition.

/// A source of choices that counts the bits of information it hands out.
#[derive(Debug)]
pub(crate) struct Random {
    state: u64,
    bits: f64,
}

/// Choices of unequal probability.
#[derive(Debug)]
pub(crate) struct Weights {
    /// Probability that a choice is this one or an earlier one.
    cumulative: Vec<f64>,
    bits: Vec<f64>,
}

impl Weights {
    pub(crate) fn new(weights: &[f64]) -> Self {
        let sum: f64 = weights.iter().sum();
        let mut so_far = 0.0;
        let cumulative = weights
            .iter()
            .map(|weight| {
                so_far += weight / sum;
                so_far
            })
            .collect();
        let bits = weights.iter().map(|weight| -(weight / sum).log2()).collect();
        Self { cumulative, bits }
    }

    /// The n-th choice is as probable as 1 / n.
    pub(crate) fn zipfian(choices: u32) -> Self {
        let weights: Vec<f64> = (1..=choices).map(|rank| 1.0 / f64::from(rank)).collect();
        Self::new(&weights)
    }
}

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { state: seed, bits: 0.0 }
    }

    /// The information in all choices so far.
    pub(crate) const fn bits(&self) -> f64 {
        self.bits
    }

    /// 64 bits.
    pub(crate) fn word(&mut self) -> u64 {
        self.bits += 64.0;
        self.next()
    }

    /// A number below `end`, all equally probable.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.bits += (end as f64).log2();
        // The high half of the product: the bias is below end / 2^64.
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    pub(crate) fn choose(&mut self, weights: &Weights) -> usize {
        let point = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        let found = weights.cumulative.partition_point(|&cumulative| cumulative <= point);
        let choice = found.min(weights.bits.len() - 1);
        self.bits += weights.bits[choice];
        choice
    }

    const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        let mut random = Random::new(1_234_567);
        let words: Vec<u64> = (0..3).map(|_| random.word()).collect();
        assert_eq!(words, [6457827717110365317, 3203168211198807973, 9817491932198370423]);
        assert!((random.bits() - 192.0).abs() < 1e-9);
    }

    #[test]
    fn choices_occur_as_often_as_their_weights_say() {
        let weights = Weights::new(&[3.0, 1.0]);
        let mut random = Random::new(1);
        let first = (0..40_000).filter(|_| random.choose(&weights) == 0).count();
        assert!((29_500..30_500).contains(&first), "{first}");
        // The entropy of (3/4, 1/4).
        assert!((random.bits() / 40_000.0 - 0.811).abs() < 0.01, "{}", random.bits());
    }
}
