//! Names of attributes as paths: members joined with dots, a dot or backslash inside a member's
//! own name escaped with a backslash.

use std::borrow::Cow;

/// Appends a member's name to a path, escaped; a dot first, unless the path begins here.
pub(crate) fn push_member(path: &mut String, first: bool, member: &str) {
    if !first {
        path.push('.');
    }
    if !member.contains(['.', '\\']) {
        path.push_str(member);
        return;
    }
    for character in member.chars() {
        if matches!(character, '.' | '\\') {
            path.push('\\');
        }
        path.push(character);
    }
}

/// The members of a path, unescaped, each with the path up to and with it; or `None` when a
/// backslash escapes neither a dot nor a backslash, which no path of JSON does.
pub(crate) fn members(path: &str) -> Option<Vec<(Cow<'_, str>, &str)>> {
    let mut members = Vec::new();
    let mut start = 0;
    let mut escaped = false;
    let mut end_of_member = |start: usize, end: usize| {
        members.push((unescape(&path[start..end]), &path[..end]));
    };
    for (at, byte) in path.bytes().enumerate() {
        match byte {
            b'.' | b'\\' if escaped => escaped = false,
            _ if escaped => return None,
            b'\\' => escaped = true,
            b'.' => {
                end_of_member(start, at);
                start = at + 1;
            }
            _ => {}
        }
    }
    if escaped {
        return None;
    }
    end_of_member(start, path.len());
    Some(members)
}

fn unescape(member: &str) -> Cow<'_, str> {
    if !member.contains('\\') {
        return Cow::Borrowed(member);
    }
    let mut plain = String::with_capacity(member.len());
    let mut characters = member.chars();
    while let Some(character) = characters.next() {
        plain.push(if character == '\\' { characters.next().unwrap_or('\\') } else { character });
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn members_come_back(names in proptest::collection::vec("[a.\\\\é]{0,3}", 1..5)) {
            let mut path = String::new();
            let mut prefixes = Vec::new();
            for (depth, name) in names.iter().enumerate() {
                push_member(&mut path, depth == 0, name);
                prefixes.push(path.clone());
            }
            let found = members(&path).expect("a path");
            prop_assert!(found.iter().map(|(name, _)| name).eq(&names));
            prop_assert!(found.iter().map(|(_, prefix)| *prefix).eq(&prefixes));
        }

        #[test]
        fn no_text_panics(path in "[a.\\\\é]{0,8}") {
            let _ = members(&path);
        }
    }
}
