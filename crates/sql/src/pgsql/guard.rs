//! A connection in the clear on which the server may not ask for the password in the clear (PostgreSQL manual, "Message Flow",
//! `AuthenticationCleartextPassword`): whoever stands between could ask for it in the server's place.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What such a connection ends with.
pub(super) const ASKED: &str = "the server asks for the password in the clear";

/// The message that asks for something to log in with, or says that nothing more is needed.
const AUTHENTICATION: u8 = b'R';
/// Its kinds that matter here.
const OK: u32 = 0;
const CLEARTEXT_PASSWORD: u32 = 3;

/// The connection.
pub(super) struct Guard {
    stream: TcpStream,
    watch: Watch,
}

impl Guard {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, watch: Watch::default() }
    }
}

impl AsyncRead for Guard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let octets = buffer.filled().get(before..).unwrap_or_default();
        Poll::Ready(self.watch.see(octets))
    }
}

impl AsyncWrite for Guard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Looks at messages until the login is done: type, length in four octets that include themselves, body.
#[derive(Default)]
struct Watch {
    done: bool,
    /// Type, length, and of an authentication its kind.
    head: Vec<u8>,
    /// Octets of a body that do not matter.
    skip: usize,
}

impl Watch {
    fn see(&mut self, mut octets: &[u8]) -> io::Result<()> {
        while let (false, Some((first, rest))) = (self.done, octets.split_first()) {
            if self.skip > 0 {
                let skipped = self.skip.min(octets.len());
                self.skip -= skipped;
                octets = octets.get(skipped..).unwrap_or_default();
                continue;
            }
            self.head.push(*first);
            octets = rest;
            let number = |head: &[u8], at: usize| {
                head.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |octets| u32::from_be_bytes(*octets))
            };
            let wanted = if self.head.first() == Some(&AUTHENTICATION) { 9 } else { 5 };
            if self.head.len() < wanted {
                continue;
            }
            self.skip = (number(&self.head, 1) as usize + 1).saturating_sub(wanted);
            if wanted == 9 {
                match number(&self.head, 5) {
                    OK => self.done = true,
                    CLEARTEXT_PASSWORD => return Err(io::Error::other(ASKED)),
                    _ => {}
                }
            }
            self.head.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    #[test]
    fn a_password_in_the_clear_is_seen_wherever_reads_cut_the_messages() {
        let notice = message(b'N', b"SWARNING\0\0");
        let sasl = message(AUTHENTICATION, b"\0\0\0\x0aSCRAM-SHA-256\0\0");
        let asks = message(AUTHENTICATION, &[0, 0, 0, 3]);
        let ok = message(AUTHENTICATION, &[0; 4]);
        for (stream, is_refused) in [
            ([&asks[..]].concat(), true),
            ([&notice[..], &sasl, &asks].concat(), true),
            ([&notice[..], &sasl, &ok].concat(), false),
            // What follows is data, whatever it looks like.
            ([&ok[..], &asks].concat(), false),
        ] {
            for size in 1..=stream.len() {
                let mut watch = Watch::default();
                let seen = stream.chunks(size).try_for_each(|part| watch.see(part));
                assert_eq!(seen.is_err(), is_refused, "{size}");
            }
        }
    }
}
