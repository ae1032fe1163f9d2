//! The filter for words and phrases: in messages, and words in attributes' values too.
//!
//! Messages come first, because most of what is sought is there and because a page of messages
//! is searched in one pass; attributes are read only for a word that some row still lacks, and of
//! those only the columns whose kind can hold it.

use varve_columnar::{Column, ColumnId, FormatError, is_token_byte, tokens, with_word_text};
use varve_types::Resource;

use super::Scratch;
use super::shapes::Verdicts;
use crate::WordQuery;
use crate::group::{Group, spread};
use crate::haystack::Haystack;
use crate::needle::Needle;
use crate::row_set::RowSet;
use crate::value_text::{integers_with_word, word_may_be_in};

/// The terms of a query, ready to be searched for: the longest first, because it is as a rule the
/// rarest and leaves the others less to look at.
pub(crate) struct WordTerms {
    phrases: Vec<Needle>,
    words: Vec<Needle>,
}

impl WordTerms {
    pub(super) fn new(query: &WordQuery) -> Self {
        let needles = |terms: &[String], make: fn(&str) -> Needle| {
            let mut needles: Vec<Needle> = terms.iter().map(|term| make(term)).collect();
            needles.sort_by_key(|needle| std::cmp::Reverse(needle.bytes().len()));
            needles
        };
        Self {
            phrases: needles(query.phrases(), Needle::phrase),
            words: needles(query.words(), Needle::word),
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.phrases.is_empty() && self.words.is_empty()
    }

    /// The word, when nothing but one is asked for.
    pub(crate) fn only_word(&self) -> Option<&[u8]> {
        match (&self.phrases[..], &self.words[..]) {
            ([], [word]) => Some(word.bytes()),
            _ => None,
        }
    }

    /// Whole tokens in lower case that every match has: the words, and of phrases what lies
    /// strictly inside, because at their ends a longer token of the message may be cut.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &[u8]> {
        let words = self.words.iter().map(Needle::bytes);
        words.chain(self.phrases.iter().flat_map(|phrase| inner_tokens(phrase.bytes())))
    }

    /// Leaves the rows that have every term.
    pub(super) fn apply(
        &self,
        group: &mut Group<'_>,
        selected: &mut RowSet,
        scratch: &mut Scratch,
    ) -> Result<(), FormatError> {
        if self.is_empty() || selected.is_empty() {
            return Ok(());
        }
        let left = self.apply_to_shapes(group, selected, scratch)?;
        if left.is_empty() || selected.is_empty() {
            return Ok(());
        }
        let message = group.column(&ColumnId::Message)?;
        let Some(mut messages) =
            message.as_deref().and_then(|column| Haystack::new(column, &mut scratch.messages))
        else {
            return Err(group.corrupt("column message holds no strings"));
        };
        for needle in left {
            let found = messages.rows_with(needle, selected);
            keep(needle, found, group, selected, &mut scratch.attributes)?;
            if selected.is_empty() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Leaves the rows that have the terms which messages' shapes decide, and answers the others.
    fn apply_to_shapes(
        &self,
        group: &mut Group<'_>,
        selected: &mut RowSet,
        scratch: &mut Scratch,
    ) -> Result<Vec<&Needle>, FormatError> {
        let terms = self.phrases.iter().chain(&self.words);
        let Some(shaped) = group.shaped_messages()? else { return Ok(terms.collect()) };
        scratch.shapes.resize_with(self.phrases.len() + self.words.len(), Verdicts::default);
        let mut left = Vec::new();
        for (needle, verdicts) in terms.zip(&mut scratch.shapes) {
            match verdicts.rows_with(needle, &shaped, selected) {
                Some(found) => keep(needle, found, group, selected, &mut scratch.attributes)?,
                None => left.push(needle),
            }
            if selected.is_empty() {
                break;
            }
        }
        Ok(left)
    }
}

/// Keeps the rows that have a term: those found in messages, and for a word those that have it in
/// an attribute.
fn keep(
    needle: &Needle,
    mut found: RowSet,
    group: &mut Group<'_>,
    selected: &mut RowSet,
    buffer: &mut Vec<u8>,
) -> Result<(), FormatError> {
    if needle.is_word() {
        add_rows_with_attribute(needle, group, selected, &mut found, buffer)?;
    }
    selected.intersect(&found);
    Ok(())
}

fn inner_tokens(phrase: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_border = |byte: &u8| !is_token_byte(*byte);
    let start = phrase.iter().position(is_border).unwrap_or(phrase.len());
    let end = phrase.iter().rposition(is_border).unwrap_or(start);
    tokens(&phrase[start..end.max(start)])
}

/// Adds to `found` the rows that have the word in an attribute's value, as long as some selected
/// row still lacks it.
fn add_rows_with_attribute(
    word: &Needle,
    group: &mut Group<'_>,
    selected: &RowSet,
    found: &mut RowSet,
    buffer: &mut Vec<u8>,
) -> Result<(), FormatError> {
    let rows = selected.rows();
    let mut lacking = selected.clone();
    lacking.subtract(found);
    if !lacking.is_empty()
        && let Some(resources) = group.resources()?
    {
        found.union(&resources.rows_where(rows, |resource| is_in_resource(word, resource)));
        lacking.subtract(found);
    }
    for id in group.columns() {
        if lacking.is_empty() {
            break;
        }
        let ColumnId::Attribute { kind, .. } = id else { continue };
        if word_may_be_in(word, *kind)
            && let Some(column) = group.column(id)?
        {
            let with_word = match &*column {
                Column::Ints { presence, values } => {
                    let values = RowSet::of_values(values, integers_with_word(word, *kind));
                    spread(presence, &values, rows)
                }
                strings => match Haystack::new(strings, buffer) {
                    Some(mut haystack) => haystack.rows_with(word, &lacking),
                    None => continue,
                },
            };
            found.union(&with_word);
            lacking.subtract(&with_word);
        }
    }
    Ok(())
}

fn is_in_resource(word: &Needle, resource: &Resource) -> bool {
    resource.0.iter().any(|attribute| {
        with_word_text(&attribute.value, |text| word.is_in(&text.to_ascii_lowercase()))
            .unwrap_or(false)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_has_the_tokens_strictly_inside_it() {
        for (phrase, wanted) in [
            ("read", &[][..]),
            ("read failed", &[]),
            ("a read failed at", &["read", "failed"]),
            (" read failed", &["read"]),
            ("=read=", &["read"]),
            ("--", &[]),
        ] {
            let found: Vec<&[u8]> = inner_tokens(phrase.as_bytes()).collect();
            let wanted: Vec<&[u8]> = wanted.iter().map(|word| word.as_bytes()).collect();
            assert_eq!(found, wanted, "{phrase}");
        }
    }
}
