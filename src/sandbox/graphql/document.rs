//! Parses a GraphQL document: operations, variables, selections, arguments,
//! aliases, directives and both kinds of fragments.

use std::collections::BTreeMap;

use super::{
    error::GraphqlError,
    lexer::{SPREAD, Token, syntax, tokens},
};

/// Deepest nesting of selections and values.
const DEPTH_MAX: usize = 40;

/// A value as written.
#[derive(Debug, Clone)]
pub(super) enum Literal {
    Variable(String),
    Number(String),
    Text(String),
    Bool(bool),
    Null,
    Enum(String),
    List(Vec<Literal>),
    Object(Vec<(String, Literal)>),
}

pub(super) type Arguments = Vec<(String, Literal)>;

#[derive(Debug, Clone)]
pub(super) struct Directive {
    pub(super) name: String,
    pub(super) arguments: Arguments,
}

#[derive(Debug, Clone)]
pub(super) struct Field {
    /// The alias, or the name.
    pub(super) key: String,
    pub(super) name: String,
    pub(super) arguments: Arguments,
    pub(super) directives: Vec<Directive>,
    pub(super) selections: Vec<Selection>,
}

#[derive(Debug, Clone)]
pub(super) enum Selection {
    Field(Field),
    Inline {
        on: Option<String>,
        directives: Vec<Directive>,
        selections: Vec<Selection>,
    },
    Spread {
        name: String,
        directives: Vec<Directive>,
    },
}

#[derive(Debug)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) required: bool,
    pub(super) default: Option<Literal>,
}

#[derive(Debug)]
pub(super) struct Operation {
    pub(super) is_mutation: bool,
    pub(super) name: Option<String>,
    pub(super) variables: Vec<Variable>,
    pub(super) selections: Vec<Selection>,
}

#[derive(Debug)]
pub(super) struct Fragment {
    pub(super) on: String,
    pub(super) selections: Vec<Selection>,
}

#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) operations: Vec<Operation>,
    pub(super) fragments: BTreeMap<String, Fragment>,
}

impl Document {
    pub(super) fn parse(text: &str) -> Result<Self, GraphqlError> {
        let mut parser = Parser {
            tokens: tokens(text)?,
            at: 0,
            depth: 0,
        };
        let mut document = Self::default();
        while parser.peek().is_some() {
            parser.definition(&mut document)?;
        }
        Ok(document)
    }

    /// The operation of that name, or the only one.
    pub(super) fn operation(&self, name: Option<&str>) -> Result<&Operation, GraphqlError> {
        let named = |operation: &&Operation| name.is_none() || operation.name.as_deref() == name;
        let mut fitting = self.operations.iter().filter(named);
        match (fitting.next(), fitting.next()) {
            (Some(operation), None) => Ok(operation),
            (Some(_), Some(_)) => Err(syntax("an operation name is required")),
            (None, _) => Err(syntax("no such operation")),
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn is_mark(&self, mark: char) -> bool {
        self.peek() == Some(&Token::Mark(mark))
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn take(&mut self, mark: char) -> bool {
        let found = self.is_mark(mark);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, mark: char) -> Result<(), GraphqlError> {
        if self.take(mark) {
            Ok(())
        } else {
            Err(syntax(&format!("expected {mark:?}")))
        }
    }

    fn name(&mut self) -> Result<String, GraphqlError> {
        if let Some(Token::Name(name)) = self.next() {
            Ok(name)
        } else {
            Err(syntax("expected a name"))
        }
    }

    fn definition(&mut self, document: &mut Document) -> Result<(), GraphqlError> {
        if self.is_mark('{') {
            let selections = self.selections()?;
            document.operations.push(Operation {
                is_mutation: false,
                name: None,
                variables: Vec::new(),
                selections,
            });
            return Ok(());
        }
        match self.name()?.as_str() {
            "fragment" => {
                let name = self.name()?;
                self.keyword("on")?;
                let on = self.name()?;
                let selections = self.selections()?;
                document.fragments.insert(name, Fragment { on, selections });
                Ok(())
            }
            kind @ ("query" | "mutation") => {
                let is_mutation = kind == "mutation";
                document.operations.push(self.operation(is_mutation)?);
                Ok(())
            }
            other => Err(syntax(&format!("unexpected {other:?}"))),
        }
    }

    fn keyword(&mut self, word: &str) -> Result<(), GraphqlError> {
        if self.name()? == word {
            Ok(())
        } else {
            Err(syntax(&format!("expected {word:?}")))
        }
    }

    fn operation(&mut self, is_mutation: bool) -> Result<Operation, GraphqlError> {
        let named = matches!(self.peek(), Some(Token::Name(_)));
        let name = if named { Some(self.name()?) } else { None };
        let mut variables = Vec::new();
        if self.take('(') {
            while !self.take(')') {
                variables.push(self.variable()?);
            }
        }
        self.directives()?;
        Ok(Operation {
            is_mutation,
            name,
            variables,
            selections: self.selections()?,
        })
    }

    fn variable(&mut self) -> Result<Variable, GraphqlError> {
        self.expect('$')?;
        let name = self.name()?;
        self.expect(':')?;
        let kind = self.type_name()?;
        let default = if self.take('=') {
            Some(self.value()?)
        } else {
            None
        };
        Ok(Variable {
            name,
            required: kind.ends_with('!') && default.is_none(),
            kind,
            default,
        })
    }

    fn type_name(&mut self) -> Result<String, GraphqlError> {
        let mut kind = if self.take('[') {
            let inner = self.deeper(Self::type_name)?;
            self.expect(']')?;
            format!("[{inner}]")
        } else {
            self.name()?
        };
        if self.take('!') {
            kind.push('!');
        }
        Ok(kind)
    }

    fn deeper<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, GraphqlError>,
    ) -> Result<T, GraphqlError> {
        if self.depth >= DEPTH_MAX {
            return Err(syntax("nested too deeply"));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn selections(&mut self) -> Result<Vec<Selection>, GraphqlError> {
        self.expect('{')?;
        let mut found = Vec::new();
        while !self.take('}') {
            found.push(self.deeper(Self::selection)?);
        }
        if found.is_empty() {
            return Err(syntax("empty selection"));
        }
        Ok(found)
    }

    fn selection(&mut self) -> Result<Selection, GraphqlError> {
        if self.take(SPREAD) {
            return self.fragment_use();
        }
        let first = self.name()?;
        let (key, name) = if self.take(':') {
            (first, self.name()?)
        } else {
            (first.clone(), first)
        };
        let arguments = self.arguments()?;
        let directives = self.directives()?;
        let selections = if self.is_mark('{') {
            self.selections()?
        } else {
            Vec::new()
        };
        Ok(Selection::Field(Field {
            key,
            name,
            arguments,
            directives,
            selections,
        }))
    }

    fn fragment_use(&mut self) -> Result<Selection, GraphqlError> {
        let named = matches!(self.peek(), Some(Token::Name(_)));
        let name = if named { Some(self.name()?) } else { None };
        match name {
            Some(name) if name != "on" => Ok(Selection::Spread {
                name,
                directives: self.directives()?,
            }),
            conditional => {
                let on = match conditional {
                    Some(_) => Some(self.name()?),
                    None => None,
                };
                Ok(Selection::Inline {
                    on,
                    directives: self.directives()?,
                    selections: self.selections()?,
                })
            }
        }
    }

    fn arguments(&mut self) -> Result<Arguments, GraphqlError> {
        let mut found = Vec::new();
        if self.take('(') {
            while !self.take(')') {
                let name = self.name()?;
                self.expect(':')?;
                found.push((name, self.value()?));
            }
        }
        Ok(found)
    }

    fn directives(&mut self) -> Result<Vec<Directive>, GraphqlError> {
        let mut found = Vec::new();
        while self.take('@') {
            found.push(Directive {
                name: self.name()?,
                arguments: self.arguments()?,
            });
        }
        Ok(found)
    }

    fn value(&mut self) -> Result<Literal, GraphqlError> {
        match self.next() {
            Some(Token::Mark('$')) => Ok(Literal::Variable(self.name()?)),
            Some(Token::Mark('[')) => {
                let mut elements = Vec::new();
                while !self.take(']') {
                    elements.push(self.deeper(Self::value)?);
                }
                Ok(Literal::List(elements))
            }
            Some(Token::Mark('{')) => {
                let mut fields = Vec::new();
                while !self.take('}') {
                    let name = self.name()?;
                    self.expect(':')?;
                    fields.push((name, self.deeper(Self::value)?));
                }
                Ok(Literal::Object(fields))
            }
            Some(Token::Number(text)) => Ok(Literal::Number(text)),
            Some(Token::Text(text)) => Ok(Literal::Text(text)),
            Some(Token::Name(name)) => Ok(match name.as_str() {
                "true" => Literal::Bool(true),
                "false" => Literal::Bool(false),
                "null" => Literal::Null,
                _ => Literal::Enum(name),
            }),
            Some(Token::Mark(_)) | None => Err(syntax("expected a value")),
        }
    }
}
