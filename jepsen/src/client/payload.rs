//! What a batch holds: rows that name themselves, so that an answer tells which they are, and that
//! are the same whenever and however the batch is sent.

use rand::rngs::StdRng;
use rand::{RngCore as _, SeedableRng as _};
use serde_json::json;
use varve_types::{BatchKey, BatchKeyError, Record, TenantId};

use crate::history::{Batch, Element, Selection};

/// Services among which the rows of a batch are spread: its rows go to several shards.
const SERVICES: u32 = 3;

/// Numbers of noise in a row, 16 characters each: text that does not compress.
const NOISE_NUMBERS: usize = 12;

/// Rows of a batch, at most.
const ROWS_MAX: u64 = 4;

/// A batch with its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Which batch.
    pub batch: Batch,
    /// How many rows it has.
    pub rows: u32,
    /// Of the run: producers of two runs on one cluster are not the same.
    run: u64,
}

impl Payload {
    /// What a batch holds follows from which it is: whoever sends it again needs to keep nothing.
    #[must_use]
    pub fn of(run: u64, batch: Batch) -> Self {
        let rows = 1 + batch.producer.wrapping_mul(31).wrapping_add(batch.sequence) % ROWS_MAX;
        Self { batch, rows: u32::try_from(rows).unwrap_or(1), run }
    }

    /// The name under which its producer numbers batches.
    #[must_use]
    pub fn producer(&self) -> String {
        format!("jepsen-{:x}-{}", self.run, self.batch.producer)
    }

    /// Its key, as HTTP writes it.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        format!("{}:1:{}", self.producer(), self.batch.sequence)
    }

    /// Its key, as the SDK takes it.
    ///
    /// # Errors
    ///
    /// The sequence is 0.
    pub fn key(&self) -> Result<BatchKey, BatchKeyError> {
        BatchKey::parse(TenantId(0), &self.idempotency_key())
    }

    /// Its rows as the SDK takes them.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        let record = |(service, message): (String, String)| Record {
            service: service.into(),
            message: message.into(),
            ..Record::default()
        };
        self.texts().into_iter().map(record).collect()
    }

    /// Its rows as HTTP takes them: a JSON object a line.
    #[must_use]
    pub fn body(&self) -> String {
        let line = |(service, message): (String, String)| {
            format!("{}\n", json!({ "service": service, "message": message }))
        };
        self.texts().into_iter().map(line).collect()
    }

    /// Service and message of each row.
    fn texts(&self) -> Vec<(String, String)> {
        let Batch { producer, sequence } = self.batch;
        let mut noise = StdRng::seed_from_u64(self.run ^ (producer << 20) ^ sequence);
        let text = |row: u32| {
            let noise: String =
                (0..NOISE_NUMBERS).map(|_| format!("{:016x}", noise.next_u64())).collect();
            let all = word(self.run, Selection::All);
            let own = word(self.run, Selection::Producer(producer));
            let one = word(self.run, Selection::Batch(self.batch));
            (format!("service-{}", row % SERVICES), format!("{all} {own} {one} row{row} {noise}"))
        };
        (0..self.rows).map(text).collect()
    }
}

/// The word by which a selection's rows are found.
pub(super) fn word(run: u64, selection: Selection) -> String {
    match selection {
        Selection::All => format!("w{run:x}"),
        Selection::Producer(producer) => format!("w{run:x}p{producer}"),
        Selection::Batch(Batch { producer, sequence }) => format!("w{run:x}p{producer}n{sequence}"),
    }
}

/// Which row a message is, or `None` where nobody sent such a one.
pub(super) fn element_of(message: &str) -> Option<Element> {
    let mut words = message.split(' ').skip(2);
    let (_, numbers) = words.next()?.split_once('p')?;
    let (producer, sequence) = numbers.split_once('n')?;
    let batch = Batch { producer: producer.parse().ok()?, sequence: sequence.parse().ok()? };
    Some(Element { batch, row: words.next()?.strip_prefix("row")?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_names_itself_and_is_the_same_each_time() {
        let batch = Batch { producer: 12, sequence: 7 };
        let payload = Payload::of(0xab, batch);
        let texts = payload.texts();
        let elements: Vec<_> = texts.iter().map(|(_, message)| element_of(message)).collect();
        let wanted: Vec<_> = (0..payload.rows).map(|row| Some(Element { batch, row })).collect();
        assert_eq!(elements, wanted);
        assert_eq!(payload.texts(), texts);
        let word = word(0xab, Selection::Batch(batch));
        assert!(texts.iter().all(|(_, message)| message.split(' ').any(|one| one == word)));
        assert_eq!(element_of("something else"), None);
    }
}
