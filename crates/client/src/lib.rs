//! The Rust SDK: how programs send logs to Varve and ask for them.
//!
//! [`Client`] is a connection, to another node when one fails; [`Sender`] sends many batches over it, exactly once whatever
//! breaks. Beside them stands what turns files into records: [`lines`] reads lines, [`recognise`]
//! finds a line's own time and level, [`json_line`] reads JSON objects, [`Batcher`] cuts batches
//! at places that depend on the records alone.
//!
//! ```no_run
//! use varve_client::{Client, Query, Sender};
//! use varve_types::{Epoch, ProducerId, ProducerKey, Record, TenantId};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect("http://127.0.0.1:9431").await?;
//! let producer = ProducerId::new("billing-7")?;
//! let producer = ProducerKey { tenant: TenantId(0), producer, epoch: Epoch(0) };
//! let mut sender = Sender::new(client.clone(), producer);
//! let record = Record { service: "billing".into(), message: "paid".into(), ..Record::default() };
//! let ack = sender.send(&[record]).await?;
//! ack.await?; // On the disks of a quorum.
//!
//! let query = Query { words: "paid".to_owned(), ..Query::default() };
//! println!("{:?} found", client.query(&query).await?.total());
//! # Ok(())
//! # }
//! ```
//!
//! It knows nothing of terminals and opens no files.

mod aggregate;
mod backoff;
mod batch;
mod client;
mod cluster;
mod endpoints;
mod error;
pub mod json_line;
pub mod lines;
mod plain_line;
mod query;
pub mod recognise;
mod sender;

pub use aggregate::{Aggregate, Count, Counts};
pub use backoff::RetryPolicy;
pub use batch::{BATCH_BYTES_MAX, BATCH_ROWS_MAX, Batcher, record_bytes};
pub use client::Client;
pub use error::{AppendError, CallError, ConnectError, Refusal};
pub use plain_line::PlainLines;
pub use query::{Answer, Consistency, Order, Query, StoredRecord, Total};
pub use sender::{Ack, Appended, Sender};
/// The messages of `ClusterService`, as [`Client::status`] answers them.
pub use varve_proto::v1;
