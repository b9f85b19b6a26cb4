//! What may be wrong with a body.

use super::chance::Chance;
use super::json::{Node, Place};

/// Fields that are read; most changes are made to these, for the rest is let through unread.
const READ_FIELDS: [&str; 28] = [
    "id",
    "admin_graphql_api_id",
    "created_at",
    "updated_at",
    "cancelled_at",
    "location_id",
    "line_items",
    "refunds",
    "variant_id",
    "product_id",
    "quantity",
    "refund_line_items",
    "line_item_id",
    "line_item",
    "restock_type",
    "inventory_item_id",
    "available",
    "tracked",
    "variants",
    "inventory_policy",
    "order_id",
    "order_edit",
    "fulfillment_order",
    "original_fulfillment_order",
    "moved_fulfillment_order",
    "additions",
    "removals",
    "delta",
];

/// What no field expects, valid JSON or not.
const TOKENS: [&str; 70] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "-1",
    "-5",
    "2",
    "1000000",
    "1000000000",
    "1000000001",
    "999999999999",
    "1000000000000",
    "1000000000001",
    "-1000000000000",
    "2147483648",
    "4294967296",
    "9007199254740992",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e999",
    "-1e999",
    "1e-999",
    "1e3",
    "1.0",
    "0.1",
    "-0.0",
    "01",
    "+1",
    "0x10",
    "NaN",
    "Infinity",
    "",
    " ",
    "\"\"",
    "\"0\"",
    "\"-1\"",
    "\"1\"",
    "\"x\"",
    "\"9223372036854775807\"",
    "\"9223372036854775808\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"\\x\"",
    "\"",
    "'",
    "\"gid://shopify/Order/1\"",
    "\"gid://shopify/Order/\"",
    "\"gid://\"",
    "\"0000-00-00T00:00:00Z\"",
    "\"0001-01-01T00:00:00Z\"",
    "\"1969-12-31T23:59:59Z\"",
    "\"9999-12-31T23:59:59Z\"",
    "\"+262142-12-31T23:59:59Z\"",
    "\"2026-02-30T00:00:00Z\"",
    "\"2026-06-30T23:59:60Z\"",
    "\"2026-01-01T00:00:00+99:99\"",
    "\"2026-01-01\"",
    "\"yesterday\"",
    "[]",
    "{}",
    "[null]",
    "{\"id\":{\"id\":[{}]}}",
];

/// How deep a nesting may be, beyond what any parser takes.
const DEPTHS: [usize; 4] = [100, 127, 129, 3_000];
/// How long a text may be, and how often an element is repeated.
const LENGTHS: [usize; 4] = [20, 300, 3_000, 20_000];
const REPETITIONS: [usize; 4] = [2, 3, 10, 30];
/// Larger bodies are cut here: what is sent must be within the door's own bound.
const BODY_BYTES_MAX: usize = 300_000;

/// A body that was right, with some things wrong.
pub(super) fn mutated(original: &Node, chance: &mut Chance) -> Vec<u8> {
    let mut body = original.clone();
    for _ in 0..=chance.below(3) {
        change(&mut body, chance);
    }
    let mut bytes = body.bytes();
    if chance.percent(12) {
        spoil(&mut bytes, chance);
    }
    bytes.truncate(BODY_BYTES_MAX);
    bytes
}

/// A body that never was right.
pub(super) fn random(chance: &mut Chance) -> Vec<u8> {
    let mut bytes = match chance.below(6) {
        0 => {
            let length = chance.below(2_000) + 1;
            chance.bytes(length)
        }
        1 => token(chance),
        _ => random_object(chance, 4).bytes(),
    };
    if chance.percent(12) {
        spoil(&mut bytes, chance);
    }
    // An empty body is refused at the door, in a test of its own.
    if bytes.is_empty() {
        bytes.push(b' ');
    }
    bytes.truncate(BODY_BYTES_MAX);
    bytes
}

fn random_object(chance: &mut Chance, levels: usize) -> Node {
    let field = |chance: &mut Chance| {
        let key = quoted(READ_FIELDS[chance.below(READ_FIELDS.len())]);
        (key, random_node(chance, levels))
    };
    let fields = (0..chance.below(8)).map(|_| field(chance)).collect();
    Node::Object(fields)
}

fn random_node(chance: &mut Chance, levels: usize) -> Node {
    match chance.below(10) {
        0 | 1 if levels > 0 => random_object(chance, levels - 1),
        2 | 3 if levels > 0 => {
            let element = |chance: &mut Chance| random_object(chance, levels - 1);
            Node::List((0..chance.below(5)).map(|_| element(chance)).collect())
        }
        4 | 5 => Node::raw(&(chance.next() % 100_000).to_string()),
        _ => Node::Raw(token(chance)),
    }
}

fn quoted(text: &str) -> Vec<u8> {
    format!("\"{text}\"").into_bytes()
}

fn token(chance: &mut Chance) -> Vec<u8> {
    match chance.below(12) {
        0 => repeated("[", "]", *chance.pick(&DEPTHS)),
        1 => repeated("{\"id\":", "}", *chance.pick(&DEPTHS)),
        2 => quoted(&"x".repeat(*chance.pick(&LENGTHS))),
        3 => "9".repeat(*chance.pick(&LENGTHS)).into_bytes(),
        4 => b"\"\xff\xfe\xc0\xaf\"".to_vec(),
        _ => chance.pick(&TOKENS).as_bytes().to_vec(),
    }
}

fn repeated(open: &str, close: &str, times: usize) -> Vec<u8> {
    format!("{}1{}", open.repeat(times), close.repeat(times)).into_bytes()
}

/// Makes one thing wrong.
fn change(body: &mut Node, chance: &mut Chance) {
    let Some(place) = place_in(body, chance) else {
        return;
    };
    match chance.below(11) {
        0 => within_parent(body, &place, remove),
        1 => {
            let other = random_node(chance, 1);
            within_parent(body, &place, |parent, index| {
                say_twice(parent, index, other);
            });
        }
        2 => {
            let times = *chance.pick(&REPETITIONS);
            within_parent(body, &place, |parent, index| repeat(parent, index, times));
        }
        3 => swap(body, &place, chance),
        4 => replace(body, &place, |node| Node::List(vec![node])),
        5 => replace(body, &place, |node| {
            Node::Object(vec![(quoted("id"), node)])
        }),
        6 => replace(body, &place, in_other_quotes),
        7 => {
            let drawn = chance.next();
            replace(body, &place, |node| another_number(node, drawn));
        }
        8 => within_parent(body, &place, rename),
        _ => {
            let wrong = token(chance);
            replace(body, &place, |_node| Node::Raw(wrong));
        }
    }
}

/// Somewhere in the body, most often at a field that is read.
fn place_in(body: &Node, chance: &mut Chance) -> Option<Place> {
    let all = body.places();
    let is_read = |key: &[u8]| READ_FIELDS.iter().any(|field| quoted(field) == key);
    let read: Vec<&(Place, Vec<u8>)> = all.iter().filter(|(_, key)| is_read(key)).collect();
    if !read.is_empty() && chance.percent(85) {
        return Some(chance.pick(&read).0.clone());
    }
    (!all.is_empty()).then(|| chance.pick(&all).0.clone())
}

fn replace(body: &mut Node, place: &[usize], make: impl FnOnce(Node) -> Node) {
    if let Some(node) = body.at(place) {
        let before = std::mem::replace(node, Node::Raw(Vec::new()));
        *node = make(before);
    }
}

fn within_parent(body: &mut Node, place: &[usize], work: impl FnOnce(&mut Node, usize)) {
    if let Some((index, above)) = place.split_last()
        && let Some(parent) = body.at(above)
    {
        work(parent, *index);
    }
}

fn remove(parent: &mut Node, index: usize) {
    match parent {
        Node::Raw(_) => {}
        Node::List(elements) => drop(elements.remove(index)),
        Node::Object(fields) => drop(fields.remove(index)),
    }
}

fn say_twice(parent: &mut Node, index: usize, other: Node) {
    match parent {
        Node::Raw(_) => {}
        Node::List(elements) => elements.insert(index, other),
        Node::Object(fields) => {
            let key = fields[index].0.clone();
            fields.push((key, other));
        }
    }
}

fn repeat(parent: &mut Node, index: usize, times: usize) {
    match parent {
        Node::Raw(_) => {}
        Node::List(elements) => {
            let element = elements[index].clone();
            elements.extend(std::iter::repeat_n(element, times));
        }
        Node::Object(fields) => {
            let field = fields[index].clone();
            fields.extend(std::iter::repeat_n(field, times));
        }
    }
}

/// The same key, spelt otherwise.
fn rename(parent: &mut Node, index: usize) {
    if let Node::Object(fields) = parent {
        let key = &mut fields[index].0;
        let escaped = key
            .get(1)
            .map(|first| format!("\"\\u00{first:02x}").into_bytes());
        if let Some(mut escaped) = escaped {
            escaped.extend_from_slice(&key[2..]);
            *key = escaped;
        }
    }
}

fn swap(body: &mut Node, place: &[usize], chance: &mut Chance) {
    let Some(other) = place_in(body, chance) else {
        return;
    };
    let Some(one) = body.at(place).cloned() else {
        return;
    };
    let Some(two) = body.at(&other).map(|node| std::mem::replace(node, one)) else {
        return;
    };
    replace(body, place, |_node| two);
}

/// A text that looks like a number becomes one, and anything else a text.
fn in_other_quotes(node: Node) -> Node {
    let Node::Raw(raw) = node else { return node };
    let inner = raw
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    let other = inner.map_or_else(|| [b"\"", raw.as_slice(), b"\""].concat(), <[u8]>::to_vec);
    Node::Raw(other)
}

/// A number near, or the opposite one; another digit in a text.
fn another_number(node: Node, drawn: u64) -> Node {
    let Node::Raw(mut raw) = node else {
        return node;
    };
    let number = std::str::from_utf8(&raw)
        .ok()
        .and_then(|text| text.parse::<i64>().ok());
    let Some(number) = number else {
        let digits: Vec<usize> = (0..raw.len())
            .filter(|&at| raw[at].is_ascii_digit())
            .collect();
        if !digits.is_empty() {
            let at = digits[usize::try_from(drawn % 1_000).unwrap() % digits.len()];
            raw[at] = b'0' + (drawn >> 32).to_le_bytes()[0] % 10;
        }
        return Node::Raw(raw);
    };
    let other = match drawn % 4 {
        0 => number.wrapping_neg(),
        1 => number.wrapping_add(1),
        2 => number.wrapping_sub(1),
        _ => number.wrapping_mul(1_000),
    };
    Node::raw(&other.to_string())
}

/// Makes the bytes themselves wrong.
fn spoil(bytes: &mut Vec<u8>, chance: &mut Chance) {
    let at = chance.below(bytes.len());
    match chance.below(8) {
        0 => drop(bytes.splice(0..0, *b"\xef\xbb\xbf")),
        1 => bytes.truncate(at.max(1)),
        2 => bytes.extend_from_slice(b"{}"),
        3 => bytes.insert(at, chance.next().to_le_bytes()[0]),
        4 => bytes.extend_from_within(..),
        5 => *bytes = bytes.iter().flat_map(|byte| [*byte, 0]).collect(),
        6 => bytes.insert(at, 0),
        _ => {
            let flipped = 1 << chance.below(8);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= flipped;
            }
        }
    }
}

#[test]
fn the_same_seed_spoils_the_same_way() {
    let original = Node::of(&serde_json::json!({ "id": 1, "line_items": [{ "quantity": 2 }] }));
    let bodies = |seed| -> Vec<Vec<u8>> {
        let body = |index| mutated(&original, &mut Chance::of(seed, index));
        (0..200).map(body).collect()
    };
    assert_eq!(bodies(1), bodies(1));
    assert_ne!(bodies(1), bodies(2));
    assert!(
        bodies(1)
            .iter()
            .any(|body| serde_json::from_slice::<serde_json::Value>(body).is_err())
    );
}
