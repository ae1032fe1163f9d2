//! Scenarios of placement: files of nodes and questions, each with the answer behind `=>`.
//!
//! ```text
//! nodes 1@a 2@b+3*900 !3@c ~4    id@zone+load*bytes; ! drains, ~ is lost
//! place 4 x 3                    the nodes of so many shards of so many replicas
//! add 1 2                        one more replica beside these
//! spare 1 2 3                    one replica less than these
//! swap 1 2 3                     one for another of these, to be in more zones
//! lead 7:1>2,3*50 8:1>2 not 4    shard:leader>successors*MiB; who is not to lead
//! voters                         of the metadata group
//! ```

use std::collections::BTreeSet;
use std::path::Path;

use varve_placement::{
    Candidate, Led, Standing, Swap, choose_addition, choose_spare, choose_swap, choose_transfer,
    metadata_voters, place,
};
use varve_types::{NodeId, ShardId};

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

fn nodes(words: &str) -> Vec<NodeId> {
    words.split([' ', ',']).filter(|word| !word.is_empty()).map(|w| NodeId(number(w))).collect()
}

fn candidate(word: &str) -> Candidate {
    let (standing, word) = match word.split_at(1) {
        ("!", rest) => (Standing::Draining, rest),
        ("~", rest) => (Standing::Lost, rest),
        _ => (Standing::Active, word),
    };
    let (word, bytes) = word.split_once('*').unwrap_or((word, "0"));
    let (word, load) = word.split_once('+').unwrap_or((word, "0"));
    let (id, zone) = word.split_once('@').unwrap_or((word, ""));
    let zone = zone.to_owned();
    Candidate { node: NodeId(number(id)), zone, standing, load: number(load), bytes: number(bytes) }
}

fn led(word: &str) -> Led {
    let (shard, rest) = word.split_once(':').expect("SHARD:LEADER>SUCCESSORS");
    let (leader, rest) = rest.split_once('>').expect("SHARD:LEADER>SUCCESSORS");
    let (successors, mib) = rest.split_once('*').unwrap_or((rest, "0"));
    Led {
        shard: ShardId(number(shard)),
        leader: NodeId(number(leader)),
        successors: nodes(successors),
        bytes: number::<u64>(mib) << 20,
    }
}

fn list(nodes: &[NodeId]) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn one(node: Option<NodeId>) -> String {
    node.map_or("nobody".to_owned(), |node| node.to_string())
}

fn answer(candidates: &[Candidate], question: &str) -> String {
    let (verb, rest) = question.split_once(' ').unwrap_or((question, ""));
    match verb {
        "place" => {
            let (shards, replicas) = rest.split_once(" x ").expect("SHARDS x REPLICAS");
            match place(candidates.to_vec(), number(shards), number(replicas)) {
                Ok(placed) => placed.iter().map(|n| list(n)).collect::<Vec<_>>().join(" | "),
                Err(error) => error.to_string(),
            }
        }
        "add" => one(choose_addition(candidates, &nodes(rest))),
        "spare" => one(choose_spare(candidates, &nodes(rest))),
        "swap" => choose_swap(candidates, &nodes(rest)).map_or("as it is".to_owned(), |swap| {
            let Swap { comes, goes } = swap;
            format!("{comes} for {goes}")
        }),
        "lead" => {
            let (shards, unfit) = rest.split_once(" not ").unwrap_or((rest, ""));
            let shards: Vec<Led> = shards.split(' ').map(led).collect();
            let unfit: BTreeSet<NodeId> = nodes(unfit).into_iter().collect();
            choose_transfer(&shards, &unfit)
                .map_or("as it is".to_owned(), |(shard, to)| format!("{shard} to {to}"))
        }
        "voters" => metadata_voters(candidates.len()).to_string(),
        _ => panic!("{verb:?} is no question"),
    }
}

#[test]
fn every_scenario_has_its_answer() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut asked = 0;
    for file in std::fs::read_dir(&dir).expect("the scenarios") {
        let path = file.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("readable");
        let mut candidates = Vec::new();
        for (at, line) in text.lines().enumerate() {
            if let Some(words) = line.strip_prefix("nodes") {
                candidates = words.split_whitespace().map(candidate).collect();
            } else if let Some((question, expected)) = line.split_once(" => ") {
                let found = answer(&candidates, question.trim());
                assert_eq!(found, expected, "{}:{}: {question}", path.display(), at + 1);
                asked += 1;
            } else {
                assert!(line.is_empty() || line.starts_with('#'), "{}:{}", path.display(), at + 1);
            }
        }
    }
    assert!(asked > 20, "only {asked} questions were asked");
}
