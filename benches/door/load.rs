//! Closed-loop load: so many connections, each with one request under way.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use storekeeper::clock::Stopwatch;

use crate::servers::Server;

/// What one server did in one round.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Answers other than 200.
    pub(crate) refused: usize,
}

/// The round whose rate is in the middle.
pub(crate) fn median(mut rounds: Vec<Measured>) -> Measured {
    rounds.sort_by(|left, right| left.per_second.total_cmp(&right.per_second));
    rounds[rounds.len() / 2]
}

/// What is in the middle of the rates to those of another server in the same rounds.
pub(crate) fn median_ratio(rounds: &[Measured], others: &[f64]) -> f64 {
    let ratios = rounds.iter().zip(others);
    let mut ratios: Vec<_> = ratios.map(|(own, other)| own.per_second / other).collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

pub(crate) async fn measure(server: &Server, connections: usize, span: Duration) -> Measured {
    thread_local! { static NEXT_ID: Rc<Cell<u64>> = Rc::default(); }
    let next_id = NEXT_ID.with(Rc::clone);
    let round = Rc::new((Stopwatch::start(), span));
    let local = tokio::task::LocalSet::new();
    let drive = |_| {
        local.spawn_local(drive(
            server.clone(),
            Rc::clone(&next_id),
            Rc::clone(&round),
        ))
    };
    let drivers: Vec<_> = (0..connections).map(drive).collect();
    let (mut waits, mut refused) = (Vec::new(), 0);
    local
        .run_until(async {
            for driver in drivers {
                let (of_one, refused_one) = driver.await.expect("a driver");
                waits.extend(of_one);
                refused += refused_one;
            }
        })
        .await;
    let took = round.0.elapsed().as_secs_f64();
    waits.sort_unstable();
    let quantile = |share: usize| {
        let wait = waits.get(waits.len().saturating_sub(1) * share / 100);
        wait.map_or(0.0, |wait: &Duration| wait.as_secs_f64() * 1_000.0)
    };
    Measured {
        per_second: f64::from(u32::try_from(waits.len()).expect("a round is short")) / took,
        p50_ms: quantile(50),
        p99_ms: quantile(99),
        refused,
    }
}

/// Sends one request after the other until the end; gives how long each took.
async fn drive(
    server: Server,
    next_id: Rc<Cell<u64>>,
    round: Rc<(Stopwatch, Duration)>,
) -> (Vec<Duration>, usize) {
    let mut stream = TcpStream::connect(&server.address)
        .await
        .expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    let mut webhook = server.webhook;
    let (mut waits, mut refused) = (Vec::new(), 0);
    let mut buffer = Vec::with_capacity(4_096);
    while round.0.elapsed() < round.1 {
        next_id.set(next_id.get() + 1);
        let sent = Stopwatch::start();
        stream
            .write_all(webhook.numbered(next_id.get()))
            .await
            .expect("sent");
        let status = answer(&mut stream, &mut buffer).await;
        waits.push(sent.elapsed());
        refused += usize::from(status != *b"200");
    }
    (waits, refused)
}

/// Reads one answer to its end; gives its status.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> [u8; 3] {
    buffer.clear();
    loop {
        let read = stream.read_buf(buffer).await.expect("an answer");
        assert!(read > 0, "the server hung up");
        if let Some(end) = whole(buffer) {
            assert_eq!(end, buffer.len(), "one answer at a time");
            return buffer
                .get(9..12)
                .and_then(|status| status.try_into().ok())
                .expect("a status");
        }
    }
}

/// Where the answer ends, once its head is there and its whole body.
fn whole(buffer: &[u8]) -> Option<usize> {
    let head = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(buffer.get(..head)?).ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let end = head + length.unwrap_or(0);
    (buffer.len() >= end).then_some(end)
}
