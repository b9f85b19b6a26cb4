//! The listening socket and the worker threads behind it.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpServer, web};

use crate::config::ServerConfig;
use crate::http::routes::configure;
use crate::http::state::AppState;

/// Connections that may wait to be accepted; the operating system bounds it further.
const ACCEPT_BACKLOG: u32 = 2_048;
/// How long a client may take to read the end of a refused request.
const DISCONNECT: Duration = Duration::from_secs(1);

/// Why the server cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("failed to listen on {address}")]
    Listen {
        address: std::net::SocketAddr,
        source: std::io::Error,
    },
    #[error("failed to start serving")]
    Start(#[source] std::io::Error),
}

/// Takes the configured address; port 0 takes a free one.
///
/// # Errors
/// The address is taken, or may not be used.
pub fn bind(config: &ServerConfig) -> Result<TcpListener, ServeError> {
    TcpListener::bind(config.bind).map_err(|source| ServeError::Listen {
        address: config.bind,
        source,
    })
}

/// Serves until the returned server's handle stops it; then requests under way end within the configured time.
///
/// The server is a future that must be polled on a tokio or actix runtime. It leaves signals to the caller.
///
/// # Errors
/// The socket cannot be served on.
pub fn serve(
    listener: TcpListener,
    state: web::Data<AppState>,
    config: &ServerConfig,
) -> Result<Server, ServeError> {
    let make = move || App::new().app_data(state.clone()).configure(configure);
    let mut server = HttpServer::new(make)
        .backlog(ACCEPT_BACKLOG)
        .max_connections(config.connections_max)
        .keep_alive(Duration::from_millis(config.keep_alive_ms))
        .client_request_timeout(Duration::from_millis(config.head_timeout_ms))
        .client_disconnect_timeout(DISCONNECT)
        .shutdown_timeout(config.stop_deadline_ms.div_ceil(1_000))
        .disable_signals();
    if config.workers > 0 {
        server = server.workers(config.workers);
    }
    Ok(server.listen(listener).map_err(ServeError::Start)?.run())
}
