//! Messages and types stand for each other.

mod records;
