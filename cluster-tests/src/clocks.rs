//! The system's clocks, replaced: the C library's `clock_gettime`, under std's `Instant` and
//! `SystemTime`, answers with virtual time on threads where a simulation runs.
//!
//! What asks tokio for the time needs none of this. Some libraries ask the system: HTTP servers for
//! the date in an answer's head, HTTP/2 for how long ago a stream was reset. As with
//! [`crate::entropy`], the symbol is interposed for the whole test binary.

use std::cell::Cell;
use std::ffi::c_int;
use std::time::Duration;

use varve_env::sim::EPOCH;

thread_local! {
    static ELAPSED: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// What the monotonic clock says when a simulation begins: more than any time that somebody might
/// subtract from it.
const BOOTED: Duration = Duration::from_secs(1_000_000);

/// By so much a clock goes on each time that it is read: some libraries wait for it to.
const A_LOOK: Duration = Duration::from_micros(1);

/// Puts the clocks of this thread forward to so much virtual time. They never go back.
pub(crate) fn advance_thread(elapsed: Duration) {
    ELAPSED.set(Some(ELAPSED.get().map_or(elapsed, |before| before.max(elapsed))));
}

/// What the C library's function of this name does.
///
/// # Safety
///
/// `time` must be valid for a write.
#[expect(unsafe_code, reason = "interposing a C function is the purpose, and needs its signature")]
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    let begun = match clock {
        libc::CLOCK_REALTIME => Some(Duration::from_nanos(EPOCH.0.unsigned_abs())),
        libc::CLOCK_MONOTONIC => Some(BOOTED),
        _ => None,
    };
    // A thread whose locals are gone is about to end: the system may serve it.
    let elapsed = ELAPSED.try_with(Cell::get).ok().flatten();
    if let (Some(begun), Some(elapsed)) = (begun, elapsed) {
        ELAPSED.set(Some(elapsed + A_LOOK));
        let now = begun + elapsed;
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let now = libc::timespec { tv_sec: seconds, tv_nsec: now.subsec_nanos().into() };
        // SAFETY: the caller promises that it may be written.
        unsafe { time.write(now) };
        return 0;
    }
    // SAFETY: the arguments are those of the system call, under the same promise.
    let done = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
    c_int::try_from(done).unwrap_or(-1)
}
