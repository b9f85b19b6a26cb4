//! Stands between server and PostgreSQL and takes the fence out of every commit: what a server would do that has none.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The comparison that the fence consists of, as it stands in the text of the statement.
const FENCE: &[u8] = b"AND keeper.grant_id = g.grant_id AND keeper.applied_seq = g.applied_seq";

/// A proxy; it and its connections end with the value.
#[derive(Debug)]
pub(crate) struct SqlProxy {
    pub(crate) address: SocketAddr,
    _connections: JoinSet<()>,
}

impl SqlProxy {
    /// Starts a proxy to a server's address.
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut accepted = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                accepted.spawn(connect(client, target));
            }
        });
        Self {
            address,
            _connections: connections,
        }
    }
}

/// Ends when either side does.
async fn connect(client: TcpStream, target: SocketAddr) {
    let server = TcpStream::connect(target).await.unwrap();
    let (from_client, mut to_client) = client.into_split();
    let (mut from_server, to_server) = server.into_split();
    tokio::select! {
        _ended = copy(&mut from_server, &mut to_client) => {}
        _ended = pass_without_fence(from_client, to_server) => {}
    }
}

async fn pass_without_fence(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
) -> std::io::Result<()> {
    let mut held = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut chunk).await?;
        if length == 0 {
            return Ok(());
        }
        held.extend_from_slice(&chunk[..length]);
        unfence(&mut held);
        let kept = beginning_of_fence(&held);
        let passed: Vec<u8> = held.drain(..held.len() - kept).collect();
        to.write_all(&passed).await?;
    }
}

/// Blanks the comparison, so that no length in the protocol changes.
fn unfence(bytes: &mut [u8]) {
    while let Some(start) = bytes.windows(FENCE.len()).position(|part| part == FENCE) {
        bytes[start..start + FENCE.len()].fill(b' ');
    }
}

/// How many bytes at the end may be the beginning of what is looked for; the rest has not arrived yet.
fn beginning_of_fence(bytes: &[u8]) -> usize {
    let longest = bytes.len().min(FENCE.len() - 1);
    let begins = |length: &usize| bytes.ends_with(&FENCE[..*length]);
    (1..=longest).rev().find(begins).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fence_is_blanked_wherever_it_is_cut() {
        let mut whole = [b"WHERE true ", FENCE, b" RETURNING"].concat();
        unfence(&mut whole);
        let text = String::from_utf8(whole).unwrap();
        assert!(text.starts_with("WHERE true  ") && text.ends_with("  RETURNING"));
        assert!(!text.contains("grant"), "{text}");
        assert_eq!(beginning_of_fence(&FENCE[..20]), 20);
        assert_eq!(beginning_of_fence(b"SELECT 1"), 0);
    }
}
