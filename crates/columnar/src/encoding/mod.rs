//! Encodings of runs of values, each with its decoder beside it. All of them are told how many
//! values to expect by what surrounds them, so no count that was read decides an allocation.

pub(crate) mod bitpack;
pub(crate) mod bytes;
pub(crate) mod compression;
pub(crate) mod interner;
pub(crate) mod ints;
pub(crate) mod planes;
pub(crate) mod presence;
pub(crate) mod shapes;
pub(crate) mod varint;
