//! Real processes: the varve binary is started, used, killed and started again.

mod bad_input;
mod damage;
mod disk_full;
mod kill;
mod load;
mod metrics;
mod rollover;
mod server;
mod shared;
mod tour;
