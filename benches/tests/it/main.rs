//! The benchmark itself, with so few rows that it takes seconds: every part runs against a real
//! server, and every answer is right. Its figures mean nothing here.

use varve_benches::parts::PARTS;
use varve_benches::report::Report;
use varve_benches::scale::Scale;

#[test]
fn every_part_measures_and_every_answer_is_right() {
    let mut report = Report::begin(Scale::TINY);
    for part in &PARTS {
        part.run(&mut report, &Scale::TINY).unwrap_or_else(|error| panic!("{error}"));
    }
    assert!(!report.has_wrong_answers(), "see the lines above that say WRONG");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = report.write(dir.path()).expect("written");
    let text = std::fs::read_to_string(path).expect("readable");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let figures = json["figures"].as_array().expect("figures");
    let measured = figures.iter().filter(|figure| figure["value"].is_number()).count();
    assert!(measured > 40, "{measured} of {} figures were measured", figures.len());
}
