//! Every address, by door. The document at `/openapi.json` is compared with these in a test.

use actix_web::{Resource, web};

use crate::http::{
    admin, attention, availability, boundary, bundles, dashboard, intake, oauth, openapi, policy,
    status,
};

/// Puts every door into an application whose data is an [`AppState`](super::AppState), behind the boundary.
pub fn configure(config: &mut web::ServiceConfig) {
    let doors = web::scope("")
        .wrap(actix_web::middleware::from_fn(boundary::cross))
        .configure(intake::configure)
        .configure(bundles::configure)
        .configure(policy::configure)
        .configure(attention::configure)
        .configure(availability::configure)
        .configure(admin::configure)
        .configure(oauth::configure)
        .configure(dashboard::configure)
        .configure(openapi::configure)
        .configure(status::configure)
        .default_service(web::to(boundary::route_not_found));
    config.service(doors);
}

/// An address; methods that it does not serve are answered with those that it does.
pub(crate) fn resource(path: &str) -> Resource {
    web::resource(path).default_service(web::to(boundary::method_not_allowed))
}
