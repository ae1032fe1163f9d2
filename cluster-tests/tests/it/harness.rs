//! The harness tests itself: runs repeat, faults happen, and planted bugs are found.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant, SystemTime};

use varve_cluster_tests::{
    Action, Crashes, Episodes, Failure, Partitions, Report, Simulation, note, seeds,
};
use varve_env::sim::{Action as DiskAction, Fault};

use crate::register::{Ack, add_and_check, serve};

fn register(seed: u64, ack: Ack) -> Simulation {
    Simulation::new(seed)
        .node("server", move |world| serve(world, ack))
        .client("client", |world| add_and_check(world, "server", 60))
        .under(Crashes {
            every: Duration::from_millis(200)..Duration::from_secs(4),
            down: Duration::from_millis(10)..Duration::from_secs(1),
            ..Crashes::default()
        })
        .under(Partitions(Episodes {
            lasting: Duration::from_millis(100)..Duration::from_secs(1),
            ..Episodes::default()
        }))
}

fn fails(simulation: Simulation) -> Failure {
    simulation.try_run().expect_err("the run should have found something")
}

#[test]
fn what_was_acknowledged_survives_whatever_happens() {
    let test = "harness::what_was_acknowledged_survives_whatever_happens";
    let summaries = seeds::run_each(test, 20, |seed| register(seed, Ack::Synced));
    let happened = seeds::happened(&summaries);
    for fault in ["kill", "power loss", "power cut while writing", "partition", "repair"] {
        let missed = !seeds::is_replay() && !happened.contains_key(fault);
        assert!(!missed, "{fault} never happened: {happened:?}");
    }
}

#[test]
fn an_acknowledgement_before_the_sync_is_found_out() {
    let found = (0..20).filter_map(|seed| register(seed, Ack::Written).try_run().err());
    let found: Vec<Failure> = found.collect();
    assert!(found.len() >= 5, "only {} of 20 seeds found the bug", found.len());
    for failure in found {
        assert!(failure.what.contains("acknowledged and lost"), "{failure}");
    }
}

#[test]
fn a_seed_repeats_its_run_and_another_one_does_not() {
    let [first, again, other] = [1, 1, 2].map(|seed| register(seed, Ack::Synced).run());
    assert_eq!(first.events, again.events);
    assert_eq!(first.digest, again.digest);
    assert_ne!(first.digest, other.digest);
}

#[test]
fn a_seed_repeats_its_run_in_another_process() {
    let test = "harness::a_seed_repeats_its_run_in_another_process";
    let digests = || seeds::run_each(test, 3, |seed| register(seed, Ack::Synced));
    assert_eq!(digests(), digests());
}

#[test]
fn libraries_that_ask_the_system_for_randomness_or_the_time_repeat_too() {
    let test = "harness::libraries_that_ask_the_system_for_randomness_or_the_time_repeat_too";
    let digests = || seeds::run_each(test, 3, ask_libraries);
    let first = digests();
    assert_eq!(first, digests());
    assert!(first.windows(2).all(|pair| pair[0].digest != pair[1].digest));
}

#[expect(clippy::disallowed_methods, reason = "so do libraries that know of no simulation")]
fn ask_libraries(seed: u64) -> Simulation {
    Simulation::new(seed).client("client", |_| async {
        let (mut left, mut right) = (0, 0);
        for _ in 0..64 {
            tokio::select! {
                () = async {} => left += 1,
                () = async {} => right += 1,
            }
        }
        let hash = RandomState::new().hash_one("x");
        let rand = rand::random::<u64>();
        let (time, begun) = (SystemTime::now(), Instant::now());
        // As some do until their clock is set.
        while begun.elapsed() < Duration::from_millis(5) {}
        note(format_args!("{hash} {rand} {left} {right} {time:?} {:?}", begun.elapsed()));
        Ok(())
    })
}

#[test]
fn a_panic_that_a_runtime_swallows_fails_the_run() {
    let failure = fails(Simulation::new(1).client("client", |_| async {
        let task = tokio::spawn(async { panic!("swallowed") });
        assert!(task.await.is_err());
        Ok(())
    }));
    assert!(failure.what.contains("swallowed"), "{failure}");
}

#[test]
fn a_node_that_ends_for_no_reason_fails_the_run() {
    let client = |_| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(())
    };
    let node = |_| async { Err("tired".into()) };
    let failure = fails(Simulation::new(1).node("node", node).client("client", client));
    assert!(failure.what.contains("tired"), "{failure}");
}

#[test]
fn clients_that_are_stuck_fail_the_run() {
    let simulation = Simulation::new(1)
        .duration_max(Duration::from_secs(5))
        .client("client", |_| std::future::pending());
    let failure = fails(simulation);
    assert!(failure.what.contains("without completing"), "{failure}");
}

#[test]
fn a_node_ends_when_its_disk_fails_and_comes_back() {
    let fault = |action| Action::Disk {
        node: "server".to_owned(),
        fault: Fault { action, under: "/".into(), times: 1 },
    };
    let report: Report = Simulation::new(5)
        .node("server", |world| serve(world, Ack::Synced))
        .client("client", |world| add_and_check(world, "server", 60))
        .at(Duration::from_secs(2), fault(DiskAction::SyncData))
        .at(Duration::from_secs(6), fault(DiskAction::Write))
        .run();
    assert_eq!(report.times("disk fault"), 2);
    assert_eq!(report.times("end after a disk fault"), 2);
    assert_eq!(report.times("restart"), 2);
}

#[test]
fn a_wrong_clock_is_wrong_by_what_was_said() {
    let report = Simulation::new(1)
        .node("server", |world| async move {
            loop {
                tokio::time::sleep(Duration::from_millis(1_500)).await;
                note(format_args!("at {}", world.env.clock.now().0));
            }
        })
        .client("client", |_| async {
            tokio::time::sleep(Duration::from_secs(4)).await;
            Ok(())
        })
        .at(
            Duration::from_secs(2),
            Action::Skew { node: "server".to_owned(), skew_ns: -1_000_000_000 },
        )
        .run();
    let shown: Vec<i64> = report
        .events
        .iter()
        .filter_map(|event| event.split(" at ").nth(1)?.parse::<i64>().ok())
        .map(|ns| (ns - varve_env::sim::EPOCH.0) / 100_000_000)
        .collect();
    assert_eq!(shown, [15, 20]);
}
