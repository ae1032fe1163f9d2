//! The targets on the pinned toolchain, without a fuzzer.

mod layout;
mod mutations;
mod replay;
mod seeds;
