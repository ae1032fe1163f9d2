//! A JSON line without a message is its own message: its members need no second showing beside it.

use std::collections::HashSet;

use serde_json::{Map, Value};

/// The names of a message's members, when it is a JSON object.
#[derive(Debug)]
pub(super) struct OwnMembers(HashSet<String>);

impl OwnMembers {
    /// Of any message; one that is no object has none.
    pub(super) fn of(message: &[u8]) -> Self {
        if !(message.starts_with(b"{") && message.ends_with(b"}")) {
            return Self(HashSet::new());
        }
        let members: Map<String, Value> = serde_json::from_slice(message).unwrap_or_default();
        // What is under `metadata` becomes attributes without that word before them.
        let inner = members.get("metadata").and_then(Value::as_object);
        let inner = inner.into_iter().flat_map(|inner| inner.keys().cloned());
        Self(inner.chain(members.keys().cloned()).collect())
    }

    /// Whether an attribute is, or is inside, one of the members.
    pub(super) fn have(&self, attribute: &str) -> bool {
        !self.0.is_empty() && self.0.contains(&first_of_path(attribute))
    }
}

/// `a.b` of `a\.b.c`: the outermost member's own name.
fn first_of_path(path: &str) -> String {
    let mut name = String::new();
    let mut characters = path.chars();
    while let Some(character) = characters.next() {
        match character {
            '.' => break,
            '\\' => name.extend(characters.next()),
            other => name.push(other),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_told_from_other_attributes() {
        let own = OwnMembers::of(br#"{"user":{"id":4},"a.b":1,"metadata":{"host":"h"}}"#);
        for shown in ["user.id", r"a\.b", "host"] {
            assert!(own.have(shown), "{shown}");
        }
        for other in ["users", "a.b", "id"] {
            assert!(!own.have(other), "{other}");
        }
        for message in [&b"user said {}"[..], b"{user}", b""] {
            assert!(!OwnMembers::of(message).have("user"));
        }
    }
}
