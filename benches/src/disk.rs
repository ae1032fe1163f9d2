//! What a data directory takes on the disk.

use std::fs;
use std::io;
use std::path::Path;

/// Bytes of files, by what they are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DiskBytes {
    /// Segments and manifests: the stored rows.
    pub stored: u64,
    /// All else: write-ahead log, what is remembered of producers, catalog.
    pub other: u64,
    pub segments: u64,
}

impl DiskBytes {
    pub(crate) fn of(data_dir: &Path) -> io::Result<Self> {
        let mut found = Self::default();
        found.add(data_dir)?;
        Ok(found)
    }

    fn add(&mut self, dir: &Path) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let bytes = match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => {
                    self.add(&entry.path())?;
                    continue;
                }
                Ok(metadata) => metadata.len(),
                // Removed since the folder was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let name = entry.file_name();
            let is_segment = Path::new(&name).extension().is_some_and(|end| end == "vseg");
            self.segments += u64::from(is_segment);
            if is_segment || name == "manifest" {
                self.stored += bytes;
            } else {
                self.other += bytes;
            }
        }
        Ok(())
    }
}
