//! The description of every door, for programs: `/openapi.json`. `docs` shows it to people.

use std::sync::OnceLock;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, Required, Response};

use crate::http::error::{ApiError, Problem};
use crate::http::replies::Tagged;
use crate::http::routes::resource;
use crate::http::{
    admin, attention, availability, boundary, bundles, dashboard, docs, intake, oauth, policy,
    status,
};
use crate::platform::PlatformKind;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/openapi.json").route(web::get().to(openapi_json)))
        .service(resource("/docs").route(web::get().to(docs::docs)));
}

/// What is for browsers only, with the methods that it serves.
const UNDESCRIBED: &[(&str, &[&str])] = &[
    ("/", &["GET"]),
    ("/assets/storekeeper.css", &["GET"]),
    ("/assets/storekeeper.js", &["GET"]),
    ("/assets/storekeeper.svg", &["GET"]),
    ("/admin/login", &["GET", "POST"]),
    ("/admin/logout", &["POST"]),
    ("/admin/keepers/{store}", &["GET", "POST"]),
    ("/admin/keepers/{store}/inbox", &["GET"]),
    ("/admin/keepers/{store}/bucket", &["GET"]),
    ("/admin/dead-letters", &["GET", "POST"]),
    ("/admin/dead-letters/{id}", &["GET", "POST"]),
    ("/admin/dead-letters/{id}/edit", &["GET", "POST"]),
    ("/admin/tokens", &["GET", "POST"]),
    ("/admin/tokens/{token}", &["POST"]),
    ("/admin/audit", &["GET"]),
    ("/admin/supervision", &["GET"]),
    ("/admin/keepers/{store}/standing", &["POST"]),
    ("/admin/keepers/{store}/naked-sweep", &["POST"]),
];

#[derive(OpenApi)]
#[openapi(
    info(title = "Storekeeper", description = "Keeps the stock of bundles right on the platform.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT")),
    tags((name = "intake", description = "Webhooks from the platform"),
        (name = "merchant", description = "A store's bundles; its secret key"),
        (name = "storefront", description = "What may be sold; its publishable key"),
        (name = "admin", description = "Stores, keepers, dead letters; an operator's token of a role that allows it"),
        (name = "status", description = "Whether and how it works"),
        (name = "installation", description = "Installing the app on a shop"),
        (name = "pages", description = "For people")),
    components(schemas(boundary::ProblemDocument<'static>)),
    paths(
        intake::door::receive_by_domain, intake::door::receive_by_token,
        bundles::create_bundle, bundles::list_bundles, bundles::get_bundle, bundles::replace_bundle,
        bundles::delete_bundle, bundles::explain_bundle,
        attention::get_attention, policy::get_policy, policy::replace_policy,
        availability::availability, availability::preflight,
        admin::stores::create_store, admin::stores::list_stores, admin::stores::get_store,
        admin::stores::change_store, admin::stores::delete_store,
        admin::standings::get_definitions, admin::standings::get_standing, admin::standings::set_standing,
        admin::naked_sweep::get_naked_sweep, admin::naked_sweep::sweep_naked,
        admin::keepers::list_keepers, admin::keepers::get_keeper, admin::why::explain_keeper, admin::buckets::get_buckets,
        admin::keepers::control_keeper, admin::inbox::list_inbox,
        admin::safe_mode::get_safe_mode, admin::safe_mode::end_safe_mode,
        admin::dead_letters::list_dead_letters, admin::letter_groups::count_dead_letters,
        admin::letter_groups::group_dead_letters,
        admin::letter_edits::get_dead_letter, admin::letter_edits::get_dead_letter_body,
        admin::dead_letters::retry_dead_letter, admin::dead_letters::discard_dead_letter,
        admin::letter_groups::settle_in_bulk,
        admin::tokens::list_tokens, admin::tokens::create_token, admin::tokens::revoke_token,
        admin::audit::list_audit, admin::supervision::get_supervision,
        status::healthz, status::readyz, status::metrics, status::status,
        oauth::install, oauth::callback,
        dashboard::pages::page, dashboard::live::live,
        openapi_json, docs::docs,
    )
)]
struct Api;

/// The whole description, OpenAPI 3.1.
#[must_use]
pub fn document() -> &'static utoipa::openapi::OpenApi {
    static DOCUMENT: OnceLock<utoipa::openapi::OpenApi> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let mut api = Api::openapi();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = api.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        for item in api.paths.paths.values_mut() {
            for (_, operation) in operations_mut(item) {
                complete(operation);
            }
        }
        api
    })
}

/// The methods that an address serves, by its pattern.
pub(crate) fn methods_of(pattern: &str) -> Vec<&'static str> {
    let pattern = described(pattern);
    let undescribed = UNDESCRIBED.iter().find(|(path, _)| *path == pattern);
    let of_item = |item| operations(item).into_iter().map(|(method, _)| method);
    let mut methods: Vec<&str> = match (document().paths.paths.get(&pattern), undescribed) {
        (Some(item), _) => of_item(item).collect(),
        (None, Some((_, methods))) => methods.to_vec(),
        (None, None) => Vec::new(),
    };
    // It is served as GET everywhere.
    if let Some(get) = methods.iter().position(|method| *method == "GET") {
        methods.insert(get + 1, "HEAD");
    }
    methods
}

/// A pattern as people write it: without what its parameters may be, as in `{verb:pause|resume}`.
pub(crate) fn described(pattern: &str) -> String {
    let parameter = |rest: &str| match rest.split_once('}') {
        Some((inside, after)) => {
            let name = inside.split(':').next().unwrap_or(inside);
            format!("{{{name}}}{after}")
        }
        None => format!("{{{rest}"),
    };
    let mut parts = pattern.split('{');
    let start = parts.next().unwrap_or_default().to_owned();
    parts.map(parameter).fold(start, |path, part| path + &part)
}

/// An address's operations by method.
pub(crate) fn operations(item: &PathItem) -> Vec<(&'static str, &Operation)> {
    let all = [
        ("GET", &item.get),
        ("POST", &item.post),
        ("PUT", &item.put),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
        ("OPTIONS", &item.options),
    ];
    all.into_iter()
        .filter_map(|(method, operation)| operation.as_ref().map(|operation| (method, operation)))
        .collect()
}

fn operations_mut(item: &mut PathItem) -> Vec<(&'static str, &mut Operation)> {
    let all = [
        ("GET", &mut item.get),
        ("POST", &mut item.post),
        ("PUT", &mut item.put),
        ("PATCH", &mut item.patch),
        ("DELETE", &mut item.delete),
        ("OPTIONS", &mut item.options),
    ];
    all.into_iter()
        .filter_map(|(method, operation)| operation.as_mut().map(|operation| (method, operation)))
        .collect()
}

/// Every refusal is a problem document; doors with keys say so, and ids say what they look like.
fn complete(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter {
            describe_id(parameter);
            describe_header(parameter);
        }
    }
    let needs_key = operation.responses.responses.contains_key("401")
        && !operation.tags.iter().flatten().any(|tag| tag == "intake");
    if needs_key {
        let bearer =
            utoipa::openapi::security::SecurityRequirement::new("bearer", Vec::<String>::new());
        operation.security = Some(vec![bearer]);
    }
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else {
            continue;
        };
        if status.starts_with(['4', '5']) && response.content.is_empty() {
            describe_problem(response);
        }
    }
}

/// What extractors take where an address names something.
fn describe_id(parameter: &mut Parameter) {
    let text = ObjectBuilder::new().schema_type(Type::String);
    let schema = match parameter.name.as_str() {
        "store" => text.pattern(Some("^[1-9][0-9]{0,17}$")),
        "bundle" | "id" => text.format(Some(SchemaFormat::Custom("uuid".to_owned()))),
        "token" => text.pattern(Some("^[0-9a-f]{12}$")),
        "verb" => text.enum_values(Some(
            admin::keepers::Verb::ALL.map(admin::keepers::Verb::name),
        )),
        "platform" => text.enum_values(Some(PlatformKind::ALL.map(PlatformKind::as_str))),
        _ => return,
    };
    parameter.schema = Some(RefOr::T(Schema::Object(schema.build())));
}

/// Every header that is described may be left out.
fn describe_header(parameter: &mut Parameter) {
    if parameter.parameter_in == ParameterIn::Header {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1));
        parameter.required = Required::False;
        parameter.schema = Some(RefOr::T(Schema::Object(text.build())));
    }
}

fn describe_problem(response: &mut Response) {
    let schema = RefOr::Ref(Ref::from_schema_name("Problem"));
    response.content.insert(
        boundary::PROBLEM_JSON.to_owned(),
        Content::new(Some(schema)).into(),
    );
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "pages", responses((status = 200, description = "OpenAPI 3.1")))]
async fn openapi_json(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Ok(Tagged::of(document())?.respond(&request))
}

/// A page, rendered.
pub(crate) fn render_page(page: &impl Template) -> Result<HttpResponse, ApiError> {
    let html = page
        .render()
        .map_err(|error| ApiError::caused(Problem::Internal, &error))?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("text/html; charset=utf-8")
        .body(html))
}
