//! The system's randomness, replaced: the C library's `getrandom`, under std's `RandomState`, the
//! `rand` crates and tokio's `select!`, answers from a seed on threads where a simulation runs.
//!
//! It interposes the symbol for the whole test binary; threads without a seed get what the system
//! gives.

use std::cell::Cell;
use std::ffi::{c_uint, c_void};

thread_local! {
    static STATE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Seeds the randomness of this thread; `None` gives it back to the system.
///
/// A thread keeps state made from earlier answers: a run that shall be repeatable needs a fresh
/// one.
pub fn seed_thread(seed: Option<u64>) {
    STATE.set(seed);
}

/// What the C library's function of this name does.
///
/// # Safety
///
/// `buffer` must be valid for writes of `bytes` bytes.
#[expect(unsafe_code, reason = "interposing a C function is the purpose, and needs its signature")]
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, bytes: usize, flags: c_uint) -> isize {
    // A thread whose locals are gone is about to end: the system may serve it.
    if let Ok(Some(state)) = STATE.try_with(Cell::get) {
        // SAFETY: the caller promises that so many bytes may be written, and bytes have no
        // invariants.
        let buffer = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), bytes) };
        let mut state = state;
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(&split_mix(&mut state).to_le_bytes()[..chunk.len()]);
        }
        STATE.set(Some(state));
        return bytes.cast_signed();
    }
    // SAFETY: the arguments are those of the system call, under the same promise.
    let done = unsafe { libc::syscall(libc::SYS_getrandom, buffer, bytes, flags) };
    done as isize
}

/// The next number of Steele, Lea and Flood's generator: small, and good enough to seed others.
pub(crate) const fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
