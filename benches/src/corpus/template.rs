//! Templates: what the source of a program fixes about a line, and where its fields are.

use super::truth::{FREQUENT_WORD, PHRASE};
use super::{LineSize, TEMPLATES, words};
use crate::random::Random;

/// A line with gaps.
#[derive(Debug)]
pub(super) struct Template {
    pub pieces: Vec<Piece>,
}

#[derive(Debug)]
pub(super) enum Piece {
    Text(String),
    Field(Field),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Trace,
    User,
    Order,
    Address,
    DurationMs,
    Bytes,
    Status,
}

impl Field {
    const CHOICES: [Self; 6] =
        [Self::User, Self::Order, Self::Address, Self::DurationMs, Self::Bytes, Self::Status];

    const fn label(self) -> &'static str {
        match self {
            Self::Trace => "trace=",
            Self::User => "user=",
            Self::Order => "order=",
            Self::Address => "peer=",
            Self::DurationMs => "duration_ms=",
            Self::Bytes => "bytes=",
            Self::Status => "status=",
        }
    }

    /// Bytes that it fills, about.
    const fn width(self) -> usize {
        match self {
            Self::Trace => 32,
            Self::User => 5,
            Self::Order => 7,
            Self::Address => 11,
            Self::DurationMs | Self::Bytes | Self::Status => 3,
        }
    }
}

/// All templates; the truth about words that are asked for is laid in here.
pub(super) fn all(dice: &mut Random, size: LineSize) -> Vec<Template> {
    (0..TEMPLATES).map(|number| template(dice, size, number)).collect()
}

fn template(dice: &mut Random, size: LineSize, number: usize) -> Template {
    let (fields_min, length) = match size {
        LineSize::Short => (3, 160 + dice.below(80) as usize),
        LineSize::Long => (12, 900 + dice.below(200) as usize),
    };
    let mut fields: Vec<Field> = (0..fields_min + dice.below(3))
        .map(|_| Field::CHOICES[dice.below(Field::CHOICES.len() as u64) as usize])
        .collect();
    let place = dice.below(fields.len() as u64 + 1) as usize;
    fields.insert(place, Field::Trace);

    let filled: usize = fields.iter().map(|field| field.label().len() + field.width() + 2).sum();
    let text_bytes = length.saturating_sub(filled) / (fields.len() + 1);
    let mut pieces = Vec::new();
    let mut text = String::new();
    if number.is_multiple_of(3) {
        text.push_str(FREQUENT_WORD);
        text.push(' ');
    }
    if number.is_multiple_of(25) {
        text.push_str(PHRASE);
        text.push(' ');
    }
    for field in fields {
        write_words(dice, &mut text, text_bytes);
        text.push_str(field.label());
        pieces.push(Piece::Text(std::mem::take(&mut text)));
        pieces.push(Piece::Field(field));
        text.push(' ');
    }
    write_words(dice, &mut text, text_bytes);
    pieces.push(Piece::Text(text.trim_end().to_owned()));
    Template { pieces }
}

fn write_words(dice: &mut Random, text: &mut String, bytes: usize) {
    let from = text.len();
    while text.len() - from + 4 < bytes {
        text.push_str(words::WORDS[dice.below(words::WORDS.len() as u64) as usize]);
        text.push(' ');
    }
}
