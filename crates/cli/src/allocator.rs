//! The program's allocator: jemalloc, which gives memory back to the system after a peak
//! (docs/decisions/0009), but for how it zeroes memory.
//!
//! jemalloc hands large zeroed memory out by giving its pages back to the kernel and faulting them
//! in anew, which interrupts every core. Buffers of pages are such memory, thousands a second, so
//! here zeroed memory is plain memory that is then overwritten, as the trait does by default.

#![expect(unsafe_code, reason = "there is no safe way to be an allocator")]

use std::alloc::{GlobalAlloc, Layout};

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

struct Allocator;

// SAFETY: every method passes its arguments on to jemalloc, unchanged, and answers what it
// answered, so what callers promise and what they are promised is jemalloc's.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the same.
        unsafe { Jemalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the same.
        unsafe { Jemalloc.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise is the same.
        unsafe { Jemalloc.realloc(memory, layout, new_size) }
    }
}
