//! What can be said of pages without decoding them: whether their checksums hold, and how much
//! they are once decompressed, which is what whoever merges tables budgets memory by.

use super::bounds::PAGE_RAW_BYTES_MAX;
use super::{Table, compression, read_exactly};
use crate::error::FormatError;

impl Table {
    /// Reads every page and section and checks its checksum; decodes nothing. What a writer wrote
    /// is then what is here, be it right or wrong: [`Table::verify`] tells.
    ///
    /// # Errors
    ///
    /// The first damage found.
    pub fn verify_checksums(&self) -> Result<(), FormatError> {
        for section in &self.inner.footer.sections {
            self.read_checked(section.offset, section.len, section.crc, "section")?;
        }
        for page in self.inner.footer.pages.iter().flatten() {
            self.read_checked(page.offset, page.len, page.crc, "page")?;
        }
        Ok(())
    }

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
