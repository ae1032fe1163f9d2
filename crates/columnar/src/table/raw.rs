//! How much a table is once decompressed: what whoever merges tables budgets memory by.

use super::bounds::PAGE_RAW_BYTES_MAX;
use super::{Table, compression, read_exactly};
use crate::error::FormatError;

impl Table {
    /// Bytes of all pages once decompressed. Reads the head of each page, and checks no checksum:
    /// of a damaged table the number is wrong, and harmless.
    ///
    /// # Errors
    ///
    /// When the source cannot be read or a page's head is impossible.
    pub fn raw_bytes(&self) -> Result<u64, FormatError> {
        let mut sum = 0u64;
        for page in self.inner.footer.pages.iter().flatten() {
            let len = (page.len as usize).min(compression::HEAD_BYTES_MAX);
            let head = read_exactly(&*self.inner.source, page.offset, len)?;
            let raw = compression::raw_len(&head, u64::from(page.len))
                .map_err(|what| what.at(self.name(), page.offset))?;
            sum = sum.saturating_add(raw.min(PAGE_RAW_BYTES_MAX as u64));
        }
        Ok(sum)
    }
}
