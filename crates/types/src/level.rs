//! Severity levels, and the one table of spellings that everything which reads a level uses.

use std::fmt;

/// How severe a record is. The order is that of severity, with [`Level::Unknown`] below all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// No level was given, or one that the table of spellings does not have.
    #[default]
    Unknown = 0,
    /// Finer than debug.
    Trace = 1,
    /// For developers.
    Debug = 2,
    /// Ordinary events, notices included.
    Info = 3,
    /// Something that may need a look.
    Warn = 4,
    /// Something that failed.
    Error = 5,
    /// The process, or the system, is going down.
    Fatal = 6,
}

/// Spellings in lower case. Single letters are those of Android and glog; the words are those of
/// syslog, Java, Python, Go, .NET, PostgreSQL and OpenTelemetry.
const SPELLINGS: &[(&str, Level)] = &[
    ("trace", Level::Trace),
    ("trc", Level::Trace),
    ("verbose", Level::Trace),
    ("finest", Level::Trace),
    ("finer", Level::Trace),
    ("t", Level::Trace),
    ("v", Level::Trace),
    ("debug", Level::Debug),
    ("dbg", Level::Debug),
    ("fine", Level::Debug),
    ("d", Level::Debug),
    ("info", Level::Info),
    ("information", Level::Info),
    ("informational", Level::Info),
    ("inf", Level::Info),
    ("notice", Level::Info),
    ("log", Level::Info),
    ("config", Level::Info),
    ("i", Level::Info),
    ("n", Level::Info),
    ("warn", Level::Warn),
    ("warning", Level::Warn),
    ("wrn", Level::Warn),
    ("w", Level::Warn),
    ("error", Level::Error),
    ("err", Level::Error),
    ("eror", Level::Error),
    ("severe", Level::Error),
    ("e", Level::Error),
    ("fatal", Level::Fatal),
    ("critical", Level::Fatal),
    ("crit", Level::Fatal),
    ("alert", Level::Fatal),
    ("emergency", Level::Fatal),
    ("emerg", Level::Fatal),
    ("panic", Level::Fatal),
    ("f", Level::Fatal),
    ("c", Level::Fatal),
    ("unknown", Level::Unknown),
];

/// No spelling is longer, so longer words need no look at the table.
const SPELLING_BYTES_MAX: usize = 13;

impl Level {
    /// All levels, from [`Level::Unknown`] up.
    pub const ALL: [Self; 7] =
        [Self::Unknown, Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];

    /// The level that a spelling stands for, whatever its case, or `None` when the table does not
    /// have it. Surrounding white space does not count.
    ///
    /// ```
    /// use varve_types::Level;
    /// assert_eq!(Level::from_spelling("Warning"), Some(Level::Warn));
    /// assert_eq!(Level::from_spelling("loud"), None);
    /// ```
    #[must_use]
    pub fn from_spelling(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text.len() > SPELLING_BYTES_MAX {
            return None;
        }
        SPELLINGS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|&(_, level)| level)
    }

    /// The name in answers: upper case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }

    /// The number under which formats store the level.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The level stored under a number, or `None` for a number that no level has.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_round_trips_by_name_and_number() {
        for level in Level::ALL {
            assert_eq!(Level::from_spelling(level.name()), Some(level));
            assert_eq!(Level::from_number(level.number()), Some(level));
        }
        assert_eq!(Level::from_number(7), None);
    }

    #[test]
    fn the_table_is_lower_case_and_within_its_bound() {
        for (word, _) in SPELLINGS {
            assert_eq!(*word, word.to_ascii_lowercase());
            assert!(word.len() <= SPELLING_BYTES_MAX, "{word}");
        }
    }
}
