//! Whether copies are alike: every node reads all it holds again, and digests are compared.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::super::load::Sent;
use super::super::server::{now, pause};
use super::nodes::Cluster;

/// How long copies may take until they are alike: those of open shards follow what is written.
const LIMIT: Duration = Duration::from_secs(60);

impl Cluster {
    /// Every node that is up answers with what was sent, and all copies are alike.
    pub(super) fn check(&self, sent: &Sent) {
        for server in self.servers() {
            sent.check(server);
        }
        self.check_copies(sent.rows());
    }

    /// Waits until each shard has as many copies as it can have, all alike, with so many rows in
    /// all. Copies of an open shard are compared at the last entry that all have applied, which
    /// followers hear of a little later.
    pub(super) fn check_copies(&self, rows: u64) {
        let begun = now();
        loop {
            let found = self.try_check_copies().and_then(|found| {
                let differs = || format!("copies of {found} rows instead of {rows}");
                (found == rows).then_some(()).ok_or_else(differs)
            });
            match found {
                Ok(()) => return,
                Err(why) if begun.elapsed() > LIMIT => panic!("{why}"),
                Err(_) => pause(Duration::from_millis(500)),
            }
        }
    }

    fn try_check_copies(&self) -> Result<u64, String> {
        let (_, asked) = self.up().next().expect("a node is up");
        let output = asked.run(&["cluster", "verify", "--output", "json"]);
        let found: Value = serde_json::from_slice(&output.stdout)
            .map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())?;
        if found["ok"] != true || !output.status.success() {
            return Err(format!("{found:#}"));
        }
        let mut shards: BTreeMap<u64, Vec<&Value>> = BTreeMap::new();
        for copy in found["copies"].as_array().expect("copies") {
            shards.entry(copy["shard"].as_u64().expect("a number")).or_default().push(copy);
        }
        let times = self.up().count().min(3);
        let mut rows = 0;
        for copies in shards.values() {
            let alike = |key: &str| copies.iter().all(|copy| copy[key] == copies[0][key]);
            let is_closed = copies[0]["applied_index"].is_null();
            let files_alike = !is_closed || alike("files_digest");
            if copies.len() != times || !alike("rows") || !alike("content_digest") || !files_alike {
                return Err(format!("{copies:#?}"));
            }
            rows += copies[0]["rows"].as_u64().expect("a number");
        }
        Ok(rows)
    }
}
