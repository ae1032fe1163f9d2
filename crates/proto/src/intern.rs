//! One copy of each string that repeats within a request.

use std::collections::HashSet;
use std::sync::Arc;

/// Strings seen so far. Grows with the distinct strings of one request, and goes with it.
#[derive(Debug, Default)]
pub struct Interner {
    seen: HashSet<Arc<str>>,
}

impl Interner {
    /// The one copy of a string. `guess` is looked at first: records of one request mostly
    /// repeat what the record before had in the same place.
    #[must_use]
    pub fn intern(&mut self, text: &str, guess: Option<&Arc<str>>) -> Arc<str> {
        if let Some(guess) = guess
            && **guess == *text
        {
            return Arc::clone(guess);
        }
        if let Some(known) = self.seen.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.seen.insert(Arc::clone(&new));
        new
    }
}
