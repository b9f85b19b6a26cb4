//! What people see while the demo runs: one line that is rewritten in a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::ProgressBar;

use super::super::print;
use super::options::DemoArgs;
use crate::app::App;
use crate::clock::Stopwatch;

/// How often plain lines are printed.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// How often the terminal's line is rewritten.
const REDRAW_EVERY: Duration = Duration::from_millis(200);

/// Where the run is.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    watch: Stopwatch,
    since: Stopwatch,
}

impl Progress {
    pub(super) fn new(arguments: &DemoArgs) -> Self {
        let terminal = std::io::stderr().is_terminal() && !arguments.json;
        let (watch, since) = (Stopwatch::start(), Stopwatch::start());
        Self {
            bar: terminal.then(ProgressBar::new_spinner),
            quiet: arguments.json,
            watch,
            since,
        }
    }

    /// Shows the present state, if it is time to.
    pub(super) fn show(&mut self, app: &App) {
        let every = if self.bar.is_some() {
            REDRAW_EVERY
        } else {
            LINE_EVERY
        };
        if self.watch.elapsed() < every || self.quiet {
            return;
        }
        self.watch = Stopwatch::start();
        let line = line(app, self.since.elapsed());
        match &self.bar {
            Some(bar) => {
                bar.set_message(line);
                bar.tick();
            }
            None => print::line(&line),
        }
    }
}

fn line(app: &App, elapsed: Duration) -> String {
    let statuses = app.directory().statuses();
    let observations = statuses
        .iter()
        .filter_map(|status| status.observation.as_deref());
    let mut applied = 0;
    let mut naked = 0;
    let mut dirty = 0;
    for observation in observations {
        applied += observation.applied;
        naked += observation.naked;
        dirty += observation.dirty_bundles + observation.unsettled_orders;
    }
    format!(
        "{:>4} s  applied {applied}  naked {naked}  yet to settle {dirty}",
        elapsed.as_secs()
    )
}
