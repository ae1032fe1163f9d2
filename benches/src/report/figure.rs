//! One figure: a number with its unit, or why there is none, and the bound it must keep.

use serde_json::{Value, json};

/// A bound that a figure must keep at full scale.
#[derive(Clone, Copy, Debug)]
pub enum Floor {
    /// It may not be less.
    AtLeast(f64),
    /// It may not be more.
    AtMost(f64),
    /// It must be less.
    Below(f64),
}

impl Floor {
    pub(super) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
            Self::Below(bound) => value < bound,
        }
    }

    pub(super) fn text(self) -> String {
        match self {
            Self::AtLeast(bound) => format!(">= {}", number(bound)),
            Self::AtMost(bound) => format!("<= {}", number(bound)),
            Self::Below(bound) => format!("< {}", number(bound)),
        }
    }
}

/// What came of measuring one thing.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A figure.
    Measured(f64),
    /// The server refused, and why: no figure.
    NotAnswered(String),
    /// The server answered something else than what is true.
    Wrong(String),
}

pub(super) struct Figure {
    pub part: &'static str,
    pub name: String,
    pub unit: &'static str,
    pub outcome: Outcome,
    pub floor: Option<Floor>,
}

pub(super) fn json(figure: &Figure) -> Value {
    let mut object = json!({
        "part": figure.part,
        "name": figure.name,
        "unit": figure.unit,
        "floor": figure.floor.map(Floor::text),
    });
    match &figure.outcome {
        Outcome::Measured(value) => {
            object["value"] = json!(value);
            object["holds"] = json!(figure.floor.map(|floor| floor.holds(*value)));
        }
        Outcome::NotAnswered(why) => object["not_answered"] = json!(why),
        Outcome::Wrong(why) => object["wrong"] = json!(why),
    }
    object
}

pub(super) fn line(figure: &Figure) -> String {
    let (value, verdict) = match &figure.outcome {
        Outcome::Measured(value) => {
            let verdict = figure.floor.map_or("", |floor| match floor.holds(*value) {
                true => "holds",
                false => "MISSED",
            });
            (number(*value), verdict.to_owned())
        }
        Outcome::NotAnswered(why) => ("-".to_owned(), format!("not answered: {why}")),
        Outcome::Wrong(why) => ("-".to_owned(), format!("WRONG: {why}")),
    };
    let floor = figure.floor.map_or_else(String::new, Floor::text);
    let Figure { part, name, unit, .. } = figure;
    let line = format!("{part:<8}  {name:<62}  {value:>12} {unit:<9} {floor:>11}  {verdict}");
    line.trim_end().to_owned()
}

/// Three digits that count, thousands apart.
pub(super) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let plain = format!("{value:.decimals$}");
    let (whole, fraction) = plain.split_once('.').map_or((&*plain, ""), |(w, f)| (w, f));
    let mut grouped = String::new();
    for (place, digit) in whole.char_indices() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) && digit.is_ascii_digit() {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if fraction.is_empty() { grouped } else { format!("{grouped}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        let numbers = [0.0123, 5.25, 42.44, 999.6, 250_000.0, 1_234_567.8, -1_000.0];
        let printed: Vec<String> = numbers.into_iter().map(number).collect();
        assert_eq!(printed, ["0.012", "5.25", "42.4", "1,000", "250,000", "1,234,568", "-1,000"]);
    }

    #[test]
    fn a_figure_says_whether_its_floor_holds() {
        let figure = |value, floor| Figure {
            part: "p",
            name: "n".to_owned(),
            unit: "ms",
            outcome: Outcome::Measured(value),
            floor: Some(floor),
        };
        assert!(line(&figure(20.0, Floor::Below(20.0))).ends_with("< 20.0  MISSED"));
        assert!(line(&figure(20.0, Floor::AtMost(20.0))).ends_with("<= 20.0  holds"));
        assert!(line(&figure(19.0, Floor::AtLeast(20.0))).ends_with(">= 20.0  MISSED"));
    }
}
