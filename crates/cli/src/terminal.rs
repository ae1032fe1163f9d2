//! Colours, and text that must not steer the terminal.

use std::io::{self, IsTerminal, Write};

use varve_types::Level;

/// Where records are shown: on a terminal, or to another program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    terminal: bool,
    colours: bool,
}

/// How a piece of text looks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Look {
    /// Less important than what stands beside it.
    Dim,
    /// A service.
    Name,
    /// As severe as this.
    Level(Level),
}

impl Screen {
    /// Standard output, with colours on a terminal unless `NO_COLOR` is set.
    pub(crate) fn stdout() -> Self {
        let terminal = io::stdout().is_terminal();
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { terminal, colours: terminal && !unwanted }
    }

    #[cfg(test)]
    pub(crate) const fn of(terminal: bool) -> Self {
        Self { terminal, colours: terminal }
    }

    /// Text in a look.
    pub(crate) fn paint(self, out: &mut impl Write, look: Look, text: &str) -> io::Result<()> {
        let code = match look {
            Look::Dim => "2",
            Look::Name => "36",
            Look::Level(Level::Fatal) => "1;31",
            Look::Level(Level::Error) => "31",
            Look::Level(Level::Warn) => "33",
            Look::Level(Level::Info) => "32",
            Look::Level(Level::Debug | Level::Trace | Level::Unknown) => "2",
        };
        if self.colours {
            write!(out, "\x1b[{code}m")?;
            self.text(out, text.as_bytes())?;
            out.write_all(b"\x1b[0m")
        } else {
            self.text(out, text.as_bytes())
        }
    }

    /// Text from a log. On a terminal control characters are shown and do nothing; another
    /// program gets the bytes as they are.
    pub(crate) fn text(self, out: &mut impl Write, text: &[u8]) -> io::Result<()> {
        if !self.terminal {
            return out.write_all(text);
        }
        for character in String::from_utf8_lossy(text).chars() {
            if character.is_control() && character != '\t' {
                write!(out, "{}", character.escape_default())?;
            } else {
                write!(out, "{character}")?;
            }
        }
        Ok(())
    }
}
