//! Whole nodes, one to seven, under everything that the catalogue of faults has for a simulation:
//! what was acknowledged is there, once, for the next query and for ever (G1, G2, G4).

mod client;
mod grpc;
mod load;
mod mutants;
mod operator;
mod recorder;
mod replicas;
mod scenarios;

use varve_cluster_tests::seeds;

use self::scenarios::{
    bad_network, changing_members, failing_disk, failing_disks_of_three, filling_disk, lying_disk,
    merging_under_fire, quiet, replicated_under_fire, rotting_disk, spread_under_fire, swarm,
    three_quiet, under_fire, wrong_clocks,
};

#[test]
fn a_quiet_node_stores_everything_once() {
    seeds::run_each("simulation::a_quiet_node_stores_everything_once", 1, quiet);
}

#[test]
fn acknowledged_records_survive_crashes_once() {
    let test = "simulation::acknowledged_records_survive_crashes_once";
    let happened = seeds::happened(&seeds::run_each(test, 6, under_fire));
    for fault in ["kill", "power loss", "power cut while writing", "partition"] {
        let missed = !seeds::is_replay() && !happened.contains_key(fault);
        assert!(!missed, "{fault} never happened: {happened:?}");
    }
}

#[test]
fn acknowledged_records_survive_crashes_of_three_nodes_once() {
    let test = "simulation::acknowledged_records_survive_crashes_of_three_nodes_once";
    let happened = seeds::happened(&seeds::run_each(test, 3, replicated_under_fire));
    for fault in ["kill", "power loss", "partition"] {
        let missed = !seeds::is_replay() && !happened.contains_key(fault);
        assert!(!missed, "{fault} never happened: {happened:?}");
    }
}

#[test]
fn acknowledged_records_survive_the_loss_of_all_power_once() {
    let test = "simulation::acknowledged_records_survive_the_loss_of_all_power_once";
    let happened = seeds::happened(&seeds::run_each(test, 3, spread_under_fire));
    for fault in ["kill", "power loss", "partition"] {
        let missed = !seeds::is_replay() && !happened.contains_key(fault);
        assert!(!missed, "{fault} never happened: {happened:?}");
    }
}

#[test]
fn acknowledged_records_survive_failing_disks_of_three_nodes_once() {
    let test = "simulation::acknowledged_records_survive_failing_disks_of_three_nodes_once";
    let happened = seeds::happened(&seeds::run_each(test, 3, failing_disks_of_three));
    for fault in ["disk fault", "end after a disk fault"] {
        let missed = !seeds::is_replay() && !happened.contains_key(fault);
        assert!(!missed, "{fault} never happened: {happened:?}");
    }
}

#[test]
fn three_quiet_nodes_store_everything_once() {
    let test = "simulation::three_quiet_nodes_store_everything_once";
    seeds::run_each(test, 1, three_quiet);
}

#[test]
fn merges_lose_nothing_to_crashes() {
    let test = "simulation::merges_lose_nothing_to_crashes";
    let happened = seeds::happened(&seeds::run_each(test, 4, merging_under_fire));
    assert!(seeds::is_replay() || happened.contains_key("power loss"), "{happened:?}");
    for (simulation, closed) in [(merging_under_fire(0), false), (under_fire(0), true)] {
        let merged = format!("closed={closed}");
        let events = simulation.run().events;
        let found = events.iter().any(|e| e.contains("segments merged") && e.contains(&merged));
        assert!(found, "no segments were merged while {merged}");
    }
}

#[test]
fn a_seed_repeats_a_whole_node_bit_for_bit() {
    let test = "simulation::a_seed_repeats_a_whole_node_bit_for_bit";
    let run = || seeds::run_each(test, 2, under_fire);
    assert_eq!(run(), run());
}

#[test]
fn a_seed_repeats_three_nodes_bit_for_bit() {
    let test = "simulation::a_seed_repeats_three_nodes_bit_for_bit";
    let run = || seeds::run_each(test, 2, replicated_under_fire);
    assert_eq!(run(), run());
}

#[test]
fn acknowledged_records_survive_a_failing_disk_once() {
    let test = "simulation::acknowledged_records_survive_a_failing_disk_once";
    let happened = seeds::happened(&seeds::run_each(test, 4, failing_disk));
    for fault in ["disk fault", "end after a disk fault"] {
        let missed = !seeds::is_replay() && !happened.contains_key(fault);
        assert!(!missed, "{fault} never happened: {happened:?}");
    }
}

#[test]
fn acknowledged_records_survive_a_full_disk_once() {
    let test = "simulation::acknowledged_records_survive_a_full_disk_once";
    let happened = seeds::happened(&seeds::run_each(test, 4, filling_disk));
    assert!(happened.contains_key("disk limit"), "{happened:?}");
}

#[test]
fn a_disk_that_lies_about_syncs_is_found_out() {
    let found = (0..3).filter_map(|seed| lying_disk(seed).try_run().err()).count();
    assert!(found > 0, "no seed noticed that nothing was ever synced");
}

#[test]
fn acknowledged_records_survive_a_bad_network_once() {
    let test = "simulation::acknowledged_records_survive_a_bad_network_once";
    let happened = seeds::happened(&seeds::run_each(test, 4, bad_network));
    for fault in ["partition", "ring of majorities", "clog", "slow network", "losses"] {
        let missed = !seeds::is_replay() && !happened.contains_key(fault);
        assert!(!missed, "{fault} never happened: {happened:?}");
    }
}

#[test]
fn acknowledged_records_survive_wrong_clocks_once() {
    let test = "simulation::acknowledged_records_survive_wrong_clocks_once";
    let happened = seeds::happened(&seeds::run_each(test, 3, wrong_clocks));
    let missed = !seeds::is_replay() && !happened.contains_key("clock skew");
    assert!(!missed, "no clock was wrong: {happened:?}");
}

#[test]
fn acknowledged_records_survive_a_rotting_disk_once() {
    let test = "simulation::acknowledged_records_survive_a_rotting_disk_once";
    let happened = seeds::happened(&seeds::run_each(test, 4, rotting_disk));
    assert!(seeds::is_replay() || happened.contains_key("rot"), "{happened:?}");
}

#[test]
fn acknowledged_records_survive_changes_of_members_once() {
    let test = "simulation::acknowledged_records_survive_changes_of_members_once";
    let happened = seeds::happened(&seeds::run_each(test, 4, changing_members));
    assert!(seeds::is_replay() || happened["end for good"] >= 4, "{happened:?}");
}

#[test]
fn acknowledged_records_survive_a_swarm_of_faults_once() {
    let test = "simulation::acknowledged_records_survive_a_swarm_of_faults_once";
    seeds::run_each(test, 50, swarm);
}
