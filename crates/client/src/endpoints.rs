//! The nodes that a client may talk to, and which of them it talks to now.
//!
//! Any node takes any request, so a client stays with one until that fails, and goes on with the
//! next. Clones of a client share the choice: what one finds out the others need not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use crate::error::{ConnectError, root_cause};

/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection over which nothing comes back for this long is broken.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// One node.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    index: usize,
    /// What errors call it.
    pub(crate) name: String,
    pub(crate) channel: Channel,
}

/// Several nodes, of which one is talked to.
#[derive(Clone, Debug)]
pub(crate) struct Endpoints {
    places: Arc<[Place]>,
    current: Arc<AtomicUsize>,
}

impl Endpoints {
    /// Connects to the first that answers; to the others when they are needed.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Endpoint`] when one is not a URL, [`ConnectError::Unreachable`] when nobody
    /// answers at any of them.
    pub(crate) async fn connect(names: &[&str]) -> Result<Self, ConnectError> {
        let made = names.iter().map(|name| endpoint(name));
        let made = made.collect::<Result<Vec<Endpoint>, _>>()?;
        let mut reason = "no address is given".to_owned();
        for (first, endpoint) in made.iter().enumerate() {
            match endpoint.connect().await {
                Ok(channel) => {
                    let mut channels: Vec<Channel> =
                        made.iter().map(Endpoint::connect_lazy).collect();
                    channels[first] = channel;
                    let names = names.iter().map(|name| (*name).to_owned());
                    let endpoints = Self::over(channels.into_iter().zip(names));
                    endpoints.current.store(first, Ordering::Relaxed);
                    return Ok(endpoints);
                }
                Err(error) => reason = root_cause(&error),
            }
        }
        Err(ConnectError::Unreachable { endpoint: names.join(", "), reason })
    }

    /// Uses channels made elsewhere, with what errors call them; at least one.
    pub(crate) fn over(channels: impl IntoIterator<Item = (Channel, String)>) -> Self {
        let places = channels.into_iter().enumerate();
        let places = places.map(|(index, (channel, name))| Place { index, name, channel });
        Self { places: places.collect(), current: Arc::default() }
    }

    /// The node that is talked to now.
    pub(crate) fn current(&self) -> &Place {
        &self.places[self.current.load(Ordering::Relaxed)]
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.places.len()
    }

    /// A node failed: the next one is talked to, unless somebody has moved on already.
    pub(crate) fn leave(&self, failed: &Place) {
        let next = (failed.index + 1) % self.places.len();
        // Whoever came first has chosen.
        let _ =
            self.current.compare_exchange(failed.index, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}

fn endpoint(name: &str) -> Result<Endpoint, ConnectError> {
    let refused = |problem: String| ConnectError::Endpoint { endpoint: name.to_owned(), problem };
    if !name.starts_with("http://") {
        return Err(refused("it does not begin with http://".to_owned()));
    }
    let made =
        Endpoint::from_shared(name.to_owned()).map_err(|error| refused(root_cause(&error)))?;
    Ok(made
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(8 << 20))
}
