//! Partitions: what goes from some nodes to some others is dropped. Clients reach all nodes all the
//! while.

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use super::{Nemesis, Outcome, minority, nodes};
use crate::Failure;
use crate::db::Cluster;

/// Pairs of which it is looked at whether they are cut.
const LOOKED_AT: usize = 3;

/// How nodes are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One from all others.
    One,
    /// As many as may be away from the others.
    Halves,
    /// The same, with whoever leads most among the few.
    LeaderAway,
    /// Each sees a majority, and no two the same one.
    Ring,
    /// Two halves that see each other only over one node, which does not pass anything on.
    Bridge,
    /// The few hear the others and are not heard, or the other way round.
    OneWay,
}

pub(super) struct Partition(pub(super) Shape);

impl Nemesis for Partition {
    fn bring(&mut self, cluster: &mut Cluster, random: &mut StdRng) -> Result<Outcome, Failure> {
        let mut places = cluster.places();
        places.shuffle(random);
        if self.0 == Shape::LeaderAway {
            let leader = cluster.leader()?;
            places.sort_by_key(|&place| place != leader);
        }
        let pairs = cut(self.0, &places, random.random());
        cluster.cut(&pairs)?;
        let mut looked_at = pairs.clone();
        looked_at.shuffle(random);
        for &(from, to) in looked_at.iter().take(LOOKED_AT) {
            if cluster.reaches(from, to)? {
                let why = format!("node {} still reaches node {}", from + 1, to + 1);
                return Ok(Outcome::Indeterminate(why));
            }
        }
        let away = &places[..minority(places.len()).max(1)];
        Ok(Outcome::Installed(match self.0 {
            Shape::One => format!("{} alone", nodes(&places[..1])),
            Shape::Halves | Shape::LeaderAway => format!("{} away from the others", nodes(away)),
            Shape::Ring => format!("{} in a ring", nodes(&places)),
            Shape::Bridge => {
                format!("{} sees all, and two halves not each other", nodes(&places[..1]))
            }
            Shape::OneWay => format!("{} pairs, one way, around {}", pairs.len(), nodes(away)),
        }))
    }

    fn end(&mut self, cluster: &mut Cluster) -> Result<(), Failure> {
        cluster.cut(&[])
    }
}

/// The pairs (from, to) between which nothing goes, where these are the places in the order in which
/// they are cut off.
fn cut(shape: Shape, places: &[usize], is_turned: bool) -> Vec<(usize, usize)> {
    let count = places.len();
    let few = minority(count).max(1);
    let is_cut = |from: usize, to: usize| match shape {
        Shape::One => from == 0 || to == 0,
        Shape::Halves | Shape::LeaderAway => (from < few) != (to < few),
        Shape::Ring => {
            let apart = from.abs_diff(to);
            apart.min(count - apart) > (count / 2).div_ceil(2)
        }
        Shape::Bridge => from != 0 && to != 0 && (from <= few) != (to <= few),
        Shape::OneWay => {
            let (from, to) = if is_turned { (to, from) } else { (from, to) };
            from < few && to >= few
        }
    };
    let pairs = (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
    let cut = pairs.filter(|&(from, to)| from != to && is_cut(from, to));
    cut.map(|(from, to)| (places[from], places[to])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many nodes each sees, itself included, that see it too.
    fn seen(shape: Shape, is_turned: bool) -> Vec<usize> {
        let cut = cut(shape, &[0, 1, 2, 3, 4], is_turned);
        let sees =
            |from: usize, to: usize| !cut.contains(&(from, to)) && !cut.contains(&(to, from));
        (0..5).map(|from| (0..5).filter(|&to| sees(from, to)).count()).collect()
    }

    #[test]
    fn shapes_leave_what_their_names_say() {
        assert_eq!(seen(Shape::One, false), [1, 4, 4, 4, 4]);
        assert_eq!(seen(Shape::Halves, false), [2, 2, 3, 3, 3]);
        assert_eq!(seen(Shape::Ring, false), [3, 3, 3, 3, 3]);
        assert_eq!(seen(Shape::Bridge, false), [5, 3, 3, 3, 3]);
        for is_turned in [false, true] {
            assert_eq!(seen(Shape::OneWay, is_turned), [2, 2, 3, 3, 3]);
            assert_eq!(cut(Shape::OneWay, &[0, 1, 2, 3, 4], is_turned).len(), 6);
        }
    }
}
