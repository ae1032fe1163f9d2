//! Where a table's bytes come from.

use std::io;

use bytes::Bytes;

/// The bytes of one table. Readers may call from several threads at once; the bytes must not
/// change while a [`crate::Table`] holds the source.
pub trait PageSource: Send + Sync {
    /// How many bytes there are.
    fn len(&self) -> u64;

    /// Exactly `len` bytes from `offset`; both lie within [`Self::len`].
    ///
    /// # Errors
    ///
    /// When the medium fails.
    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes>;

    /// What errors call the source, usually a path.
    fn name(&self) -> &str;

    /// Whether there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A table in memory; reads share its buffer.
#[derive(Clone, Debug)]
pub struct BytesSource {
    bytes: Bytes,
    name: String,
}

impl BytesSource {
    /// The bytes under a name for errors.
    #[must_use]
    pub fn new(name: impl Into<String>, bytes: Bytes) -> Self {
        Self { bytes, name: name.into() }
    }
}

impl PageSource for BytesSource {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(len);
        if end > self.bytes.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(self.bytes.slice(start..end))
    }

    fn name(&self) -> &str {
        &self.name
    }
}
