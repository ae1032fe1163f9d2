//! Files of a node, and what becomes of them by themselves: bits that flip, ends that are cut.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use crate::Failure;

/// A lock is empty, and what is set aside holds nothing.
pub(super) fn has_content(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name != "LOCK" && name != "reserve.log" && !name.starts_with("spare")
}

/// All files in a folder that hold anything, also in those below it.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        // What is removed meanwhile is not looked for.
        match path.metadata() {
            Ok(about) if about.is_dir() => found.extend(files(&path)?),
            Ok(about) if about.len() > 0 => found.push(path),
            _ => {}
        }
    }
    found.sort();
    Ok(found)
}

/// Flips a bit of one of these files, in what was written of it: files of a log are longer.
pub(super) fn flip_one(files: &[PathBuf], random: &mut StdRng) -> Result<Option<String>, Failure> {
    let Some(path) = files.choose(random) else { return Ok(None) };
    let bytes = std::fs::read(path)?;
    let Some(last) = bytes.iter().rposition(|&byte| byte != 0) else { return Ok(None) };
    let at = random.random_range(0..=last);
    let flipped = bytes[at] ^ (1 << random.random_range(0..8));
    let file = File::options().write(true).open(path)?;
    file.write_all_at(&[flipped], at as u64)?;
    file.sync_all()?;
    Ok(Some(format!("a bit is flipped at byte {at} of {}", path.display())))
}

/// Cuts one of these files anywhere.
pub(super) fn cut_one(files: &[PathBuf], random: &mut StdRng) -> Result<Option<String>, Failure> {
    let Some(path) = files.choose(random) else { return Ok(None) };
    let file = File::options().write(true).open(path)?;
    let bytes = random.random_range(0..file.metadata()?.len());
    file.set_len(bytes)?;
    file.sync_all()?;
    Ok(Some(format!("{} is cut to {bytes} bytes", path.display())))
}

/// Makes nonsense of all of these files.
pub(super) fn garble(files: &[PathBuf], random: &mut StdRng) -> Result<Option<String>, Failure> {
    if files.is_empty() {
        return Ok(None);
    }
    for path in files {
        let mut bytes = std::fs::read(path)?;
        random.fill(&mut bytes[..]);
        std::fs::write(path, bytes)?;
    }
    Ok(Some(format!("the {} files of its catalogue are nonsense", files.len())))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn one_bit_is_another_and_a_file_is_shorter() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("below").join("file");
        std::fs::create_dir(path.parent().expect("below")).expect("made");
        let whole = [7; 100];
        std::fs::write(&path, whole).expect("written");
        std::fs::write(folder.path().join("LOCK"), []).expect("written");
        let found = files(folder.path()).expect("listed");
        assert_eq!(found, std::slice::from_ref(&path));
        let random = &mut StdRng::seed_from_u64(1);
        assert!(flip_one(&found, random).expect("flipped").is_some());
        let flipped = std::fs::read(&path).expect("read");
        let bits: u32 =
            whole.iter().zip(&flipped).map(|(one, other)| (one ^ other).count_ones()).sum();
        assert_eq!((flipped.len(), bits), (100, 1));
        assert!(cut_one(&found, random).expect("cut").is_some());
        assert!(std::fs::metadata(&path).expect("there").len() < 100);
        assert!(flip_one(&[], random).expect("nothing to do").is_none());
    }
}
