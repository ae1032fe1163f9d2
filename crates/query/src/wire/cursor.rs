//! A cursor over bytes, and its counterpart.

use bytes::Bytes;

use super::WireError;

/// Gathers fields.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

/// Takes fields from the front; byte strings are slices of the input, not copies.
#[derive(Debug)]
pub struct Reader {
    bytes: Bytes,
    at: usize,
}

impl Writer {
    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    /// A truth value.
    pub fn bool(&mut self, value: bool) {
        self.0.push(u8::from(value));
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Eight bytes.
    pub fn i64(&mut self, value: i64) {
        self.u64(value.cast_unsigned());
    }

    /// LEB128.
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    /// A byte string behind its length.
    pub fn bytes(&mut self, value: &[u8]) {
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// A list behind its count.
    pub fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        mut item: impl FnMut(&mut Self, T),
    ) {
        let items = items.into_iter();
        self.varint(items.len() as u64);
        items.for_each(|value| item(self, value));
    }

    /// A value behind whether there is one.
    pub fn option<T>(&mut self, value: Option<T>, item: impl FnOnce(&mut Self, T)) {
        self.bool(value.is_some());
        if let Some(value) = value {
            item(self, value);
        }
    }

    /// What was gathered.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.0.into()
    }
}

impl Reader {
    /// Reads from the beginning.
    #[must_use]
    pub const fn new(bytes: Bytes) -> Self {
        Self { bytes, at: 0 }
    }

    /// A refusal that says where reading stands.
    #[must_use]
    pub const fn refuse(&self, what: &'static str) -> WireError {
        WireError { at: self.at, what }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let found = self.bytes.get(self.at..self.at + N).and_then(|slice| slice.try_into().ok());
        let field = found.ok_or_else(|| self.refuse("it ends inside a field"))?;
        self.at += N;
        Ok(field)
    }

    /// One byte.
    ///
    /// # Errors
    ///
    /// There is none: so for all fields.
    pub fn u8(&mut self) -> Result<u8, WireError> {
        self.take::<1>().map(|[byte]| byte)
    }

    /// A truth value.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn bool(&mut self) -> Result<bool, WireError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.refuse("a truth value is neither 0 nor 1")),
        }
    }

    /// Four bytes.
    ///
    /// # Errors
    ///
    /// They are not there.
    pub fn u32(&mut self) -> Result<u32, WireError> {
        self.take().map(u32::from_le_bytes)
    }

    /// Eight bytes.
    ///
    /// # Errors
    ///
    /// They are not there.
    pub fn u64(&mut self) -> Result<u64, WireError> {
        self.take().map(u64::from_le_bytes)
    }

    /// Eight bytes.
    ///
    /// # Errors
    ///
    /// They are not there.
    pub fn i64(&mut self) -> Result<i64, WireError> {
        self.take().map(i64::from_le_bytes)
    }

    /// LEB128.
    ///
    /// # Errors
    ///
    /// It ends early, or has more than 64 bits.
    pub fn varint(&mut self) -> Result<u64, WireError> {
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
        Err(self.refuse("a number has more than 64 bits"))
    }

    /// A number of items of at least so many bytes each: never more than are there, so that room
    /// for them may be made at once.
    fn count(&mut self, item_bytes: usize) -> Result<usize, WireError> {
        let count = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        if count > (self.bytes.len() - self.at) / item_bytes {
            return Err(self.refuse("it counts more than it holds"));
        }
        Ok(count)
    }

    /// A byte string.
    ///
    /// # Errors
    ///
    /// It ends early.
    pub fn bytes(&mut self) -> Result<Bytes, WireError> {
        let count = self.count(1)?;
        let found = self.bytes.slice(self.at..self.at + count);
        self.at += count;
        Ok(found)
    }

    /// A string.
    ///
    /// # Errors
    ///
    /// It ends early, or is not UTF-8.
    pub fn string(&mut self) -> Result<String, WireError> {
        let bytes = self.bytes()?.to_vec();
        String::from_utf8(bytes).map_err(|_| self.refuse("a string is not UTF-8"))
    }

    /// A list of items that have at least so many bytes each: what one occupies in memory should
    /// be no more than a few times that.
    ///
    /// # Errors
    ///
    /// As its items.
    pub fn list<T>(
        &mut self,
        item_bytes: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        let count = self.count(item_bytes)?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// A value behind whether there is one.
    ///
    /// # Errors
    ///
    /// As the value.
    pub fn option<T>(
        &mut self,
        item: impl FnOnce(&mut Self) -> Result<T, WireError>,
    ) -> Result<Option<T>, WireError> {
        if self.bool()? { item(self).map(Some) } else { Ok(None) }
    }

    /// Nothing may be left.
    ///
    /// # Errors
    ///
    /// Something is.
    pub fn end(self) -> Result<(), WireError> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.refuse("bytes are left over")) }
    }
}
