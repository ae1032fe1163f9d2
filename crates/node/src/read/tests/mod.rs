//! Three nodes answer as one would, whoever is asked and whoever is gone.

mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use varve_query::{Aggregate, Order, Search, Total, WordQuery};
use varve_types::{NodeId, Record, ShardId};

use self::world::{Node, World, virtual_time};
use super::{Consistency, ReadError, ReadOptions};

const STRICT: ReadOptions = ReadOptions { consistency: Consistency::Linearizable, partial: false };
const PARTIAL: ReadOptions = ReadOptions { consistency: Consistency::Linearizable, partial: true };
const STALE: ReadOptions = ReadOptions { consistency: Consistency::Stale, partial: false };

fn searches() -> Vec<Search> {
    let words = |text| WordQuery::parse(text).unwrap();
    let all = Search { limit: 50, ..Search::default() };
    vec![
        all.clone(),
        Search { order: Order::Oldest, offset: 33, ..all.clone() },
        Search { words: words("took 7"), ..all.clone() },
        Search { words: words("\"batch 1\""), total: Total::Unasked, limit: 10, ..all.clone() },
        Search { services: vec!["service-3".to_owned()], offset: 5, ..all.clone() },
        Search { words: words("nothing"), ..all.clone() },
        Search { limit: 0, ..all },
    ]
}

/// What a search answers, by the words of its question.
fn model(search: &Search, stored: &[Record]) -> (u64, Vec<Record>) {
    let text = |record: &Record| format!(" {} ", String::from_utf8_lossy(&record.message));
    let mut found: Vec<Record> = stored
        .iter()
        .filter(|record| {
            let services = &search.services;
            (services.is_empty() || services.iter().any(|name| **name == *record.service))
                && search
                    .words
                    .words()
                    .iter()
                    .all(|word| text(record).contains(&format!(" {word} ")))
                && search.words.phrases().iter().all(|phrase| text(record).contains(phrase))
        })
        .cloned()
        .collect();
    if search.order == Order::Newest {
        found.reverse();
    }
    let total = found.len() as u64;
    (total, found.into_iter().skip(search.offset as usize).take(search.limit as usize).collect())
}

/// Asks one node everything.
async fn check(node: &Node, stored: &[Record], options: ReadOptions) {
    for search in searches() {
        let (total, page) = model(&search, stored);
        let found = node.reader.search(search.clone(), options).await.unwrap();
        let total = (search.total == Total::Exact).then_some(total);
        assert_eq!(found.result.total, total, "{search:?}");
        let hits: Vec<Record> = found.result.hits.iter().map(|hit| hit.record.clone()).collect();
        assert_eq!(hits, page, "{search:?}");
        assert_eq!(found.warnings, Vec::<String>::new());
        for hit in found.result.hits.iter().take(3) {
            assert_eq!(node.reader.find(hit.id, options).await.unwrap().as_ref(), Some(hit));
        }
    }
    let aggregate = Aggregate { by_service: true, by_level: true, ..Aggregate::default() };
    let found = node.reader.aggregate(aggregate, options).await.unwrap().result;
    let mut cells: Vec<_> =
        found.cells.into_iter().map(|cell| (cell.service, cell.level)).collect();
    let before = cells.len();
    cells.dedup();
    assert_eq!(cells.len(), before, "a count is there twice");
    let kinds: BTreeSet<_> =
        stored.iter().map(|record| (Some(record.service.clone()), Some(record.level))).collect();
    assert_eq!(cells.into_iter().collect::<BTreeSet<_>>(), kinds);
    assert_eq!(found.explain.rows_matched, stored.len() as u64);
}

fn holders(node: &Node, shard: ShardId) -> BTreeSet<NodeId> {
    node.host.catalog().shards[&shard].replicas.values().copied().collect()
}

/// The open shards, and where each of them is alone.
fn open(node: &Node) -> Vec<(ShardId, NodeId)> {
    let catalog = node.host.catalog();
    let holder = |shard| *holders(node, shard).first().unwrap();
    catalog.open_shards().map(|(shard, _)| (shard, holder(shard))).collect()
}

#[test]
fn every_node_answers_from_shards_that_lie_anywhere() {
    virtual_time().block_on(async {
        let mut world = World::new(1).await;
        world.store(0, 20).await;
        check(&world.nodes[2], &world.stored, STRICT).await;
        world.split().await;
        let places: BTreeSet<NodeId> = open(&world.nodes[0]).into_iter().map(|at| at.1).collect();
        assert!(places.len() > 1, "all shards are on {places:?}");
        for by in 0..3 {
            world.store(by, 20).await;
            // What was acknowledged at one node is seen at once at each.
            for node in &world.nodes {
                check(node, &world.stored, STRICT).await;
            }
        }
    });
}

#[test]
fn writes_are_seen_while_shards_split() {
    virtual_time().block_on(async {
        let mut world = World::new(3).await;
        world.store(1, 5).await;
        let host = world.nodes[0].host.clone();
        let roll = tokio::spawn(async move { host.roll(ShardId(1)).await });
        for by in (0..3).cycle().take(60) {
            world.store(by, 1).await;
            let node = &world.nodes[(by + 1) % 3];
            let search = Search { limit: 1, ..Search::default() };
            let found = node.reader.search(search, STRICT).await.unwrap();
            assert_eq!(found.result.total, Some(world.stored.len() as u64));
        }
        roll.await.unwrap().unwrap();
        world.split().await;
        check(&world.nodes[2], &world.stored, STRICT).await;
    });
}

#[test]
fn a_majority_answers_without_the_third() {
    virtual_time().block_on(async {
        let mut world = World::new(3).await;
        world.store(0, 10).await;
        world.split().await;
        world.store(2, 20).await;
        for gone in [0, 1, 2] {
            world.unplug(&world.nodes[gone]);
            check(&world.nodes[(gone + 1) % 3], &world.stored, STRICT).await;
            world.plug(&world.nodes[gone]);
        }
    });
}

#[test]
fn another_holder_is_asked_in_place_of_one_that_is_gone() {
    virtual_time().block_on(async {
        let mut world = World::new(2).await;
        world.store(0, 10).await;
        world.split().await;
        world.store(2, 20).await;
        // Two replicas have no quorum without one of them: what is asked for is what they have.
        sleep(Duration::from_secs(2)).await;
        for gone in [0, 1, 2] {
            world.unplug(&world.nodes[gone]);
            for asked in [(gone + 1) % 3, (gone + 2) % 3] {
                check(&world.nodes[asked], &world.stored, STALE).await;
            }
            world.plug(&world.nodes[gone]);
        }
    });
}

#[test]
fn another_holder_is_asked_as_well_when_one_takes_long() {
    virtual_time().block_on(async {
        let mut world = World::new(2).await;
        world.store(0, 10).await;
        world.split().await;
        world.store(2, 20).await;
        sleep(Duration::from_secs(2)).await;
        let all = || Search { limit: 50, ..Search::default() };
        let me = world.nodes[0].host.node();
        let elsewhere = || open(&world.nodes[0]).into_iter().map(|(shard, _)| shard);
        let elsewhere = elsewhere().find(|shard| !holders(&world.nodes[0], *shard).contains(&me));
        assert!(elsewhere.is_some(), "node {me} holds all of it: nobody else is asked");
        let expected = world.nodes[0].reader.search(all(), STRICT).await.unwrap().result;
        let usual = world.parts_asked_for();

        // Both others hang, one for longer than anybody waits: whichever is asked first, the
        // answer of the one that answers counts.
        for (hangs, slow) in [(1, 2), (2, 1)] {
            world.slow_down(&world.nodes[hangs], Duration::from_secs(3600));
            world.slow_down(&world.nodes[slow], Duration::from_secs(3));
            let (before, begun) = (world.parts_asked_for(), Instant::now());
            let found = world.nodes[0].reader.search(all(), STRICT).await.unwrap().result;
            assert_eq!((found.hits, found.total), (expected.hits.clone(), expected.total));
            // Twice, because the records are asked for after the keys.
            assert!(begun.elapsed() < Duration::from_secs(2 * 6), "{:?}", begun.elapsed());
            assert!(world.parts_asked_for() > before, "nobody was asked");
        }
        // Nobody is asked twice who is quick enough.
        for node in &world.nodes {
            world.slow_down(node, Duration::from_millis(1500));
        }
        let before = world.parts_asked_for();
        world.nodes[0].reader.search(all(), STRICT).await.unwrap();
        assert!(world.parts_asked_for() - before <= usual, "{}", world.parts_asked_for() - before);
    });
}

#[test]
fn a_shard_that_nobody_can_serve_is_named() {
    virtual_time().block_on(async {
        let mut world = World::new(1).await;
        world.store(0, 10).await;
        world.split().await;
        world.store(0, 20).await;
        let me = world.nodes[0].host.node();
        let there = open(&world.nodes[0]).into_iter().find(|(_, node)| *node != me);
        let (lost, at) = there.expect("not all shards are on one node");
        let gone = world.nodes.iter().position(|node| node.host.node() == at).unwrap();
        let all = Search { limit: 1000, ..Search::default() };
        let asked = &world.nodes[0].reader;
        let whole = asked.search(all.clone(), STRICT).await.unwrap().result;
        let of_lost = whole.hits.iter().find(|hit| hit.id.shard == lost).unwrap();

        world.unplug(&world.nodes[gone]);
        let error = asked.search(all.clone(), STRICT).await.unwrap_err();
        assert!(matches!(error, ReadError::Unavailable(_)), "{error:?}");
        let error = error.to_string();
        assert!(error.contains(&format!("shard {lost}")), "{error}");
        assert!(error.contains(&format!("node {at}")), "{error}");
        asked.find(of_lost.id, STRICT).await.unwrap_err();
        let partial = asked.search(all.clone(), PARTIAL).await.unwrap();
        assert!(partial.warnings.iter().any(|text| text.contains(&format!("shard {lost}"))));
        let total = partial.result.total.unwrap();
        assert_eq!(total, partial.result.hits.len() as u64);
        assert!(0 < total && total < whole.total.unwrap(), "{total}");
        assert!(partial.result.hits.iter().all(|hit| hit.id.shard != lost));
        assert!(asked.aggregate(Aggregate::default(), STRICT).await.is_err());
        let counted = asked.aggregate(Aggregate::default(), PARTIAL).await.unwrap().result;
        assert_eq!(counted.cells[0].rows, total);

        world.plug(&world.nodes[gone]);
        let again = asked.search(all, STRICT).await.unwrap().result;
        assert_eq!(again.hits, whole.hits);
    });
}
