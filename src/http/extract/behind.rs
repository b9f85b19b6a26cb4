//! Who asks is found out before anything is said of what they ask.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;

use crate::http::error::ApiError;

/// What a door takes, read once it is known that `Who` may open it. Arguments of a handler beside one another are read
/// all at once, and whichever is refused first answers.
#[derive(Debug)]
pub(crate) struct Behind<Who, Rest>(pub(crate) Who, pub(crate) Rest);

impl<Who, Rest> FromRequest for Behind<Who, Rest>
where
    Who: FromRequest<Error = ApiError> + 'static,
    Rest: FromRequest<Error = ApiError> + 'static,
{
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let who = Who::from_request(&request, &mut Payload::None).await?;
            let rest = Rest::from_request(&request, &mut payload).await?;
            Ok(Self(who, rest))
        })
    }
}
