//! The search texts of connections, such as `id:1 OR id:2` and
//! `updated_at:>='2026-01-01T00:00:00Z' status:open`.

use crate::sandbox::clock::Moment;

/// Alternatives, each of terms that must all hold.
#[derive(Debug, Default)]
pub(super) struct Search(Vec<Vec<Term>>);

#[derive(Debug)]
struct Term {
    field: String,
    value: String,
}

impl Search {
    pub(super) fn parse(text: Option<&str>) -> Self {
        let mut alternatives = vec![Vec::new()];
        for word in words(text.unwrap_or_default()) {
            match (word.as_str(), word.split_once(':')) {
                ("OR", _) => alternatives.push(Vec::new()),
                ("AND", _) | (_, None) => {}
                (_, Some((field, value))) => {
                    let term = Term {
                        field: field.to_owned(),
                        value: value.to_owned(),
                    };
                    if let Some(last) = alternatives.last_mut() {
                        last.push(term);
                    }
                }
            }
        }
        Self(alternatives)
    }

    /// Whether `holds(field, value)` is true of all terms of an alternative.
    pub(super) fn admits(&self, holds: impl Fn(&str, &str) -> bool) -> bool {
        self.0
            .iter()
            .any(|terms| terms.iter().all(|term| holds(&term.field, &term.value)))
    }
}

/// Splits at blanks outside quotes; quotes and brackets are dropped.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for letter in text.chars() {
        match (letter, quote) {
            ('"' | '\'', None) => quote = Some(letter),
            (_, Some(open)) if open == letter => quote = None,
            (' ', None) => words.push(String::new()),
            ('(' | ')', None) => {}
            (_, _) => {
                if let Some(last) = words.last_mut() {
                    last.push(letter);
                }
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether a moment satisfies `>=2026-01-01T00:00:00Z` and the like.
pub(super) fn is_in(moment: Moment, condition: &str) -> bool {
    let (sign, text) = ["<=", ">=", "<", ">"]
        .into_iter()
        .find_map(|sign| Some((sign, condition.strip_prefix(sign)?)))
        .unwrap_or(("=", condition));
    let Some(bound) = Moment::parse(text) else {
        return false;
    };
    let moment = moment.whole_seconds();
    match sign {
        "<=" => moment <= bound,
        ">=" => moment >= bound,
        "<" => moment < bound,
        ">" => moment > bound,
        _ => moment == bound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_and_conjunctions() {
        let search = Search::parse(Some("id:1 OR (id:2 AND sku:'a b')"));
        let with = |id: &'static str, sku: &'static str| {
            search.admits(|field, value| match field {
                "id" => value == id,
                "sku" => value == sku,
                _ => true,
            })
        };
        assert!(with("1", ""));
        assert!(with("2", "a b"));
        assert!(!with("2", "a"));
        assert!(Search::parse(None).admits(|_, _| false));
    }

    #[test]
    fn moments_are_compared_by_whole_seconds() {
        let moment = Moment::parse("2026-01-01T00:00:00.5Z").unwrap();
        assert!(is_in(moment, ">=2026-01-01T00:00:00Z"));
        assert!(!is_in(moment, ">2026-01-01T00:00:00Z"));
    }
}
