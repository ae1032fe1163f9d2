//! Pieces of the server by themselves, for whoever changes one: `cargo bench -p varve-benches`.
//!
//! They run on rows of the seeded corpus, in memory, but for the rounds of the write-ahead log,
//! which are synced to the folder for temporary files.

mod bitmaps;
mod encoder;
mod filters;
mod rows;
mod segments;
mod wal_rounds;

criterion::criterion_group!(
    name = pieces;
    config = criterion::Criterion::default().sample_size(20);
    targets = encoder::encode, segments::write, bitmaps::intersect, filters::find, wal_rounds::sync
);
criterion::criterion_main!(pieces);
