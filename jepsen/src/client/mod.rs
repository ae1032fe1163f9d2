//! Real clients: they talk to real nodes, over HTTP and over the Rust SDK's gRPC, and say of each
//! call whether it happened, did not, or nobody knows. They know nothing of histories.

mod http;
mod payload;
mod sdk;

use std::sync::{Arc, PoisonError, RwLock};

pub use http::{HttpClient, is_ready};
pub use payload::Payload;
pub use sdk::SdkClient;

/// Rows of one answer at most: what a node allows.
const PAGE_ROWS: usize = 10_000;

/// How a call ended.
#[derive(Clone, Debug)]
pub enum Outcome<T> {
    /// It happened, and this is the answer.
    Done(T),
    /// It did not happen and will not.
    Refused(String),
    /// Nobody knows.
    Unknown(String),
    /// It was answered as no promise allows.
    Wrong(String),
}

/// Where one node is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `HOST:PORT` of its HTTP.
    pub http: String,
    /// `HOST:PORT` of its gRPC.
    pub grpc: String,
}

impl Target {
    /// The URL of its gRPC.
    #[must_use]
    pub fn grpc_url(&self) -> String {
        format!("http://{}", self.grpc)
    }
}

/// The nodes that clients talk to, which change when nodes join and leave. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Targets(Arc<RwLock<Vec<Target>>>);

impl Targets {
    /// Has all clients talk to these from now on.
    pub fn set(&self, targets: Vec<Target>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = targets;
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Target> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One of them, by any number.
    #[must_use]
    pub fn at(&self, number: u64) -> Option<Target> {
        let targets = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let at = number.checked_rem(targets.len() as u64)?;
        targets.get(usize::try_from(at).ok()?).cloned()
    }
}
