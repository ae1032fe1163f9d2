//! Levels on the wire: the numbers are those that `varve_types::Level` has.

use varve_types::Level;

use crate::{Problem, v1};

/// The level under a number.
///
/// # Errors
///
/// [`Problem::Level`] for a number that no level has.
pub fn decode_level(number: i32) -> Result<Level, Problem> {
    u8::try_from(number).ok().and_then(Level::from_number).ok_or(Problem::Level(number))
}

/// The level as a message has it.
#[must_use]
pub const fn encode_level(level: Level) -> v1::Level {
    match level {
        Level::Unknown => v1::Level::Unknown,
        Level::Trace => v1::Level::Trace,
        Level::Debug => v1::Level::Debug,
        Level::Info => v1::Level::Info,
        Level::Warn => v1::Level::Warn,
        Level::Error => v1::Level::Error,
        Level::Fatal => v1::Level::Fatal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_keep_their_numbers() {
        for level in Level::ALL {
            assert_eq!(decode_level(encode_level(level).into()), Ok(level));
            assert_eq!(i32::from(encode_level(level)), i32::from(level.number()));
        }
        assert_eq!(decode_level(7), Err(Problem::Level(7)));
        assert_eq!(decode_level(-1), Err(Problem::Level(-1)));
    }
}
