//! JSON that may be wrong: a tree whose leaves are raw bytes, and whose objects may say a key twice.

use serde_json::Value;

/// A part of a body.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// Written as it is, valid or not.
    Raw(Vec<u8>),
    List(Vec<Node>),
    /// Keys are raw too, quotes included.
    Object(Vec<(Vec<u8>, Node)>),
}

/// Where in a tree: the index at each level.
pub(super) type Place = Vec<usize>;

impl Node {
    pub(super) fn raw(text: &str) -> Self {
        Self::Raw(text.as_bytes().to_vec())
    }

    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Array(elements) => Self::List(elements.iter().map(Self::of).collect()),
            Value::Object(fields) => {
                let field = |(key, field): (&String, &Value)| {
                    (
                        Value::from(key.as_str()).to_string().into_bytes(),
                        Self::of(field),
                    )
                };
                Self::Object(fields.iter().map(field).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Self::Raw(value.to_string().into_bytes())
            }
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut written = Vec::new();
        self.write(&mut written);
        written
    }

    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Raw(raw) => to.extend_from_slice(raw),
            Self::List(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    to.push(if index == 0 { b'[' } else { b',' });
                    element.write(to);
                }
                to.extend_from_slice(if elements.is_empty() { b"[]" } else { b"]" });
            }
            Self::Object(fields) => {
                for (index, (key, field)) in fields.iter().enumerate() {
                    to.push(if index == 0 { b'{' } else { b',' });
                    to.extend_from_slice(key);
                    to.push(b':');
                    field.write(to);
                }
                to.extend_from_slice(if fields.is_empty() { b"{}" } else { b"}" });
            }
        }
    }

    /// Every place below this node, with the nearest key above it.
    pub(super) fn places(&self) -> Vec<(Place, Vec<u8>)> {
        let mut found = Vec::new();
        self.collect(&mut Vec::new(), b"", &mut found);
        found
    }

    fn collect(&self, at: &mut Place, key: &[u8], found: &mut Vec<(Place, Vec<u8>)>) {
        let children: Vec<(&[u8], &Self)> = match self {
            Self::Raw(_) => Vec::new(),
            Self::List(elements) => elements.iter().map(|element| (key, element)).collect(),
            Self::Object(fields) => fields
                .iter()
                .map(|(key, field)| (key.as_slice(), field))
                .collect(),
        };
        for (index, (key, child)) in children.into_iter().enumerate() {
            at.push(index);
            found.push((at.clone(), key.to_vec()));
            child.collect(at, key, found);
            at.pop();
        }
    }

    /// The node at a place; `None` when an earlier change took it away.
    pub(super) fn at(&mut self, place: &[usize]) -> Option<&mut Self> {
        let Some((index, rest)) = place.split_first() else {
            return Some(self);
        };
        match self {
            Self::Raw(_) => None,
            Self::List(elements) => elements.get_mut(*index)?.at(rest),
            Self::Object(fields) => fields.get_mut(*index)?.1.at(rest),
        }
    }
}
