//! A client of the Rust SDK: gRPC to one node at a time, and to another when that one fails. What it
//! sends again by itself is part of one call.

use std::time::Duration;

use varve_client::{AppendError, Appended, Order, Query, RetryPolicy};

use super::payload::{element_of, word};
use super::{Outcome, PAGE_ROWS, Payload, Target, Targets};
use crate::history::{Found, Place, Selection};

/// Cloning shares the addresses and the connection.
#[derive(Clone, Debug)]
pub struct SdkClient {
    targets: Targets,
    /// Clients begin with different nodes.
    number: u64,
    patience: Duration,
    run: u64,
    /// The connection, and the nodes that there were when it was made.
    connected: Option<(varve_client::Client, Vec<Target>)>,
}

impl SdkClient {
    /// A client of these nodes, which waits no longer than so for an answer.
    #[must_use]
    pub const fn new(targets: Targets, number: u64, patience: Duration, run: u64) -> Self {
        Self { targets, number, patience, run, connected: None }
    }

    /// Appends a batch; where its rows are is not told.
    pub async fn append(&mut self, payload: &Payload) -> Outcome<Vec<Place>> {
        let key = match payload.key() {
            Ok(key) => key,
            Err(error) => return Outcome::Wrong(error.to_string()),
        };
        let client = match self.client().await {
            Ok(client) => client,
            Err(why) => return Outcome::Refused(why),
        };
        match client.append(&key, &payload.records()).await {
            Ok(Appended::Stored { .. }) => Outcome::Done(Vec::new()),
            // It keeps to the window, so that nothing of it can have been forgotten.
            Ok(Appended::Earlier) => Outcome::Wrong(format!("{key:?} is said to be forgotten")),
            Err(AppendError::GaveUp { last, .. }) => Outcome::Unknown(last),
            Err(error) => Outcome::Wrong(format!("{key:?}: {error}")),
        }
    }

    /// Finds all rows of a selection.
    pub async fn search(&mut self, selection: Selection) -> Outcome<Vec<Found>> {
        let client = match self.client().await {
            Ok(client) => client,
            Err(why) => return Outcome::Refused(why),
        };
        let pages = self.pages(&client, selection);
        match tokio::time::timeout(self.patience, pages).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Refused("no answer in time".to_owned()),
        }
    }

    async fn pages(
        &self,
        client: &varve_client::Client,
        selection: Selection,
    ) -> Outcome<Vec<Found>> {
        let mut found = Vec::new();
        loop {
            let query = Query {
                words: word(self.run, selection),
                order: Order::Oldest,
                offset: found.len() as u64,
                limit: u32::try_from(PAGE_ROWS).unwrap_or(u32::MAX),
                ..Query::default()
            };
            let answer = match client.query(&query).await {
                Ok(answer) => answer,
                Err(error) => return Outcome::Refused(error.to_string()),
            };
            let total = answer.total();
            let records = match answer.collect().await {
                Ok(records) => records,
                Err(error) => return Outcome::Refused(error.to_string()),
            };
            let count = records.len();
            for stored in records {
                let message = str::from_utf8(&stored.record.message).ok();
                let Some(element) = message.and_then(element_of) else {
                    return Outcome::Wrong(format!("never sent: {stored:?}"));
                };
                let stored_at_ns = Some(stored.created_at.get());
                found.push(Found { element, place: Place::from(stored.id), stored_at_ns });
            }
            if count < PAGE_ROWS {
                return if total == Some(found.len() as u64) {
                    Outcome::Done(found)
                } else {
                    Outcome::Wrong(format!("{} of {total:?} rows: {query:?}", found.len()))
                };
            }
        }
    }

    /// The connection to the nodes that there are now.
    async fn client(&mut self) -> Result<varve_client::Client, String> {
        let targets = self.targets.all();
        if let Some((client, before)) = &self.connected
            && *before == targets
        {
            return Ok(client.clone());
        }
        let mut urls: Vec<String> = targets.iter().map(Target::grpc_url).collect();
        let first = usize::try_from(self.number).unwrap_or(0) % urls.len().max(1);
        urls.rotate_left(first);
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        let connecting = varve_client::Client::connect_any(&urls);
        let connected = tokio::time::timeout(self.patience, connecting).await;
        let client = connected.map_err(|_| "no connection in time".to_owned())?;
        let client = client.map_err(|error| error.to_string())?.with_policy(RetryPolicy {
            patience: self.patience,
            answer_timeout: self.patience / 2,
            ..RetryPolicy::default()
        });
        self.connected = Some((client.clone(), targets));
        Ok(client)
    }
}
