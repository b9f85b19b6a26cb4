//! What makes dead letters alike: their class, and their reason without what is particular to each.

use sha2::{Digest, Sha256};

use crate::domain::store::change::DeadLetterClass;

/// Hexadecimal digits of a fingerprint.
const DIGITS: usize = 16;
/// Stands for a number, an id or a digest.
const NUMBER: char = '#';
/// Stands for what was quoted.
const QUOTED: char = '…';

/// Names the dead letters that are alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fingerprint(String);

impl Fingerprint {
    /// Of a dead letter, by its gist.
    pub(crate) fn of(class: DeadLetterClass, gist: &str) -> Self {
        let text = format!("{}\0{gist}", class.name());
        let mut digest = hex::encode(Sha256::digest(text));
        digest.truncate(DIGITS);
        Self(digest)
    }

    /// As it was given out; `None`: it cannot be one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        (text.len() == DIGITS && is_hex).then(|| Self(text.to_ascii_lowercase()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A reason without what differs from one to the next: numbers and ids, and what it quotes, which may be of the body.
pub(crate) fn gist(reason: &str) -> String {
    let quotes = |letter: char| matches!(letter, '"' | '`');
    let parts = reason.split(quotes).enumerate();
    let mut gist = String::with_capacity(reason.len());
    for (index, part) in parts {
        if index % 2 == 0 {
            push_without_numbers(&mut gist, part);
        } else {
            gist.push(QUOTED);
        }
    }
    gist
}

/// A word with a digit in it is a number, an id or a digest, whatever else it is made of.
fn push_without_numbers(gist: &mut String, part: &str) {
    let is_of_word = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_');
    let mut rest = part;
    while let Some(first) = rest.chars().next() {
        let is_word = is_of_word(first);
        let end = rest.find(|letter: char| is_of_word(letter) != is_word);
        let (run, after) = rest.split_at(end.unwrap_or(rest.len()));
        if is_word && run.chars().any(|letter| letter.is_ascii_digit()) {
            gist.push(NUMBER);
        } else {
            gist.push_str(run);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_particular_to_one_is_left_out() {
        let cases = [
            (
                "line_items[3].id: wanted a number",
                "line_items[#].id: wanted a number",
            ),
            (
                "panicked at inbox row 7: é 0f3a-22",
                "panicked at inbox row #: é #",
            ),
            (
                r#"invalid type: string "Anne", expected an object"#,
                "invalid type: string …, expected an object",
            ),
            ("item `gid://9` is gone", "item … is gone"),
            ("an open `quote 5", "an open …"),
            ("", ""),
        ];
        for (reason, expected) in cases {
            assert_eq!(gist(reason), expected, "{reason}");
        }
    }

    #[test]
    fn alike_are_those_of_one_class_and_gist() {
        let of = |class, reason| Fingerprint::of(class, &gist(reason));
        let (poison, malformed) = (DeadLetterClass::Poison, DeadLetterClass::Malformed);
        assert_eq!(
            of(poison, "row 7 of \"Anne\""),
            of(poison, "row 12 of \"Bob\"")
        );
        assert_ne!(of(poison, "row 7"), of(malformed, "row 7"));
        assert_ne!(of(poison, "row 7"), of(poison, "column 7"));
        let known = of(poison, "row 7");
        assert_eq!(Fingerprint::parse(known.as_str()), Some(known));
        for strange in ["", "7", "0123456789abcdeg", "0123456789abcdef0"] {
            assert_eq!(Fingerprint::parse(strange), None, "{strange}");
        }
    }
}
