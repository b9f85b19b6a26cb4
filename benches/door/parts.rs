//! What a webhook costs the server in processor time, by the part of it that spends it: each has threads of its own.

use std::collections::BTreeMap;

/// Ticks of the processor clock in a second, as `/proc` counts on Linux.
const TICKS: f64 = 100.0;

/// Microseconds of processor time by part, of all webhooks together.
pub(crate) type Spent = BTreeMap<&'static str, f64>;

/// What the process has spent so far; nothing where there is no `/proc`.
pub(crate) fn spent(process: u32) -> Spent {
    let mut spent = Spent::new();
    let mut connections = 0;
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else {
        return spent;
    };
    let mut threads: Vec<_> = threads.flatten().map(|thread| thread.path()).collect();
    // In the order in which they began.
    threads.sort_by_key(|path| path.file_name().map(|id| (id.len(), id.to_owned())));
    for path in threads {
        let read = |file| std::fs::read_to_string(path.join(file)).unwrap_or_default();
        let part = part(read("comm").trim(), &mut connections);
        *spent.entry(part).or_default() += microseconds(&read("stat"));
    }
    spent
}

/// By a thread's name; connections to SQLite are the writer's, the log's and then the readers'.
fn part(thread: &str, connections: &mut usize) -> &'static str {
    if thread.starts_with("sqlx-sqlite") {
        *connections += 1;
        return match connections {
            1 => "write",
            2 => "move log",
            _ => "read",
        };
    }
    match thread {
        "actix-server wo" => "http",
        "tokio-rt-worker" => "writer",
        "actix-rt|system" | "keepers" => "keeper",
        _ => "rest",
    }
}

/// User and system time of a `stat` line: the 12th and 13th field after the name.
fn microseconds(stat: &str) -> f64 {
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: f64 = ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    ticks * 1_000_000.0 / TICKS
}

/// What each part spent on one of so many webhooks between two looks.
pub(crate) fn each(before: &Spent, after: &Spent, webhooks: f64) -> Spent {
    let one = |(part, spent): (&&'static str, &f64)| {
        let earlier = before.get(part).copied().unwrap_or_default();
        (*part, (spent - earlier) / webhooks)
    };
    after.iter().map(one).collect()
}
