//! Bad weather between all nodes: late, lost, doubled and overtaking packets, and links that clog.

use std::time::Duration;

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use super::{Nemesis, Outcome, nodes, some};
use crate::Failure;
use crate::db::{Cluster, Wind};

/// How long it is looked whether packets meet the weather.
const LOOK: Duration = Duration::from_secs(2);

/// How often links clog and come free again.
const CLOGS: u32 = 4;
const CLOG: Duration = Duration::from_millis(1_500);

/// All of the cluster's own packets meet a wind.
pub(super) struct Blow(pub(super) Wind);

impl Nemesis for Blow {
    fn bring(&mut self, cluster: &mut Cluster, _: &mut StdRng) -> Result<Outcome, Failure> {
        let before = cluster.passed();
        cluster.blow(&all_pairs(&cluster.places()), self.0)?;
        std::thread::sleep(LOOK);
        let now = cluster.passed();
        let came = now.came - before.came;
        let (lost, twice) = (now.lost - before.lost, now.twice - before.twice);
        let what = format!("{came} packets in {LOOK:?}, {lost} lost, {twice} twice; {:?}", self.0);
        let is_seen = came > 0
            && (self.0.lost_of_1000 == 0 || lost > 0)
            && (self.0.twice_of_1000 == 0 || twice > 0);
        Ok(if is_seen { Outcome::Installed(what) } else { Outcome::Indeterminate(what) })
    }

    fn end(&mut self, cluster: &mut Cluster) -> Result<(), Failure> {
        cluster.blow(&[], Wind::default())
    }
}

/// Links between some nodes and all others hold everything back, and let it all through at once, again
/// and again.
pub(super) struct Clog;

impl Nemesis for Clog {
    fn bring(&mut self, cluster: &mut Cluster, random: &mut StdRng) -> Result<Outcome, Failure> {
        let before = cluster.passed();
        let places = cluster.places();
        let mut whom = Vec::new();
        for _ in 0..CLOGS {
            let count = random.random_range(1..=2);
            let clogged = some(&places, count, random);
            let mut pairs = all_pairs(&places);
            pairs.retain(|(from, to)| clogged.contains(from) != clogged.contains(to));
            pairs.shuffle(random);
            pairs.truncate(pairs.len().div_ceil(2).max(1));
            cluster.blow(&pairs, Wind { is_clogged: true, ..Wind::default() })?;
            std::thread::sleep(CLOG);
            cluster.blow(&pairs, Wind::default())?;
            whom.extend(clogged);
        }
        let held = cluster.passed().came - before.came;
        let what = format!("{held} packets held back around {}", nodes(&whom));
        Ok(if held > 0 { Outcome::Installed(what) } else { Outcome::Indeterminate(what) })
    }

    fn end(&mut self, cluster: &mut Cluster) -> Result<(), Failure> {
        cluster.blow(&[], Wind::default())
    }
}

fn all_pairs(places: &[usize]) -> Vec<(usize, usize)> {
    let pairs = places.iter().flat_map(|&from| places.iter().map(move |&to| (from, to)));
    pairs.filter(|(from, to)| from != to).collect()
}
