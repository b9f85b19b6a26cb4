//! What collects metrics until somebody reads them.

use std::fmt;
use std::sync::OnceLock;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use super::metric_name;

/// Upper bounds in seconds: from a commit's fraction of a millisecond to a backlog's minutes.
const SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0, 300.0,
];

/// Upper bounds of how many keepers share a commit.
const SHARES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

static INSTALLED: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// The process's metrics. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    handle: Option<PrometheusHandle>,
}

impl Metrics {
    /// Installs the recorder on the first call in a process; later calls give the same one.
    #[must_use]
    pub fn install() -> Self {
        let handle = INSTALLED.get_or_init(|| match build() {
            Ok(handle) => Some(handle),
            Err(error) => {
                tracing::error!(%error, "failed to install the metrics recorder");
                None
            }
        });
        Self {
            handle: handle.clone(),
        }
    }

    /// All metrics in Prometheus' text form.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle
            .as_ref()
            .map(PrometheusHandle::render)
            .unwrap_or_default()
    }

    /// Folds what histograms gathered. To be called every few seconds, or they grow.
    pub fn upkeep(&self) {
        if let Some(handle) = &self.handle {
            handle.run_upkeep();
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Metrics")
            .field("installed", &self.handle.is_some())
            .finish_non_exhaustive()
    }
}

fn build() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .set_buckets_for_metric(Matcher::Full(metric_name::COMMIT_SHARES.to_owned()), SHARES)?
        .install_recorder()?;
    metric_name::describe();
    metric_name::begin();
    Ok(handle)
}
