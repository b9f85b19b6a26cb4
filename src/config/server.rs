//! `[server]`.

use std::net::{Ipv4Addr, SocketAddr};

use super::setting::{Range, settings};

settings! {
    /// Where the server listens, and how much it takes in at once.
    ["server"]
    pub struct ServerConfig {
        /// Where to listen. Port 0 takes a free port.
        bind: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)), "address", Range::Address;
        /// Where the platform and people reach this server from outside; webhook addresses start with it.
        /// Empty: the address it listens on.
        public_url: String = String::new(), "address", Range::Url;
        /// Threads that serve HTTP. 0: one per core.
        workers: usize = 0, "threads", Range::Between(0, 256);
        /// Largest request body. More is answered 413.
        body_limit_bytes: usize = 2 * 1024 * 1024, "bytes", Range::Between(65_536, 67_108_864);
        /// Open connections per thread. More wait in the operating system.
        connections_max: usize = 10_000, "connections", Range::Between(16, 100_000);
        /// How long a client may take to send its request's head.
        head_timeout_ms: u64 = 5_000, "milliseconds", Range::Between(100, 60_000);
        /// How long an idle connection is kept open.
        keep_alive_ms: u64 = 75_000, "milliseconds", Range::Between(1_000, 600_000);
        /// How long running requests and turns may take to end when the server stops.
        stop_deadline_ms: u64 = 20_000, "milliseconds", Range::Between(1_000, 300_000);
    }
}
