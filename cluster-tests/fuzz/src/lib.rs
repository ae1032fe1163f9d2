//! Fuzz targets: every reader of bytes that come from a client, a peer or a disk, each as one
//! function of any bytes that panics when a promise is broken.
//!
//! ```text
//! corpus/NAME/* ──▶ tests: as they are and mutated, on the pinned toolchain, in CI
//!               ──▶ libfuzzer/fuzz_targets/NAME.rs: mutated for hours, led by coverage (make fuzz)
//!                              │
//!                              ▼
//!            Target::check: the bytes as they are; then with every checksum set right
//! ```
//!
//! A decoder behind a checksum never meets a mutated byte. So a target says how to mend what it
//! reads, and each input is read both ways: damaged, as from a disk that rots, and forged, as from
//! a peer that is broken or hostile.
//!
//! More than panics is looked for. What reads must be written as what reads back as the same; and
//! reading may hold no more memory at a time than [`Memory`] allows for an input of its length,
//! which the allocator of this crate counts. libFuzzer and the tests bound the time.
//!
//! Nothing here knows a fuzzer: this crate has no dependency that an ordinary build has not.

mod allocation;
mod formats;
mod script;
mod targets;

pub use targets::{TARGETS, sound_pieces, sound_tables};

/// One reader of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: of the folder of its corpus, and of its program under libFuzzer.
    pub name: &'static str,
    /// Reads any bytes; panics when a promise is broken.
    run: fn(&[u8]),
    /// Sets the checksums in any bytes right, where there are any.
    mend: Option<fn(&mut [u8])>,
    /// What reading may hold.
    memory: Memory,
}

/// How much memory a reader may hold at a time.
#[derive(Clone, Copy, Debug)]
struct Memory {
    /// However short the input is: what its format may expand to, and what a reader needs anyway.
    bytes: usize,
    /// For each byte of the input.
    per_byte: usize,
}

impl Target {
    /// The target of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Reads an input as it is, and mended where that makes it another.
    ///
    /// # Panics
    ///
    /// When a promise is broken: the input is then worth keeping.
    pub fn check(&self, input: &[u8]) {
        self.read(input);
        if let Some(mend) = self.mend {
            let mut mended = input.to_vec();
            mend(&mut mended);
            if mended != input {
                self.read(&mended);
            }
        }
    }

    fn read(&self, input: &[u8]) {
        let Memory { bytes, per_byte } = self.memory;
        let allowed = bytes + per_byte * input.len();
        let held = allocation::most_held(|| (self.run)(input));
        assert!(
            held <= allowed,
            "{}: {held} bytes of memory for an input of {}; {allowed} are allowed",
            self.name,
            input.len()
        );
    }
}

/// Reads an input as the target of a name does.
///
/// # Panics
///
/// When a promise is broken, and when there is no such target.
pub fn check(name: &str, input: &[u8]) {
    let target = Target::named(name);
    target.unwrap_or_else(|| panic!("BUG: there is no target {name}")).check(input);
}
