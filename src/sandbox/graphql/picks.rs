//! What a document asks for once fragments are spread, variables are put in
//! and `@include`/`@skip` are decided.

use serde_json::{Map, Value};

use super::{
    document::{Arguments, Directive, Document, Field, Literal, Operation, Selection},
    error::GraphqlError,
};

/// Deepest spreading of fragments; also ends those that use themselves.
const SPREADS_MAX: usize = 20;

/// One field asked for.
#[derive(Debug, Clone)]
pub(super) struct Pick {
    /// Its name in the answer.
    pub(super) key: String,
    pub(super) name: String,
    pub(super) arguments: Map<String, Value>,
    /// Only on objects of this type.
    pub(super) on: Option<String>,
    /// The key of an `@idempotent` directive.
    pub(super) idempotency_key: Option<String>,
    pub(super) picks: Vec<Pick>,
}

impl Pick {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.arguments.get(name).and_then(Value::as_str)
    }

    pub(super) fn size(&self, name: &str) -> Option<usize> {
        let number = self.arguments.get(name).and_then(Value::as_u64)?;
        usize::try_from(number).ok()
    }
}

/// The fields an operation asks for.
pub(super) fn of(
    document: &Document,
    operation: &Operation,
    given: &Map<String, Value>,
) -> Result<Vec<Pick>, GraphqlError> {
    let variables = variables(operation, given)?;
    let spreader = Spreader {
        document,
        variables: &variables,
    };
    let mut picks = Vec::new();
    spreader.spread(&operation.selections, None, 0, &mut picks)?;
    Ok(picks)
}

fn variables(
    operation: &Operation,
    given: &Map<String, Value>,
) -> Result<Map<String, Value>, GraphqlError> {
    let mut variables = Map::new();
    for variable in &operation.variables {
        let default = variable.default.as_ref();
        let value = match (given.get(&variable.name), default) {
            (Some(value), _) => Some(value.clone()),
            (None, Some(default)) => Some(literal(default, &Map::new())?),
            (None, None) => None,
        };
        if variable.required && value.as_ref().is_none_or(Value::is_null) {
            let text = format!(
                "Variable ${} of type {} was provided invalid value",
                variable.name, variable.kind
            );
            return Err(GraphqlError::new("INVALID_VARIABLE", text));
        }
        if let Some(value) = value {
            variables.insert(variable.name.clone(), value);
        }
    }
    Ok(variables)
}

struct Spreader<'a> {
    document: &'a Document,
    variables: &'a Map<String, Value>,
}

impl Spreader<'_> {
    fn spread(
        &self,
        selections: &[Selection],
        on: Option<&str>,
        depth: usize,
        into: &mut Vec<Pick>,
    ) -> Result<(), GraphqlError> {
        if depth > SPREADS_MAX {
            let text = "Fragments are nested too deeply or contain themselves";
            return Err(GraphqlError::new("infiniteLoop", text));
        }
        for selection in selections {
            match selection {
                Selection::Field(field) => {
                    if self.is_wanted(&field.directives)? {
                        merge(into, self.pick(field, on)?);
                    }
                }
                Selection::Inline {
                    on: own,
                    directives,
                    selections,
                } => {
                    if self.is_wanted(directives)? {
                        self.spread(selections, own.as_deref().or(on), depth + 1, into)?;
                    }
                }
                Selection::Spread { name, directives } => {
                    let fragment = self.document.fragments.get(name).ok_or_else(|| {
                        let text = format!("Fragment {name} was used, but not defined");
                        GraphqlError::new("useAndDefineFragment", text)
                    })?;
                    if self.is_wanted(directives)? {
                        let on = Some(fragment.on.as_str());
                        self.spread(&fragment.selections, on, depth + 1, into)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn pick(&self, field: &Field, on: Option<&str>) -> Result<Pick, GraphqlError> {
        let mut picks = Vec::new();
        self.spread(&field.selections, None, 0, &mut picks)?;
        Ok(Pick {
            key: field.key.clone(),
            name: field.name.clone(),
            arguments: self.values(&field.arguments)?,
            on: on.map(str::to_owned),
            idempotency_key: self.idempotency_key(&field.directives)?,
            picks,
        })
    }

    fn idempotency_key(&self, directives: &[Directive]) -> Result<Option<String>, GraphqlError> {
        let found = directives.iter().find(|found| found.name == "idempotent");
        let Some(directive) = found else {
            return Ok(None);
        };
        let values = self.values(&directive.arguments)?;
        let key = values.get("key").and_then(Value::as_str).map(str::trim);
        let key = key.filter(|key| !key.is_empty()).ok_or_else(|| {
            let text = "The @idempotent directive needs a key that is not blank.";
            GraphqlError::new("BAD_REQUEST", text)
        })?;
        Ok(Some(key.to_owned()))
    }

    fn is_wanted(&self, directives: &[Directive]) -> Result<bool, GraphqlError> {
        for directive in directives {
            let values = self.values(&directive.arguments)?;
            let condition = values.get("if").and_then(Value::as_bool);
            match (directive.name.as_str(), condition) {
                ("include", Some(false)) | ("skip", Some(true)) => return Ok(false),
                (_, _) => {}
            }
        }
        Ok(true)
    }

    fn values(&self, arguments: &Arguments) -> Result<Map<String, Value>, GraphqlError> {
        let mut values = Map::new();
        for (name, written) in arguments {
            if let Literal::Variable(variable) = written
                && !self.variables.contains_key(variable)
            {
                // An absent variable is an absent argument.
                continue;
            }
            values.insert(name.clone(), literal(written, self.variables)?);
        }
        Ok(values)
    }
}

fn literal(written: &Literal, variables: &Map<String, Value>) -> Result<Value, GraphqlError> {
    Ok(match written {
        Literal::Variable(name) => variables.get(name).cloned().unwrap_or(Value::Null),
        Literal::Number(text) => serde_json::from_str(text)
            .map_err(|_malformed| super::lexer::syntax(&format!("bad number {text}")))?,
        Literal::Text(text) | Literal::Enum(text) => Value::String(text.clone()),
        Literal::Bool(flag) => Value::Bool(*flag),
        Literal::Null => Value::Null,
        Literal::List(elements) => {
            let values: Result<Vec<Value>, GraphqlError> = elements
                .iter()
                .map(|element| literal(element, variables))
                .collect();
            Value::Array(values?)
        }
        Literal::Object(fields) => {
            let mut object = Map::new();
            for (name, field) in fields {
                if let Literal::Variable(variable) = field
                    && !variables.contains_key(variable)
                {
                    continue;
                }
                object.insert(name.clone(), literal(field, variables)?);
            }
            Value::Object(object)
        }
    })
}

/// The same field asked for twice is one field with both selections.
fn merge(into: &mut Vec<Pick>, pick: Pick) {
    let same = |known: &&mut Pick| {
        known.key == pick.key
            && known.name == pick.name
            && known.on == pick.on
            && known.arguments == pick.arguments
    };
    if let Some(known) = into.iter_mut().find(same) {
        for inner in pick.picks {
            merge(&mut known.picks, inner);
        }
    } else {
        into.push(pick);
    }
}
