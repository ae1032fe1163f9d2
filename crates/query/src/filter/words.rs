//! The filter for words and phrases: in messages, and words in attributes' values too.
//!
//! Messages come first, because most of what is sought is there and because a page of messages
//! is searched in one pass; attributes are read only for a word that some row still lacks, and of
//! those only the columns whose kind can hold it.

use varve_columnar::{Column, ColumnId, FormatError, with_word_text};
use varve_types::Resource;

use super::Scratch;
use crate::WordQuery;
use crate::group::{Group, spread};
use crate::haystack::Haystack;
use crate::needle::Needle;
use crate::row_set::RowSet;
use crate::value_text::{integers_with_word, word_may_be_in};

/// The terms of a query, ready to be searched for: the longest first, because it is as a rule the
/// rarest and leaves the others less to look at.
pub(super) struct WordTerms {
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

    /// Leaves the rows that have every term.
    pub(super) fn apply(
        &self,
        group: &mut Group<'_>,
        selected: &mut RowSet,
        scratch: &mut Scratch,
    ) -> Result<(), FormatError> {
        if self.phrases.is_empty() && self.words.is_empty() {
            return Ok(());
        }
        let message = group.column(&ColumnId::Message)?;
        let Some(mut messages) =
            message.as_deref().and_then(|column| Haystack::new(column, &mut scratch.messages))
        else {
            return Err(group.corrupt("column message holds no strings"));
        };
        for phrase in &self.phrases {
            selected.intersect(&messages.rows_with(phrase, selected));
            if selected.is_empty() {
                return Ok(());
            }
        }
        for word in &self.words {
            let mut found = messages.rows_with(word, selected);
            add_rows_with_attribute(word, group, selected, &mut found, &mut scratch.attributes)?;
            selected.intersect(&found);
            if selected.is_empty() {
                return Ok(());
            }
        }
        Ok(())
    }
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
