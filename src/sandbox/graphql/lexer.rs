//! Cuts a GraphQL document into tokens.

use super::error::GraphqlError;

/// Longest document, characters.
const DOCUMENT_CHARS_MAX: usize = 100_000;

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A name or keyword.
    Name(String),
    /// A number, as written.
    Number(String),
    /// A string, unescaped.
    Text(String),
    /// `{ } ( ) [ ] : ! $ @ = | &` or `…` for the three dots.
    Mark(char),
}

/// What stands for `...`.
pub(super) const SPREAD: char = '…';

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, GraphqlError> {
    let mut found = Vec::new();
    let mut rest = text.chars().peekable();
    if text.len() > DOCUMENT_CHARS_MAX {
        return Err(syntax("document is too long"));
    }
    while let Some(letter) = rest.next() {
        match letter {
            ' ' | '\t' | '\n' | '\r' | ',' | '\u{feff}' => {}
            '#' => while rest.next_if(|next| *next != '\n').is_some() {},
            '.' => {
                let dots = rest.next_if_eq(&'.').and_then(|_| rest.next_if_eq(&'.'));
                dots.ok_or_else(|| syntax("expected '...'"))?;
                found.push(Token::Mark(SPREAD));
            }
            '{' | '}' | '(' | ')' | '[' | ']' | ':' | '!' | '$' | '@' | '=' | '|' | '&' => {
                found.push(Token::Mark(letter));
            }
            '"' => found.push(Token::Text(string(&mut rest)?)),
            '-' | '0'..='9' => {
                let part = |next: &char| next.is_ascii_alphanumeric() || "+-.".contains(*next);
                found.push(Token::Number(run(letter, &mut rest, part)));
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let part = |next: &char| next.is_ascii_alphanumeric() || *next == '_';
                found.push(Token::Name(run(letter, &mut rest, part)));
            }
            other => return Err(syntax(&format!("unexpected character {other:?}"))),
        }
    }
    Ok(found)
}

pub(super) fn syntax(what: &str) -> GraphqlError {
    GraphqlError::new("PARSE_ERROR", format!("syntax error, {what}"))
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn run(first: char, rest: &mut Rest<'_>, part: impl Fn(&char) -> bool) -> String {
    let mut text = String::from(first);
    while let Some(next) = rest.next_if(&part) {
        text.push(next);
    }
    text
}

fn string(rest: &mut Rest<'_>) -> Result<String, GraphqlError> {
    if rest.next_if_eq(&'"').is_some() {
        if rest.next_if_eq(&'"').is_none() {
            return Ok(String::new());
        }
        return block(rest);
    }
    let mut text = String::new();
    loop {
        match rest.next() {
            Some('"') => return Ok(text),
            Some('\\') => text.push(escaped(rest)?),
            Some('\n') | None => return Err(syntax("unterminated string")),
            Some(letter) => text.push(letter),
        }
    }
}

fn escaped(rest: &mut Rest<'_>) -> Result<char, GraphqlError> {
    match rest.next() {
        Some('n') => Ok('\n'),
        Some('t') => Ok('\t'),
        Some('r') => Ok('\r'),
        Some('b') => Ok('\u{8}'),
        Some('f') => Ok('\u{c}'),
        Some('u') => {
            let digits: String = rest.by_ref().take(4).collect();
            let number = u32::from_str_radix(&digits, 16).ok();
            number
                .and_then(char::from_u32)
                .ok_or_else(|| syntax("bad unicode escape"))
        }
        Some(letter @ ('"' | '\\' | '/')) => Ok(letter),
        Some(_) | None => Err(syntax("bad escape")),
    }
}

fn block(rest: &mut Rest<'_>) -> Result<String, GraphqlError> {
    let mut text = String::new();
    for letter in rest {
        text.push(letter);
        if text.ends_with("\"\"\"") {
            text.truncate(text.len() - 3);
            return Ok(text.trim().to_owned());
        }
    }
    Err(syntax("unterminated block string"))
}
