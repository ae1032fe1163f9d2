//! Small files that say who a disk is: which node, and which replicas lie on it.
//!
//! ```text
//! varve replica 2          what it is, and the version of its format
//! shard 9                  a line for each thing that it says
//! replica 12
//! crc32c 5f2e90aa          of all lines before
//! ```
//!
//! People may read them and must not write them. A number that rots into another one, or a file
//! that a disk wrote to the place of another, must not be believed: a node or a replica that comes
//! back as another breaks its cluster. So each file says what it belongs to, and has a checksum;
//! the versions before those did not.

use std::fmt::Display;
use std::str::FromStr;

/// The lines of such a file, to be taken one after the other.
pub(super) struct Lines<'a> {
    pub(super) version: u32,
    left: std::str::Lines<'a>,
}

/// The file that says so. `version` is the newest one of its kind.
pub(super) fn print(kind: &str, version: u32, fields: &[(&str, &dyn Display)]) -> String {
    let mut text = format!("varve {kind} {version}\n");
    for (name, value) in fields {
        text += &format!("{name} {value}\n");
    }
    text += &checksum(&text);
    text
}

/// Reads a file of a kind, of which `newest` is the newest version and the only one with a
/// checksum.
///
/// # Errors
///
/// What is wrong with it, as what follows the file's name in a sentence.
pub(super) fn read<'a>(bytes: &'a [u8], kind: &str, newest: u32) -> Result<Lines<'a>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
    let head = text.lines().next().unwrap_or_default();
    let version = head.strip_prefix("varve ").and_then(|head| head.strip_prefix(kind));
    let version = version.and_then(|version| version.strip_prefix(' ')?.parse().ok());
    let Some(version) = version.filter(|version| (1..=newest).contains(version)) else {
        return Err(format!("it begins with {head:?} instead of \"varve {kind} {newest}\""));
    };
    let said = if version == newest {
        let end = text.len().saturating_sub(checksum("").len());
        let (said, seal) = text.split_at_checked(end).unwrap_or_default();
        if seal != checksum(said) {
            return Err("its checksum does not match".to_owned());
        }
        said
    } else {
        text
    };
    let mut left = said.lines();
    left.next();
    Ok(Lines { version, left })
}

impl<'a> Lines<'a> {
    /// The value of the next line.
    pub(super) fn text(&mut self, name: &str) -> Result<&'a str, String> {
        let line = self.left.next().ok_or_else(|| format!("it has no line for its {name}"))?;
        let value = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(' '));
        value.ok_or_else(|| format!("{line:?} is not its {name}"))
    }

    /// The value of the next line, as a number.
    pub(super) fn number<N: FromStr>(&mut self, name: &str) -> Result<N, String> {
        as_number(self.text(name)?)
    }

    /// The value of the next line, as a number of hexadecimal digits.
    pub(super) fn hex(&mut self, name: &str) -> Result<u128, String> {
        as_hex(self.text(name)?)
    }

    /// A line that is a value alone, as the first versions had.
    pub(super) fn bare(&mut self, what: &str) -> Result<&'a str, String> {
        self.left.next().ok_or_else(|| format!("it has no line for its {what}"))
    }
}

pub(super) fn as_number<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

pub(super) fn as_hex(text: &str) -> Result<u128, String> {
    u128::from_str_radix(text, 16).map_err(|_| format!("{text:?} is no number"))
}

fn checksum(text: &str) -> String {
    format!("crc32c {:08x}\n", crc32c::crc32c(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn what_is_written_reads_back_and_nothing_else_does() {
        let text = print("thing", 2, &[("shard", &9), ("disk", &format_args!("{:04x}", 0xab))]);
        expect![[r#"
            varve thing 2
            shard 9
            disk 00ab
            crc32c 978b85b2
        "#]]
        .assert_eq(&text);
        let mut lines = read(text.as_bytes(), "thing", 2).unwrap();
        assert_eq!((lines.version, lines.number("shard"), lines.hex("disk")), (2, Ok(9), Ok(0xab)));
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let first_version = bytes.starts_with(b"varve thing 1");
                assert!(first_version || read(&bytes, "thing", 2).is_err(), "bit {bit} of {at}");
            }
            assert!(read(&text.as_bytes()[..at], "thing", 2).is_err(), "{at} bytes of it");
        }
    }

    #[test]
    fn versions_without_a_checksum_are_read() {
        let mut lines = read(b"varve thing 1\n12\n", "thing", 2).unwrap();
        assert_eq!((lines.version, lines.bare("number")), (1, Ok("12")));
        assert!(read(b"varve thing 3\n12\n", "thing", 2).is_err());
        assert!(read(b"varve other 1\n12\n", "thing", 2).is_err());
    }
}
