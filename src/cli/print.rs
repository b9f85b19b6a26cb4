//! Output for people: tables, outlines, plain lines.

use std::io::Write;

use serde_json::Value;

/// Writes a line to standard output. A reader that went away (`| head`) is no failure.
pub(super) fn line(text: &str) {
    writeln!(std::io::stdout(), "{text}").unwrap_or_default();
}

/// Writes a text to standard output, and nothing behind it.
pub(super) fn exactly(text: &str) {
    write!(std::io::stdout(), "{text}").unwrap_or_default();
}

/// Writes a line to standard error.
pub(super) fn error_line(text: &str) {
    writeln!(std::io::stderr(), "{text}").unwrap_or_default();
}

/// Writes `value` as JSON.
pub(super) fn json(value: &Value) {
    line(&format!("{value:#}"));
}

/// Writes `rows` under `columns`; a column that a row lacks stays empty.
pub(super) fn table(columns: &[&str], rows: &[Value]) {
    for text in table_lines(columns, rows) {
        line(&text);
    }
}

/// Writes every field of `value`, nested ones indented.
pub(super) fn outline(value: &Value) {
    for text in outline_lines(value, 0) {
        line(&text);
    }
}

fn table_lines(columns: &[&str], rows: &[Value]) -> Vec<String> {
    let heads = columns
        .iter()
        .map(|column| column.replace('_', " ").to_uppercase())
        .collect();
    let cells = |row: &Value| columns.iter().map(|column| cell(row.get(column))).collect();
    let lines: Vec<Vec<String>> = std::iter::once(heads)
        .chain(rows.iter().map(cells))
        .collect();
    let width = |column: usize| {
        lines
            .iter()
            .filter_map(|line| line.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns.len())
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let join = |cells: &Vec<String>| {
        let padded: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}", width = *width))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    lines.iter().map(join).collect()
}

fn outline_lines(value: &Value, depth: usize) -> Vec<String> {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, field)| named(name, field, depth))
            .collect(),
        Value::Array(elements) => elements
            .iter()
            .flat_map(|element| listed(element, depth))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            vec![format!("{indent}{}", cell(Some(value)))]
        }
    }
}

fn named(name: &str, field: &Value, depth: usize) -> Vec<String> {
    let label = format!("{}{}:", "  ".repeat(depth), name.replace('_', " "));
    if is_nested(field) {
        let mut lines = vec![label];
        lines.extend(outline_lines(field, depth + 1));
        lines
    } else if let Some(text) = field.as_str().filter(|text| text.contains('\n')) {
        let indent = "  ".repeat(depth + 1);
        let line = |line: &str| format!("{indent}{}", line.replace(char::is_control, " "));
        std::iter::once(label)
            .chain(text.lines().map(line))
            .collect()
    } else {
        vec![format!("{label} {}", cell(Some(field)))]
    }
}

fn listed(element: &Value, depth: usize) -> Vec<String> {
    let mut lines = outline_lines(element, depth + 1);
    if let Some(first) = lines.first_mut() {
        *first = format!("{}- {}", "  ".repeat(depth), first.trim_start());
    }
    lines
}

fn is_nested(value: &Value) -> bool {
    match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(elements) => !elements.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.replace(char::is_control, " "),
        Some(Value::Array(elements)) if elements.is_empty() => "none".to_owned(),
        Some(Value::Object(fields)) if fields.is_empty() => "none".to_owned(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_is_as_wide_as_its_widest_cells() {
        let rows = [
            json!({"id": "7", "backlog": 12_000}),
            json!({"id": "1234", "other": true}),
        ];
        assert_eq!(
            table_lines(&["id", "backlog"], &rows),
            ["ID    BACKLOG", "7     12000", "1234  -"]
        );
    }

    #[test]
    fn an_outline_indents_what_is_nested() {
        let value = json!({"state": "running", "wants": [{"item": "1", "units": 2}, {"item": "3"}], "calls": []});
        let expected = [
            "calls: none",
            "state: running",
            "wants:",
            "  - item: 1",
            "    units: 2",
            "  - item: 3",
        ];
        assert_eq!(outline_lines(&value, 0), expected);
    }

    #[test]
    fn a_text_of_many_lines_is_indented() {
        let value = json!({"trace": "at here\n0: a\u{1b}b\n"});
        let expected = ["trace:", "  at here", "  0: a b"];
        assert_eq!(outline_lines(&value, 0), expected);
    }

    #[test]
    fn a_text_cannot_move_the_cursor() {
        assert_eq!(cell(Some(&json!("a\u{1b}[2Jb\n"))), "a [2Jb ");
    }
}
