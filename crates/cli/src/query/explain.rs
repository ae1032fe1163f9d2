//! What a search did, as a table: one line a step, in the order in which they ran.

use varve_client::v1::Explain;

const HEADINGS: [&str; 4] = ["step", "unit", "considered", "ruled out"];

/// The table, and under it what had to be read in spite of all steps.
pub(super) fn table(explain: &Explain) -> String {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    for step in &explain.steps {
        rows.push([
            step.name.clone(),
            step.unit.clone(),
            step.considered.to_string(),
            step.pruned.to_string(),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; 4] = std::array::from_fn(width);
    let mut text = String::from("\n");
    for [step, unit, considered, pruned] in &rows {
        text += &format!(
            "{step:<0$}  {unit:<1$}  {considered:>2$}  {pruned:>3$}\n",
            widths[0], widths[1], widths[2], widths[3]
        );
    }
    let Explain { pages_read, bytes_read, rows_scanned, rows_matched, .. } = explain;
    text += &format!(
        "\n{pages_read} pages read, {bytes_read} bytes; {rows_scanned} rows scanned, \
         {rows_matched} matched\n"
    );
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use varve_client::v1::ExplainStep;

    use super::*;

    #[test]
    fn the_table_lines_up() {
        let step = |name: &str, unit: &str, considered, pruned| ExplainStep {
            name: name.to_owned(),
            unit: unit.to_owned(),
            considered,
            pruned,
        };
        let explain = Explain {
            steps: vec![
                step("range", "chunks", 12, 2),
                step("filter", "row groups", 40_000, 39_998),
            ],
            pages_read: 4,
            bytes_read: 65_536,
            rows_scanned: 16_384,
            rows_matched: 1,
        };
        expect![[r#"

            step    unit        considered  ruled out
            range   chunks              12          2
            filter  row groups       40000      39998

            4 pages read, 65536 bytes; 16384 rows scanned, 1 matched
        "#]]
        .assert_eq(&table(&explain));
    }
}
