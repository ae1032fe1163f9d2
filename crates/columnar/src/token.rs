//! What a word is, for whoever indexes words and for whoever seeks them: one definition, so that
//! neither finds what the other lacks.
//!
//! ```text
//! token = 1*( A-Z a-z 0-9 _ | byte >= 0x80 )        as long as it gets
//! ```
//!
//! Tokens are compared with the letters of ASCII in lower case. A line may be any bytes: case
//! beyond ASCII would depend on what they are taken to be.

/// Whether a byte is part of a token.
#[must_use]
pub const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The tokens of some bytes, as they are spelled there.
pub fn tokens(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&byte| !is_token_byte(byte)).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_runs_of_letters_digits_underscores_and_foreign_bytes() {
        let found: Vec<&[u8]> = tokens("GET /a_1?x=ü ".as_bytes()).collect();
        assert_eq!(found, [&b"GET"[..], b"a_1", b"x", "ü".as_bytes()]);
        assert_eq!(tokens(b" .,- ").count(), 0);
    }
}
