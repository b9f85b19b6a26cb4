//! The program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The libraries bring no cryptography of their own. Nobody can have chosen before `main`.
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        return ExitCode::FAILURE;
    }
    storekeeper::cli::run(std::env::args_os())
}
