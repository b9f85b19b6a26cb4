//! `storekeeper sandbox`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::error::CliError;
use super::print;
use crate::app::StopSignals;
use crate::sandbox::{Faults, Sandbox, SandboxOptions, ShopRequest};

#[derive(Debug, Args)]
pub(super) struct SandboxArgs {
    /// Port on loopback; 0 takes a free one.
    #[arg(long, default_value_t = 8081)]
    port: u16,
    /// Shops that exist from the start.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    stores: u32,
    /// Fault knobs as JSON, in the form of `PUT /sandbox/faults`.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Platform seconds per real second.
    #[arg(long, value_name = "X", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    time_scale: u32,
    /// Seed of everything generated.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(super) async fn sandbox(arguments: SandboxArgs) -> Result<(), CliError> {
    let SandboxArgs {
        port,
        stores,
        faults,
        time_scale,
        seed,
    } = arguments;
    let faults = faults
        .as_deref()
        .map(read_faults)
        .transpose()?
        .unwrap_or_default();
    let mut signals = StopSignals::listen().map_err(CliError::Runtime)?;
    let sandbox = Sandbox::start(SandboxOptions {
        port,
        seed,
        time_scale,
        faults,
        ..SandboxOptions::default()
    })
    .await?;
    print::line(&format!("the sandbox platform serves at {}", sandbox.url()));
    for number in 1..=stores {
        open_shop(&sandbox, &format!("shop-{number}.myshopify.com"))?;
    }
    print::line("make shops with POST /sandbox/shops; Ctrl-C ends it, and nothing is kept");
    signals.next().await;
    sandbox.stop().await;
    Ok(())
}

fn open_shop(sandbox: &Sandbox, domain: &str) -> Result<(), CliError> {
    let opened = sandbox.open_shop(&ShopRequest::new(domain))?;
    print::line(&format!(
        "{domain}: api {}, access token {}, webhook secret {}",
        sandbox.shop_url(domain),
        opened.access_token,
        opened.webhook_secret
    ));
    Ok(())
}

fn read_faults(path: &Path) -> Result<Faults, CliError> {
    let failed = |reason: String| CliError::File {
        path: path.display().to_string(),
        reason,
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
}
