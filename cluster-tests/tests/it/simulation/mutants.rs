//! Bugs planted on purpose: each is caught, and a table says by what and under how many seeds.

use std::collections::BTreeMap;
use std::env;

use varve_cluster_tests::{Simulation, seeds};
use varve_mutants::Mutant;

use super::scenarios::{
    cut_off, last_copy_rots, merging_under_fire, quiet, replicated_under_fire, slow_under_fire,
    spread_under_fire, three_quiet, under_fire, wrong_clocks,
};

const TEST: &str = "simulation::mutants::planted_bugs_are_caught";

/// Tells a child which bug its scenario is for.
const MUTANT: &str = "VARVE_SIM_MUTANT";

/// Set to anything, has the child get it.
const PLANTED: &str = "VARVE_SIM_PLANTED";

/// How many seeds to run with every bug. If it is not set, some are run until they are caught once.
const SEEDS: &str = "VARVE_MUTANT_SEEDS";

/// The one bug to plant.
const ONLY: &str = "VARVE_MUTANT";

/// By then a bug is to be caught.
const SEEDS_MAX: u64 = 60;

/// Those that few seeds catch.
const QUICK: [Mutant; 11] = [
    Mutant::AckBeforeSync,
    Mutant::CommitOnMinority,
    Mutant::DedupForgottenBySnapshot,
    Mutant::StaleLeaseRead,
    Mutant::ApplyByTheClock,
    Mutant::DedupByHighestSequence,
    Mutant::InheritSkipped,
    Mutant::FlushDropsWhatCame,
    Mutant::ReadBeforeApplied,
    Mutant::PurgeAheadOfFlush,
    Mutant::TimeoutAcknowledged,
];

/// Where a bug does harm.
fn scenario(mutant: Mutant) -> fn(u64) -> Simulation {
    match mutant {
        Mutant::AckBeforeSync | Mutant::DedupForgottenBySnapshot | Mutant::InheritSkipped => {
            under_fire
        }
        Mutant::CommitOnMinority | Mutant::UnreadShardLeftOut => spread_under_fire,
        Mutant::TruncationInTheMiddle => last_copy_rots,
        Mutant::StaleLeaseRead | Mutant::TimeoutAcknowledged => cut_off,
        Mutant::SealWithoutFence => slow_under_fire,
        Mutant::DedupByHighestSequence => quiet,
        Mutant::FlushDropsWhatCame | Mutant::PurgeAheadOfFlush => merging_under_fire,
        Mutant::ApplyByTheClock => wrong_clocks,
        Mutant::JoinsEarlierRound => three_quiet,
        Mutant::ReadBeforeApplied | Mutant::SuccessorsNotFollowed => replicated_under_fire,
    }
}

/// How one bug fared.
#[derive(Default)]
struct Hunt {
    seeds: usize,
    caught: usize,
    /// How often each checker did it, or what else noticed.
    by: BTreeMap<String, usize>,
    /// Seeds that find something without it.
    false_alarms: Vec<String>,
}

#[test]
fn planted_bugs_are_caught() {
    if let Ok(told) = env::var(MUTANT) {
        let mutant = mutant_of(&told);
        if env::var_os(PLANTED).is_some() {
            mutant.plant();
        }
        seeds::answer_in_child(scenario(mutant));
    }
    let asked: Option<u64> = env::var(SEEDS).ok().map(|text| text.parse().expect("a number"));
    let only = env::var(ONLY).ok().map(|told| mutant_of(&told));
    let mutants = match only {
        Some(_) => only.as_slice(),
        None if asked.is_some() => &Mutant::ALL,
        None => &QUICK,
    };
    let mut wrong = Vec::new();
    println!("{:<26} {:>6} {:>6}  by", "planted bug", "seeds", "caught");
    for mutant in mutants {
        let hunt = Hunt::run(*mutant, asked);
        let by: Vec<String> = hunt.by.iter().map(|(who, times)| format!("{who} {times}")).collect();
        println!("{:<26} {:>6} {:>6}  {}", name(*mutant), hunt.seeds, hunt.caught, by.join(", "));
        if hunt.caught == 0 {
            wrong.push(format!("nobody noticed {}", name(*mutant)));
        }
        wrong.extend(hunt.false_alarms);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

impl Hunt {
    /// Looks for a bug under so many seeds, or until it is caught. What is caught must be the bug:
    /// a seed that finds something finds nothing without it.
    fn run(mutant: Mutant, asked: Option<u64>) -> Self {
        let mut hunt = Self::default();
        let (name, all) = (name(mutant), 0..asked.unwrap_or(SEEDS_MAX));
        let (without, with) = ([(MUTANT, &*name)], [(MUTANT, &*name), (PLANTED, "1")]);
        for seeds in Vec::from_iter(all).chunks(seeds::at_once()) {
            let found = seeds::try_each(TEST, seeds, &with);
            hunt.seeds += found.len();
            let caught = seeds.iter().zip(&found).filter(|(_, found)| found.is_err());
            let caught: Vec<u64> = caught.map(|(seed, _)| *seed).collect();
            for (seed, found) in caught.iter().zip(seeds::try_each(TEST, &caught, &without)) {
                if let Err(complaint) = found {
                    let alarm = format!("{name}: seed {seed} fails without it:\n{complaint}");
                    hunt.false_alarms.push(alarm);
                }
            }
            hunt.caught += caught.len();
            for complaint in found.iter().filter_map(|found| found.as_ref().err()) {
                for who in caught_by(complaint) {
                    *hunt.by.entry(who).or_default() += 1;
                }
            }
            if asked.is_none() && hunt.caught > 0 {
                break;
            }
        }
        hunt
    }
}

fn name(mutant: Mutant) -> String {
    format!("{mutant:?}")
}

/// The bug that a name is of.
fn mutant_of(told: &str) -> Mutant {
    let named = Mutant::ALL.into_iter().find(|mutant| name(*mutant) == told);
    named.unwrap_or_else(|| panic!("no bug is {told}; these are: {:?}", Mutant::ALL))
}

/// The checkers that found a promise broken; or, when none did, what a node or a client
/// noticed by itself.
fn caught_by(complaint: &str) -> Vec<String> {
    let broken = complaint.lines().filter_map(|line| {
        let before = line.split_once(" BROKEN: ")?.0;
        before.split_whitespace().last().map(ToOwned::to_owned)
    });
    let checkers: Vec<String> = broken.collect();
    if checkers.is_empty() { vec!["the nodes themselves".to_owned()] } else { checkers }
}
