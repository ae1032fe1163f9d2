//! A cursor over bytes and its counterpart: little-endian integers, LEB128 varints, and byte
//! strings behind their length.

use bytes::Bytes;

use super::CodecError;

/// Gathers fields.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

/// Takes fields from the front; byte strings are slices of the input, not copies.
pub(crate) struct Reader {
    what: &'static str,
    version: u8,
    bytes: Bytes,
    at: usize,
}

impl Writer {
    /// A structure of this version.
    pub(crate) fn new(version: u8) -> Self {
        Self::with_capacity(version, 64)
    }

    /// The same, with room for `bytes`.
    pub(crate) fn with_capacity(version: u8, bytes: usize) -> Self {
        let mut buffer = Vec::with_capacity(bytes);
        buffer.push(version);
        Self(buffer)
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.0.push(u8::from(value));
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u128(&mut self, value: u128) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// LEB128.
    pub(crate) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    pub(crate) fn count(&mut self, value: usize) {
        self.varint(value as u64);
    }

    /// A byte string behind its length.
    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.count(value.len());
        self.0.extend_from_slice(value);
    }

    /// A list behind its count.
    pub(crate) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        mut item: impl FnMut(&mut Self, T),
    ) {
        let items = items.into_iter();
        self.count(items.len());
        items.for_each(|value| item(self, value));
    }

    /// A value behind whether there is one.
    pub(crate) fn option<T>(&mut self, value: Option<T>, item: impl FnOnce(&mut Self, T)) {
        self.bool(value.is_some());
        if let Some(value) = value {
            item(self, value);
        }
    }

    /// Bytes without a length: to be the last field.
    pub(crate) fn raw(&mut self, value: &[u8]) {
        self.0.extend_from_slice(value);
    }

    pub(crate) fn finish(self) -> Bytes {
        Bytes::from(self.0)
    }
}

impl Reader {
    /// Reads `what`, whose first byte must be a version from 1 to `known`.
    pub(crate) fn new(what: &'static str, known: u8, bytes: Bytes) -> Result<Self, CodecError> {
        let mut reader = Self { what, version: 0, bytes, at: 0 };
        reader.version = reader.u8()?;
        match reader.version {
            0 => Err(reader.impossible("version")),
            version if version > known => Err(CodecError::Version { what, version, known }),
            _ => Ok(reader),
        }
    }

    /// The version of what is read.
    pub(crate) const fn version(&self) -> u8 {
        self.version
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let end = self.at + N;
        let found = self.bytes.get(self.at..end).and_then(|slice| slice.try_into().ok());
        let field = found.ok_or(CodecError::Short { what: self.what, at: self.bytes.len() })?;
        self.at = end;
        Ok(field)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, CodecError> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub(crate) fn bool(&mut self, field: &'static str) -> Result<bool, CodecError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.impossible(field)),
        }
    }

    pub(crate) fn u64(&mut self) -> Result<u64, CodecError> {
        self.take().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, CodecError> {
        self.take().map(i64::from_le_bytes)
    }

    pub(crate) fn u128(&mut self) -> Result<u128, CodecError> {
        self.take().map(u128::from_le_bytes)
    }

    pub(crate) fn varint(&mut self) -> Result<u64, CodecError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let part = u64::from(byte & 0x7f);
            if part << shift >> shift != part {
                break;
            }
            value |= part << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.impossible("varint"))
    }

    /// A number of items of at least one byte each: never more than bytes are left, so that
    /// room for them can be made at once.
    pub(crate) fn count(&mut self) -> Result<usize, CodecError> {
        let count = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        if count > self.bytes.len() - self.at {
            return Err(CodecError::Short { what: self.what, at: self.bytes.len() });
        }
        Ok(count)
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, CodecError> {
        let count = self.count()?;
        let found = self.bytes.slice(self.at..self.at + count);
        self.at += count;
        Ok(found)
    }

    pub(crate) fn string(&mut self, field: &'static str) -> Result<String, CodecError> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| self.impossible(field))
    }

    /// A list of items.
    pub(crate) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, CodecError>,
    ) -> Result<Vec<T>, CodecError> {
        let count = self.count()?;
        // One item may be one byte on the wire and much more in memory: grow as they come.
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// A value behind whether there is one.
    pub(crate) fn option<T>(
        &mut self,
        item: impl FnOnce(&mut Self) -> Result<T, CodecError>,
    ) -> Result<Option<T>, CodecError> {
        if self.bool("presence")? { item(self).map(Some) } else { Ok(None) }
    }

    /// All that is left.
    pub(crate) fn rest(self) -> Bytes {
        self.bytes.slice(self.at..)
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Result<(), CodecError> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            bytes => Err(CodecError::Long { what: self.what, bytes }),
        }
    }

    pub(crate) const fn impossible(&self, field: &'static str) -> CodecError {
        CodecError::Impossible { what: self.what, field }
    }
}
