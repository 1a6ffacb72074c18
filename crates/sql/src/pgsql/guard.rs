//! An unencrypted connection that rejects a request for the password in clear text (PostgreSQL manual, "Message Flow",
//! `AuthenticationCleartextPassword`): an attacker in the middle could send that request in place of the server.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The error with which such a connection ends.
pub(super) const ASKED: &str = "the server asks for the password in clear text";

/// The type of authentication messages.
const AUTHENTICATION: u8 = b'R';
/// The kinds of authentication messages that matter here.
const OK: u32 = 0;
const CLEARTEXT_PASSWORD: u32 = 3;

/// The guarded connection.
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
        Poll::Ready(self.watch.inspect(octets))
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

/// Parses messages until the login is complete: type, length in four octets that includes itself, body.
#[derive(Default)]
struct Watch {
    done: bool,
    /// The type, the length, and the kind of an authentication message.
    head: Vec<u8>,
    /// Remaining octets of a body that is skipped.
    skip: usize,
}

impl Watch {
    fn inspect(&mut self, mut octets: &[u8]) -> io::Result<()> {
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
    fn a_request_for_the_clear_text_password_is_found_however_reads_split_the_messages() {
        let notice = message(b'N', b"SWARNING\0\0");
        let sasl = message(AUTHENTICATION, b"\0\0\0\x0aSCRAM-SHA-256\0\0");
        let asks = message(AUTHENTICATION, &[0, 0, 0, 3]);
        let ok = message(AUTHENTICATION, &[0; 4]);
        for (stream, is_refused) in [
            ([&asks[..]].concat(), true),
            ([&notice[..], &sasl, &asks].concat(), true),
            ([&notice[..], &sasl, &ok].concat(), false),
            // After the login all messages are ignored.
            ([&ok[..], &asks].concat(), false),
        ] {
            for size in 1..=stream.len() {
                let mut watch = Watch::default();
                let inspected = stream.chunks(size).try_for_each(|part| watch.inspect(part));
                assert_eq!(inspected.is_err(), is_refused, "{size}");
            }
        }
    }
}
