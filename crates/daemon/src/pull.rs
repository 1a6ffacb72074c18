//! A ZeroMQ socket of type PULL that connects to one of type PUSH (ZMTP 3.0 and 3.1), without security.
//!
//! While the other side cannot be reached, it tries again, with pauses that grow.

use bytes::Bytes;
use omq_proto::proto::{Connection, ConnectionConfig, Role, SocketType};
use std::fmt::Arguments;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Octets read at a time.
const READ: usize = 64 * 1024;
/// Time for a connection to be made.
const CONNECT: Duration = Duration::from_secs(2);
/// Time for the handshake of ZeroMQ.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The longest time for which the thread does not look whether to stop.
const REGULAR: Duration = Duration::from_millis(200);
/// When a silent connection may be dead: the interval at which the other side is asked, and how often it may not answer.
const PROBE: Duration = Duration::from_secs(30);
const PROBES: u32 = 3;
/// Pauses between attempts.
const SHORTEST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// Who handles the messages of a socket.
pub(crate) trait Puller {
    /// Whether to end.
    fn is_stopping(&self) -> bool;

    /// Waits for this time, or until the daemon stops.
    fn pause(&mut self, time: Duration);

    /// Regular work that no message causes. Called several times in a second, unless messages come.
    fn idle(&mut self) {}

    /// A connection was made.
    fn connected(&mut self) {}

    /// There is no connection, or no longer.
    fn failed(&mut self, error: Arguments<'_>);

    /// Handles messages that have arrived together.
    fn messages(&mut self, messages: Messages<'_>);
}

/// Messages that have arrived together.
pub(crate) struct Messages<'a>(&'a mut Connection);

impl Messages<'_> {
    /// Calls `each` with each message. Of a message with several parts this is the last one: those before are an envelope.
    pub(crate) fn for_each(self, mut each: impl FnMut(&[u8])) {
        while let Some(message) = self.0.poll_message() {
            if let Some(octets) = message.iter().last() {
                each(&octets);
            }
        }
    }
}

/// The host and the port of an address, which may begin with `tcp://`. `None` if it has none.
pub(crate) fn address(text: &str) -> Option<String> {
    let address = text.strip_prefix("tcp://").unwrap_or(text);
    let (host, port) = address.rsplit_once(':')?;
    let is_valid = !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0);
    is_valid.then(|| address.to_owned())
}

/// Reads the socket at an address until the daemon stops. A connection with a message of more than `max_message` octets is closed.
pub(crate) fn run(address: &str, max_message: usize, puller: &mut impl Puller) {
    let mut pause = SHORTEST;
    while !puller.is_stopping() {
        let begun = Instant::now();
        match connect(address).and_then(|stream| read(stream, max_message, puller)) {
            Ok(()) => break,
            Err(error) => puller.failed(format_args!("{address}: {error}")),
        }
        // A connection that has held for a while is a new beginning.
        pause = if begun.elapsed() > LONGEST { SHORTEST } else { (pause * 2).min(LONGEST) };
        let until = Instant::now() + pause;
        while !puller.is_stopping() && Instant::now() < until {
            puller.pause(REGULAR);
            puller.idle();
        }
    }
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let mut result = Err(io::Error::new(ErrorKind::NotFound, "the host has no address"));
    for address in address.to_socket_addrs()? {
        result = TcpStream::connect_timeout(&address, CONNECT);
        if result.is_ok() {
            break;
        }
    }
    let stream = result?;
    listener::probe(&stream, PROBE, PROBES)?;
    stream.set_read_timeout(Some(REGULAR))?;
    stream.set_write_timeout(Some(CONNECT))?;
    Ok(stream)
}

/// Reads messages. Returns when the daemon stops.
fn read(mut stream: TcpStream, max_message: usize, puller: &mut impl Puller) -> io::Result<()> {
    let config = ConnectionConfig::new(Role::Client, SocketType::Pull).max_message_size(max_message);
    let mut connection = Connection::new(config);
    let mut buffer = vec![0; READ];
    let begun = Instant::now();
    let mut was_ready = false;
    transmit(&mut connection, &mut stream)?;
    loop {
        if puller.is_stopping() {
            return Ok(());
        }
        let count = match stream.read(&mut buffer) {
            Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "the connection was closed")),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if !connection.is_ready() && begun.elapsed() > HANDSHAKE {
                    return Err(io::Error::new(ErrorKind::TimedOut, "no handshake of ZeroMQ in time"));
                }
                puller.idle();
                continue;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let octets = buffer.get(..count).unwrap_or_default();
        let mut handled = connection.handle_input(Bytes::copy_from_slice(octets));
        loop {
            if !was_ready && connection.is_ready() {
                was_ready = true;
                puller.connected();
            }
            // Commands mean nothing here.
            while connection.poll_event().is_some() {}
            puller.messages(Messages(&mut connection));
            transmit(&mut connection, &mut stream)?;
            handled.map_err(io::Error::other)?;
            if !connection.has_pending_input() {
                break;
            }
            handled = connection.resume_input();
        }
    }
}

/// Sends what waits: the handshake, and answers to pings.
fn transmit(connection: &mut Connection, stream: &mut TcpStream) -> io::Result<()> {
    while connection.has_pending_transmit() {
        let octets = connection.poll_transmit();
        stream.write_all(&octets)?;
        connection.advance_transmit(octets.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port() {
        for (text, wanted) in [
            ("127.0.0.1:5", Some("127.0.0.1:5")),
            ("tcp://collector:50000", Some("collector:50000")),
            ("[::1]:9", Some("[::1]:9")),
            ("collector", None),
            (":5", None),
            ("collector:0", None),
            ("collector:70000", None),
        ] {
            assert_eq!(address(text).as_deref(), wanted, "{text}");
        }
    }
}
