//! Every stored input, as it is and changed in many ways: the same each time.

use std::panic::catch_unwind;
use std::time::Duration;

use varve_env::Random;
use varve_fuzz::{TARGETS, Target};

use super::mutations::mutate;
use super::seeds::corpus_of;

/// How many changed inputs of one target are read. `VARVE_FUZZ_MUTATIONS` is another number.
const MUTATIONS: usize = 400;

/// Longer than the slowest input takes many times over, in a build without optimisation, on a
/// machine that is busy; far less than what makes somebody wait.
const INPUT_LIMIT: Duration = Duration::from_secs(10);

#[expect(clippy::disallowed_methods, reason = "how long the real work takes is what is asked")]
fn check(target: &Target, what: &str, input: &[u8]) {
    let begun = std::time::Instant::now();
    let read = catch_unwind(|| target.check(input));
    let took = begun.elapsed();
    let said = || format!("{}, {what}, {} bytes: {}", target.name, input.len(), hex(input));
    assert!(read.is_ok(), "a promise is broken (see above) by {}", said());
    assert!(took < INPUT_LIMIT, "{took:?} for {}", said());
}

/// So that an input can be stored: `xxd -r -p`.
fn hex(input: &[u8]) -> String {
    input.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn replay(name: &str) {
    let target = Target::named(name).unwrap_or_else(|| panic!("there is no target {name}"));
    let corpus = corpus_of(name);
    assert!(!corpus.is_empty(), "{name} has no corpus: make fuzz-corpus");
    target.check(&[]);
    for (file, input) in &corpus {
        check(target, file, input);
    }
    let mutations = std::env::var("VARVE_FUZZ_MUTATIONS")
        .map_or(MUTATIONS, |number| number.parse().expect("VARVE_FUZZ_MUTATIONS is a number"));
    // Named targets begin differently, and each always alike.
    let random = Random::seeded(name.bytes().map(u64::from).sum());
    let pick = |random: &Random| {
        let place = random.next_u64() % corpus.len() as u64;
        &corpus[usize::try_from(place).expect("a place in memory")]
    };
    for number in 0..mutations {
        let ((file, input), (_, other)) = (pick(&random), pick(&random));
        check(target, &format!("{file}, change {number}"), &mutate(input, other, &random));
    }
}

/// A test for each target, so that they run at the same time and a failure names its own.
macro_rules! replays {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                replay(stringify!($name));
            }
        )*

        #[test]
        fn every_target_is_replayed() {
            let replayed = [$(stringify!($name)),*];
            let targets: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(replayed[..], targets[..]);
        }
    };
}

replays! {
    wal_recovery wal_records block segment table_page table_section manifest dedup event_hours
    outcome shard_log consensus_message catalog_news catalog_file identity_file peer_frames
    peer_introduction query_fragment query_reply grpc_question http_parameters word_query
    http_json grpc_append content_encoding plain_line json_line identifiers configuration history
}
