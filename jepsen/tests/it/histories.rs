//! Every history in `tests/histories`, with what the checkers say of it beside it.

use std::fs;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use varve_jepsen::checker::{Limits, check};
use varve_jepsen::history;

pub(crate) fn all() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories");
    let files = fs::read_dir(folder).expect("the folder is there");
    let mut files: Vec<PathBuf> =
        files.map(|file| file.expect("it can be listed").path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "edn"));
    files.sort();
    files
}

#[test]
fn good_histories_pass_and_bad_ones_are_found_out() {
    let mut never_broken: Option<Vec<&str>> = None;
    for path in all() {
        let text = fs::read_to_string(&path).expect("it can be read");
        let history = history::read(&text);
        let history = history.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let verdicts = check(&history, &Limits::default());
        let verdicts = verdicts.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let is_bad = !name.starts_with("good") && !name.starts_with("undecided");
        let broken = verdicts.iter().filter(|verdict| !verdict.findings.is_empty());
        let broken: Vec<&str> = broken.map(|verdict| verdict.checker).collect();
        assert_eq!(is_bad, !broken.is_empty(), "{name}: {verdicts:?}");
        never_broken
            .get_or_insert_with(|| verdicts.iter().map(|verdict| verdict.checker).collect());
        never_broken.iter_mut().for_each(|never| never.retain(|checker| !broken.contains(checker)));
        let shown: String = verdicts.iter().map(|verdict| format!("{verdict}\n")).collect();
        expect_file![path.with_extension("txt")].assert_eq(&shown);
    }
    assert_eq!(never_broken, Some(Vec::new()), "a checker that no history breaks");
}
