//! What people type into the search box.

use varve_columnar::is_token_byte;
use varve_query::WordQuery;

use crate::{Memory, Target};

/// Words and phrases.
pub(super) const WORDS: Target = Target {
    name: "word_query",
    run: |input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        match WordQuery::parse(text) {
            Ok(query) => {
                let words = query.words();
                assert!(words.iter().all(|word| word.bytes().all(is_token_byte)), "{words:?}");
                let again = WordQuery::parse(&query.to_string());
                assert_eq!(again.as_ref(), Ok(&query), "it is written as another");
            }
            Err(error) => assert!(text.is_char_boundary(error.position()), "{error}"),
        }
    },
    mend: None,
    memory: Memory { bytes: 64 << 10, per_byte: 64 },
};
