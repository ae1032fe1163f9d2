//! What a person types into the search box: words and quoted phrases.
//!
//! ```text
//! query  = { word | phrase | separator }
//! word   = 1*( A-Z a-z 0-9 _ | byte >= 0x80 )
//! phrase = '"' { any | '\"' | '\\' } '"'
//! ```
//!
//! Every other character outside quotes separates words. Case folding is that of ASCII alone: a
//! line may be any bytes, and folding by Unicode would depend on what they are taken to be. This
//! module parses; how the words are found is the filters' business.

use std::fmt;

use varve_columnar::is_token_byte;

use crate::limits;

/// Words and phrases, all of which must occur. An empty query asks for nothing, so that every
/// record has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WordQuery {
    words: Vec<String>,
    phrases: Vec<String>,
}

/// Why a text is no word query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordQueryError {
    /// A phrase was begun and never ended.
    #[error(
        "the quote opened at byte {position} of the query is never closed; end the phrase with \
         a quote, or write \\\" for a quote inside one"
    )]
    UnclosedQuote {
        /// Byte offset of the opening quote, from 0.
        position: usize,
    },
    /// More words and phrases than one search may look for.
    #[error(
        "the query asks for more than {max} different words and phrases: the one at byte \
         {position} is too many",
        max = limits::TERMS_MAX
    )]
    TooManyTerms {
        /// Byte offset of the first term past the limit, from 0.
        position: usize,
    },
}

impl WordQueryError {
    /// Where in the text the trouble is: a byte offset, from 0.
    #[must_use]
    pub const fn position(&self) -> usize {
        match self {
            Self::UnclosedQuote { position } | Self::TooManyTerms { position } => *position,
        }
    }
}

impl WordQuery {
    /// Reads a query.
    ///
    /// # Errors
    ///
    /// [`WordQueryError`] for a quote that is never closed, and for more than
    /// [`limits::TERMS_MAX`] different terms.
    ///
    /// ```
    /// use varve_query::WordQuery;
    /// let query = WordQuery::parse(r#"Timeout "read failed" db_1"#).expect("parses");
    /// assert_eq!(query.words(), ["timeout", "db_1"]);
    /// assert_eq!(query.phrases(), ["read failed"]);
    /// ```
    pub fn parse(text: &str) -> Result<Self, WordQueryError> {
        let mut query = Self::default();
        let mut rest = text;
        while let Some(first) = rest.bytes().next() {
            let position = text.len() - rest.len();
            if first == b'"' {
                let (phrase, after) =
                    quoted(&rest[1..]).ok_or(WordQueryError::UnclosedQuote { position })?;
                add(&mut query.phrases, phrase);
                rest = after;
            } else if is_token_byte(first) {
                // Every byte of a character outside ASCII is a token byte, so this cuts at a
                // character's border.
                let end = rest.bytes().position(|byte| !is_token_byte(byte)).unwrap_or(rest.len());
                add(&mut query.words, rest[..end].to_ascii_lowercase());
                rest = &rest[end..];
            } else {
                rest = &rest[1..];
            }
            if query.words.len() + query.phrases.len() > limits::TERMS_MAX {
                return Err(WordQueryError::TooManyTerms { position });
            }
        }
        Ok(query)
    }

    /// The words, each once, in lower case, as first written.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The phrases, each once, in lower case, unescaped, none empty.
    #[must_use]
    pub fn phrases(&self) -> &[String] {
        &self.phrases
    }

    /// Whether nothing is asked for.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.words.is_empty() && self.phrases.is_empty()
    }
}

/// As a text that reads back as the same query.
impl fmt::Display for WordQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for word in &self.words {
            write!(f, "{word} ")?;
        }
        for phrase in &self.phrases {
            write!(f, "\"{}\" ", phrase.replace('\\', r"\\").replace('"', r#"\""#))?;
        }
        Ok(())
    }
}

/// An empty phrase occurs everywhere, and a term asked for twice is asked for.
fn add(terms: &mut Vec<String>, term: String) {
    if !term.is_empty() && !terms.contains(&term) {
        terms.push(term);
    }
}

/// The phrase up to its closing quote, in lower case, and what follows that quote. A backslash
/// before anything but a quote or a backslash stands for itself, so that `"C:\Windows"` is what
/// it seems.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut phrase = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((phrase, &text[at + 1..])),
            '\\' => match chars.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                Some((_, escaped)) => phrase.push(escaped),
                None => phrase.push('\\'),
            },
            _ => phrase.push(char.to_ascii_lowercase()),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &Expect) {
        let shown = match WordQuery::parse(text) {
            Ok(query) => format!("{:?} {:?}", query.words, query.phrases),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn words_and_phrases_are_told_apart() {
        check("", &expect!["[] []"]);
        check(" .,;- ", &expect!["[] []"]);
        check("GET /api/v1?x=1 get", &expect![[r#"["get", "api", "v1", "x", "1"] []"#]]);
        check("naïve ÜBER_x", &expect![[r#"["naïve", "Über_x"] []"#]]);
        check(r#"a"B c"d"b C""#, &expect![[r#"["a", "d"] ["b c"]"#]]);
        check(
            r#""say \"hi\" to C:\\x C:\Win" """#,
            &expect![[r#"[] ["say \"hi\" to c:\\x c:\\win"]"#]],
        );
        check(
            r#"it's "open"#,
            &expect![[
                r#"the quote opened at byte 5 of the query is never closed; end the phrase with a quote, or write \" for a quote inside one"#
            ]],
        );
        check(
            r#""ends in an escape\""#,
            &expect![[
                r#"the quote opened at byte 0 of the query is never closed; end the phrase with a quote, or write \" for a quote inside one"#
            ]],
        );
        check(
            r#"""""#,
            &expect![[
                r#"the quote opened at byte 2 of the query is never closed; end the phrase with a quote, or write \" for a quote inside one"#
            ]],
        );
    }

    #[test]
    fn more_terms_than_a_search_may_have_are_refused() {
        let words: Vec<String> = (0..=limits::TERMS_MAX).map(|n| format!("w{n}")).collect();
        assert!(WordQuery::parse(&words[1..].join(" ")).is_ok());
        let text = words.join(" ");
        let error = WordQuery::parse(&text).expect_err("one too many");
        assert_eq!(error.position(), text.len() - words[limits::TERMS_MAX].len());
        assert!(WordQuery::parse(&"again ".repeat(1000)).is_ok(), "a repeated word counts once");
    }

    proptest! {
        #[test]
        fn no_text_panics_and_every_term_is_well_formed(text: String) {
            if let Ok(query) = WordQuery::parse(&text) {
                for word in query.words() {
                    prop_assert!(!word.is_empty() && word.bytes().all(is_token_byte));
                }
            }
        }

        #[test]
        fn an_escaped_phrase_reads_back(phrase in "[a-z \\\\\"é]{1,20}") {
            let escaped = phrase.replace('\\', r"\\").replace('"', r#"\""#);
            let query = WordQuery::parse(&format!("\"{escaped}\"")).expect("closed");
            prop_assert_eq!(query.phrases(), [phrase]);
        }
    }
}
