//! Tests of the world as nodes meet it: both disks against each other, crashes against a model.

mod crash;
mod equivalence;
mod locks;
mod script;
mod trace;
