//! Where strings are put together: a buffer of known length that is filled from its front, by
//! short pieces mostly, which are faster copied a stride at a time than each to the byte.

/// What is copied at a time.
const STRIDE: usize = 16;

/// From this length on a copy to the byte is as fast.
const LONG: usize = 4 * STRIDE;

/// The buffer was to be filled beyond its length.
pub(super) struct Overfull;

pub(super) struct Room {
    /// A stride longer than what it is for.
    bytes: Vec<u8>,
    filled: usize,
}

/// Bytes that can be copied from in strides.
pub(super) struct Padded(Vec<u8>);

impl Padded {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self([bytes, &[0; STRIDE]].concat())
    }
}

impl Room {
    pub(super) fn new(len: usize) -> Self {
        Self { bytes: vec![0; len + STRIDE], filled: 0 }
    }

    pub(super) const fn filled(&self) -> usize {
        self.filled
    }

    pub(super) const fn is_full(&self) -> bool {
        self.filled + STRIDE == self.bytes.len()
    }

    /// What was filled of the buffer.
    pub(super) fn into_filled(mut self) -> Vec<u8> {
        self.bytes.truncate(self.filled);
        self.bytes
    }

    /// The next `len` bytes, to be filled.
    pub(super) fn take(&mut self, len: usize) -> Result<&mut [u8], Overfull> {
        let start = self.filled;
        let end = start.checked_add(len).ok_or(Overfull)?;
        if end + STRIDE > self.bytes.len() {
            return Err(Overfull);
        }
        self.filled = end;
        Ok(&mut self.bytes[start..end])
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), Overfull> {
        self.take(bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    /// Appends the lowest `len` bytes of a word, the lowest first.
    pub(super) fn put_word(&mut self, word: u64, len: usize) -> Result<(), Overfull> {
        let to = self.filled;
        self.take(len)?;
        self.bytes[to..to + size_of::<u64>()].copy_from_slice(&word.to_le_bytes());
        Ok(())
    }

    /// Appends `len` bytes of `from`, which has them.
    pub(super) fn put_padded(
        &mut self,
        from: &Padded,
        start: usize,
        len: usize,
    ) -> Result<(), Overfull> {
        if len >= LONG {
            return self.put(&from.0[start..start + len]);
        }
        let to = self.filled;
        self.take(len)?;
        for at in (0..len).step_by(STRIDE) {
            let stride = &from.0[start + at..start + at + STRIDE];
            self.bytes[to + at..to + at + STRIDE].copy_from_slice(stride);
        }
        Ok(())
    }
}
