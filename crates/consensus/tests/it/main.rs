//! Hosts over simulated disks: founding, restarting, rolling over, crashing, and three together.

mod cluster;
mod computer;
mod crash;
mod producer;
mod restart;
mod rollover;
