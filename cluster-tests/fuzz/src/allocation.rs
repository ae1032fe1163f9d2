//! How much memory a piece of work holds at most: an allocator that counts, for each thread by
//! itself, so that tests which run at the same time do not see each other.
//!
//! What C libraries allocate is not seen; zstd's share is a context, and what it writes into is
//! ours.

#![expect(unsafe_code, reason = "there is no safe way to be an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The system's allocator, counted.
struct Counting;

thread_local! {
    /// Bytes that this thread holds; below zero when it frees what others made.
    static HELD: Cell<isize> = const { Cell::new(0) };
    /// The most that it held since that was asked for.
    static MOST: Cell<isize> = const { Cell::new(0) };
}

/// The most bytes that `work` holds at a time, beyond what was held before it.
pub(crate) fn most_held(work: impl FnOnce()) -> usize {
    let before = HELD.get();
    MOST.set(before);
    work();
    MOST.get().saturating_sub(before).unsigned_abs()
}

fn count(bytes: isize) {
    // At a thread's end its counters are gone before its last memory is.
    let _ = HELD.try_with(|held| {
        held.set(held.get().wrapping_add(bytes));
        let _ = MOST.try_with(|most| most.set(most.get().max(held.get())));
    });
}

// SAFETY: every method passes its arguments on to the system's allocator, unchanged, and answers
// what it answered. Counting allocates nothing: the counters are plain cells without destructors.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size.cast_signed() - layout.size().cast_signed());
        // SAFETY: the caller's promise is the same.
        unsafe { System.realloc(memory, layout, new_size) }
    }
}
