//! Histories of runs, which people may edit and others may write.

use varve_jepsen::history::{read, write};

use crate::{Memory, Target};

/// A history as text.
pub(super) const EDN: Target = Target {
    name: "history",
    run: |input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        if let Ok(history) = read(text) {
            let written = write(&history);
            match read(&written) {
                Ok(again) => assert_eq!(write(&again), written, "it reads back as another"),
                Err(error) => panic!("a history that was written does not read back: {error}"),
            }
        }
    },
    mend: None,
    memory: Memory { bytes: 64 << 10, per_byte: 1 << 10 },
};
