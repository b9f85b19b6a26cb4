//! JSON laid out for people, without a change to what it says: numbers, names and their order stay as they came, which
//! a parser would not promise.

/// What each level is indented by.
const INDENT: &str = "  ";

/// The same JSON, a value to a line. `None`: it would be longer than `max` bytes; what is not JSON comes out as it may.
pub(crate) fn laid_out(json: &str, max: usize) -> Option<String> {
    let mut lines = Lines {
        text: String::with_capacity(json.len()),
        depth: 0,
    };
    let mut symbols = json.chars().peekable();
    while let Some(symbol) = symbols.next() {
        match symbol {
            '"' => lines.string(&mut symbols),
            '{' | '[' => {
                lines.text.push(symbol);
                while symbols.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                match symbols.next_if(|next| matches!(next, '}' | ']')) {
                    Some(end) => lines.text.push(end),
                    None => lines.deeper(),
                }
            }
            '}' | ']' => lines.higher(symbol),
            ',' => {
                lines.text.push(symbol);
                lines.line();
            }
            ':' => lines.text.push_str(": "),
            blank if blank.is_ascii_whitespace() => {}
            other => lines.text.push(other),
        }
        if lines.text.len() > max {
            return None;
        }
    }
    Some(lines.text)
}

struct Lines {
    text: String,
    depth: usize,
}

impl Lines {
    /// The rest of a string, as it is.
    fn string(&mut self, symbols: &mut impl Iterator<Item = char>) {
        self.text.push('"');
        while let Some(symbol) = symbols.next() {
            self.text.push(symbol);
            match symbol {
                '"' => return,
                '\\' => self.text.extend(symbols.next()),
                _ => {}
            }
        }
    }

    fn deeper(&mut self) {
        self.depth += 1;
        self.line();
    }

    fn higher(&mut self, end: char) {
        self.depth = self.depth.saturating_sub(1);
        self.line();
        self.text.push(end);
    }

    fn line(&mut self) {
        self.text.push('\n');
        for _level in 0..self.depth {
            self.text.push_str(INDENT);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_it_says_stays_to_the_letter() {
        let json = r#"{"total":19.90, "id":12345678901234567890123,"a":[ ],"z":{"b":[1,"x\",{ "]} ,"e":{ } }"#;
        let laid_out = laid_out(json, 1_000).unwrap();
        let lines = [
            "{",
            "  \"total\": 19.90,",
            "  \"id\": 12345678901234567890123,",
            "  \"a\": [],",
            "  \"z\": {",
            "    \"b\": [",
            "      1,",
            "      \"x\\\",{ \"",
            "    ]",
            "  },",
            "  \"e\": {}",
            "}",
        ];
        assert_eq!(laid_out, lines.join("\n"));
    }

    #[test]
    fn it_has_a_bound() {
        let deep = "[".repeat(10_000);
        assert_eq!(laid_out(&deep, 100_000), None);
        assert_eq!(laid_out("[1,2]", 4), None);
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[\\PC\"\\\\\n{}\\[\\],:]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|members| members.into_iter().collect::<Value>()),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_reads_as_the_same(value in json()) {
            let laid_out = laid_out(&value.to_string(), 1_000_000).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(&laid_out).unwrap(), value);
        }
    }
}
