//! Telemetry from a ZeroMQ socket: `telemetry_daemon_zmq_address`.
//!
//! The daemon connects to a socket of type PUSH, as a PULL. While that cannot be reached, it tries again, with pauses that grow.

use super::input::Input;
#[cfg(feature = "zmq")]
use super::service::Service;
use crate::host::blame;
use crate::host::part::Reading;
#[cfg(feature = "zmq")]
use crate::host::part::Services;
use config::keys::telemetry::TELEMETRY_DAEMON_ZMQ_ADDRESS;

/// Reads a socket, if one is configured.
#[cfg(feature = "zmq")]
pub(super) fn choose(reading: &mut Reading<'_>) -> Option<Box<dyn Input>> {
    let text = reading.config.core(&TELEMETRY_DAEMON_ZMQ_ADDRESS)?;
    let address = text.strip_prefix("tcp://").unwrap_or(&text).to_owned();
    let is_address = |address: &str| {
        let (host, port) = address.rsplit_once(':')?;
        (!host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)).then_some(())
    };
    if is_address(&address).is_none() {
        let what = format!("telemetry_daemon_zmq_address: '{text}' is not HOST:PORT.");
        let hint = "For example 192.0.2.1:50000.".to_owned();
        reading.problems.fatal(blame(reading.config, &TELEMETRY_DAEMON_ZMQ_ADDRESS), what, Some(hint));
    }
    Some(Box::new(ZeroMq { address }))
}

/// This program has no ZeroMQ.
#[cfg(not(feature = "zmq"))]
pub(super) fn choose(reading: &mut Reading<'_>) -> Option<Box<dyn Input>> {
    reading.config.core(&TELEMETRY_DAEMON_ZMQ_ADDRESS)?;
    let what = "telemetry_daemon_zmq_address: this program was built without ZeroMQ.";
    reading.problems.fatal(blame(reading.config, &TELEMETRY_DAEMON_ZMQ_ADDRESS), what, None);
    None
}

/// The input.
#[cfg(feature = "zmq")]
struct ZeroMq {
    address: String,
}

#[cfg(feature = "zmq")]
impl Input for ZeroMq {
    fn start(&mut self, service: &std::sync::Arc<Service>, services: &Services) -> std::io::Result<()> {
        let address = self.address.clone();
        service.spawn(services, "telemetry/zmq", move |service| client::run(&address, service))
    }

    fn announce(&self) {
        tracing::info!("reading telemetry data from ZeroMQ tcp://{}", self.address);
    }
}

#[cfg(feature = "zmq")]
mod client {
    use super::Service;
    use crate::telemetry::broker::Reader;
    use crate::telemetry::node::Transport;
    use bytes::Bytes;
    use omq_proto::proto::{Connection, ConnectionConfig, Role, SocketType};
    use runtime::clock;
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

    /// Reads the socket until the daemon stops.
    pub(super) fn run(address: &str, service: &Service) {
        let reader = Reader::new(Transport::ZeroMq, "telemetry_daemon_zmq_address", service);
        let mut pause = SHORTEST;
        loop {
            let begun = Instant::now();
            match connect(address).and_then(|stream| read(stream, &reader, service)) {
                Ok(()) => break,
                Err(error) => reader.fail(&format_args!("{address}: {error}")),
            }
            // A connection that has held for a while is a new beginning.
            pause = if begun.elapsed() > LONGEST { SHORTEST } else { (pause * 2).min(LONGEST) };
            let until = Instant::now() + pause;
            while Instant::now() < until {
                if service.stop.pause(REGULAR) {
                    return;
                }
                service.idle();
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
    fn read(mut stream: TcpStream, reader: &Reader, service: &Service) -> io::Result<()> {
        let config =
            ConnectionConfig::new(Role::Client, SocketType::Pull).max_message_size(service.settings.max_message);
        let mut connection = Connection::new(config);
        let mut buffer = vec![0; READ];
        let begun = Instant::now();
        transmit(&mut connection, &mut stream)?;
        loop {
            if service.stop.is_requested() {
                return Ok(());
            }
            let count = match stream.read(&mut buffer) {
                Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "the connection was closed")),
                Ok(count) => count,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if !connection.is_ready() && begun.elapsed() > HANDSHAKE {
                        return Err(io::Error::new(ErrorKind::TimedOut, "no handshake of ZeroMQ in time"));
                    }
                    service.idle();
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let octets = buffer.get(..count).unwrap_or_default();
            let mut handled = connection.handle_input(Bytes::copy_from_slice(octets));
            loop {
                receive(&mut connection, reader, service);
                transmit(&mut connection, &mut stream)?;
                handled.map_err(io::Error::other)?;
                if !connection.has_pending_input() {
                    break;
                }
                handled = connection.resume_input();
            }
        }
    }

    /// Handles the messages that have arrived.
    fn receive(connection: &mut Connection, reader: &Reader, service: &Service) {
        // Commands mean nothing here.
        while connection.poll_event().is_some() {}
        let now = clock::now();
        service.batch(|collector| {
            while let Some(message) = connection.poll_message() {
                // Parts before the last one are an envelope.
                if let Some(octets) = message.iter().last() {
                    reader.receive(collector, service, &octets, now);
                }
            }
        });
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
}
