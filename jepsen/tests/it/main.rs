//! Checkers, and the histories that they are tried on.

mod histories;
mod text;
