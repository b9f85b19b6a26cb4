//! `/docs`: the description of every door, for people.

use actix_web::HttpResponse;
use askama::Template;
use serde_json::Value;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{RefOr, Response};

use crate::http::error::{ApiError, Problem, catalogue};
use crate::http::openapi::{document, operations, render_page};

/// This description, readable.
#[utoipa::path(get, path = "/docs", tag = "pages",
    responses((status = 200, description = "A page", content_type = "text/html", body = String)))]
pub(crate) async fn docs() -> Result<HttpResponse, ApiError> {
    render_page(&Docs {
        doors: doors()?,
        problems: catalogue().collect(),
    })
}

#[derive(Template)]
#[template(path = "docs.html", config = "src/http/askama.toml")]
struct Docs {
    doors: Vec<Door>,
    problems: Vec<Problem>,
}

/// Routes under one heading.
struct Door {
    name: String,
    routes: Vec<RouteLine>,
}

struct RouteLine {
    method: &'static str,
    path: String,
    summary: Prose,
    description: Prose,
    takes: Vec<Taken>,
    answers: Vec<AnswerLine>,
}

/// A parameter, or a field of the body.
struct Taken {
    name: String,
    place: String,
    is_required: bool,
    about: Prose,
}

struct AnswerLine {
    status: String,
    description: Prose,
}

/// A text with code between back-ticks.
#[derive(Default)]
struct Prose(String);

impl Prose {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its parts in order, and whether each is code.
    fn parts(&self) -> impl Iterator<Item = (bool, &str)> {
        let code = [false, true].into_iter().cycle();
        code.zip(self.0.split('`'))
            .filter(|(_, text)| !text.is_empty())
    }
}

fn doors() -> Result<Vec<Door>, ApiError> {
    let api = serde_json::to_value(document());
    let api = api.map_err(|error| ApiError::caused(Problem::Internal, &error))?;
    let tags = document().tags.iter().flatten();
    let doors = tags.map(|tag| Door {
        name: tag.description.clone().unwrap_or_else(|| tag.name.clone()),
        routes: routes_of(&api, &tag.name),
    });
    Ok(doors.collect())
}

fn routes_of(api: &Value, tag: &str) -> Vec<RouteLine> {
    let mut lines = Vec::new();
    for (path, item) in &document().paths.paths {
        for (method, operation) in operations(item) {
            if operation.tags.iter().flatten().any(|name| name == tag) {
                lines.push(line(api, (method, path), operation));
            }
        }
    }
    lines
}

fn line(api: &Value, (method, path): (&'static str, &str), operation: &Operation) -> RouteLine {
    let answer = |(status, response): (&String, &RefOr<Response>)| AnswerLine {
        status: status.clone(),
        description: match response {
            RefOr::T(response) => Prose(response.description.clone()),
            RefOr::Ref(_) => Prose::default(),
        },
    };
    let item = api.get("paths").and_then(|paths| paths.get(path));
    let described = item.and_then(|item| item.get(method.to_ascii_lowercase()));
    RouteLine {
        method,
        path: path.to_owned(),
        summary: Prose(operation.summary.clone().unwrap_or_default()),
        description: Prose(operation.description.clone().unwrap_or_default()),
        takes: described
            .map(|described| takes(api, described))
            .unwrap_or_default(),
        answers: operation.responses.responses.iter().map(answer).collect(),
    }
}

/// What an operation takes: its parameters, then the fields of its body.
fn takes(api: &Value, operation: &Value) -> Vec<Taken> {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let parameters = parameters.map(|parameter| Taken {
        name: text(&parameter["name"]),
        place: text(&parameter["in"]),
        is_required: parameter["required"] == true,
        about: Prose(text(&parameter["description"])),
    });
    let schema = operation.pointer("/requestBody/content/application~1json/schema");
    let body = resolved(api, schema.unwrap_or(&Value::Null));
    let required = &body["required"];
    let fields = body["properties"].as_object().into_iter().flatten();
    let fields = fields.map(|(name, schema)| Taken {
        name: name.clone(),
        place: "body".to_owned(),
        is_required: required
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one == name)),
        about: Prose(about(api, schema)),
    });
    parameters.chain(fields).collect()
}

/// What is said of a field, and which words it takes.
fn about(api: &Value, schema: &Value) -> String {
    let target = resolved(api, schema);
    let mut about = text(&schema["description"]);
    let words = target["enum"].as_array().into_iter().flatten();
    let words: Vec<String> = words.map(|word| format!("`{}`", text(word))).collect();
    if !words.is_empty() {
        about = format!("{about} {}", words.join(", "));
    }
    let element = resolved(api, &target["items"]);
    if let Some(fields) = element["properties"].as_object() {
        let fields: Vec<String> = fields.keys().map(|field| format!("`{field}`")).collect();
        about = format!("{about} each with {}", fields.join(", "));
    }
    about.trim().to_owned()
}

/// The schema itself, or the one that it names.
fn resolved<'api>(api: &'api Value, schema: &'api Value) -> &'api Value {
    let named = schema["$ref"]
        .as_str()
        .and_then(|name| name.strip_prefix('#'));
    named
        .and_then(|pointer| api.pointer(pointer))
        .unwrap_or(schema)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
