//! What replicas and nodes say to each other, and what they keep of the catalog and of themselves.

use std::path::Path;

use bytes::Bytes;
use varve_consensus::{draw_disk, fuzzing, has_identity};
use varve_env::sim::{SimDisk, world};
use varve_env::{Disk, OpenMode};

use crate::formats::envelope::{mend_catalog_file, mend_text_file};
use crate::script::Script;
use crate::{Memory, Target};

const MEMORY: Memory = Memory { bytes: 64 << 10, per_byte: 256 };

/// A message or an entry, behind the number of its kind.
pub(super) const MESSAGES: Target = Target {
    name: "consensus_message",
    run: |input| {
        let Some((&kind, bytes)) = input.split_first() else { return };
        let read = fuzzing::READINGS[usize::from(kind) % fuzzing::READINGS.len()];
        read(Bytes::copy_from_slice(bytes));
    },
    mend: None,
    memory: MEMORY,
};

/// News of the catalog, each behind its length.
pub(super) const NEWS: Target = Target {
    name: "catalog_news",
    run: |input| {
        let mut script = Script::new(input);
        let mut news = Vec::new();
        while !script.is_empty() {
            news.push(Bytes::copy_from_slice(script.chunk()));
        }
        fuzzing::told_news(news);
    },
    mend: None,
    // The hash space may be divided into all the shards that there can be.
    memory: Memory { bytes: 64 << 20, per_byte: 1 << 10 },
};

/// The file that the catalog is saved in.
pub(super) const CATALOG_FILE: Target = Target {
    name: "catalog_file",
    run: |input| fuzzing::saved_catalog(&Bytes::copy_from_slice(input)),
    mend: Some(mend_catalog_file),
    memory: MEMORY,
};

/// The files that say which node a disk is, behind a byte that says which of the two it is.
pub(super) const IDENTITY: Target = Target {
    name: "identity_file",
    run: |input| {
        let mut script = Script::new(input);
        let name = if script.byte().is_multiple_of(2) { "node" } else { "disk" };
        identify(name, script.rest());
    },
    mend: Some(|input| {
        if let Some((_, file)) = input.split_first_mut() {
            mend_text_file(file);
        }
    }),
    memory: Memory { bytes: 256 << 10, per_byte: 64 },
};

fn identify(name: &str, bytes: &[u8]) {
    let (disk, dir) = (SimDisk::new(), Path::new("/data"));
    let write = || {
        disk.create_dir_all(dir)?;
        let file = disk.open(&dir.join(name), OpenMode::Create)?;
        file.write_all_at(bytes, 0)
    };
    write().expect("BUG: the simulated disk has no faults");
    super::run(async {
        let env = world(1, &disk);
        if name == "node" {
            // A file that is there is never taken for none: the disk would be another node.
            assert!(!has_identity(&env, dir).await.is_ok_and(|known| !known), "it is overlooked");
        } else if let Ok(drawn) = draw_disk(&env, dir).await {
            assert_eq!(draw_disk(&env, dir).await.ok(), Some(drawn), "a disk's number changed");
        }
    });
}
