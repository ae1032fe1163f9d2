//! Tables for people: columns that line up, and words that stand out on a terminal.

use std::io::{self, Write};

use crate::terminal::{Look, Screen};

/// One place in a table.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    look: Option<Look>,
}

impl Cell {
    #[expect(clippy::needless_pass_by_value, reason = "numbers and texts are given alike")]
    pub(crate) fn new(text: impl ToString) -> Self {
        Self { text: text.to_string(), look: None }
    }

    /// A number that is nothing to speak of when it is 0.
    pub(crate) fn count(number: u64) -> Self {
        if number == 0 { Self::new("-") } else { Self::new(number) }
    }

    #[expect(clippy::needless_pass_by_value, reason = "numbers and texts are given alike")]
    pub(crate) fn looking(text: impl ToString, look: Look) -> Self {
        Self { text: text.to_string(), look: Some(look) }
    }
}

/// Headings and rows, as many cells in each as there are columns.
pub(crate) struct Table<const COLUMNS: usize> {
    rows: Vec<[Cell; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(crate) fn new(headings: [&str; COLUMNS]) -> Self {
        Self { rows: vec![headings.map(|heading| Cell::looking(heading, Look::Dim))] }
    }

    pub(crate) fn push(&mut self, row: [Cell; COLUMNS]) {
        self.rows.push(row);
    }

    /// Writes it, each line without spaces at its end.
    pub(crate) fn write(&self, screen: Screen, out: &mut impl Write) -> io::Result<()> {
        let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
            self.rows.iter().map(|row| row[column].text.chars().count()).max().unwrap_or(0)
        });
        for row in &self.rows {
            let last = row.iter().rposition(|cell| !cell.text.is_empty()).unwrap_or(0);
            for (column, cell) in row.iter().enumerate().take(last + 1) {
                match cell.look {
                    Some(look) => screen.paint(out, look, &cell.text)?,
                    None => screen.text(out, cell.text.as_bytes())?,
                }
                if column < last {
                    let gap = widths[column] + 2 - cell.text.chars().count();
                    write!(out, "{:gap$}", "")?;
                }
            }
            writeln!(out)?;
        }
        Ok(())
    }
}
