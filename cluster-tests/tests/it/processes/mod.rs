//! Real processes: the varve binary is started, used, killed and started again.

mod aggregates;
mod bad_input;
mod cluster;
mod damage;
mod disk_full;
mod explain;
mod grpc;
mod grpc_query;
mod http_api;
mod http_api_search;
mod kill;
mod load;
mod metrics;
mod old_data;
mod overload;
mod rollover;
mod server;
mod shared;
mod tour;
