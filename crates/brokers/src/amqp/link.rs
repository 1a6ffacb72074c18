//! Frames over a socket (AMQP 0.9.1, section 2.3), with or without TLS.
//!
//! One thread writes and reads. A write never waits for the peer alone: what the peer sends meanwhile is read, or the two
//! would wait for each other once its answers have filled the sockets.

use super::tls;
use amq_protocol::frame::{AMQPFrame, GenError, WriteContext, gen_frame, parse_frame};
use amq_protocol::protocol::constants::{FRAME_BODY, FRAME_END};
use delivery::Fault;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Octets of a frame before its payload: type, channel, length.
const HEAD: usize = 7;
/// Octets that are read at once.
const READ: usize = 1 << 16;
/// Octets of frames that may wait to be looked at. A broker answers what it is sent, and a parcel is smaller.
const UNREAD: usize = 64 << 20;
/// How long a socket is waited for before time, heartbeats and the other direction are looked at again.
const SLICE: Duration = Duration::from_millis(50);
/// How long a broker may take to say no to our certificate.
const SETTLE: Duration = Duration::from_millis(250);

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => &tls.sock,
        }
    }

    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(octets),
            Self::Tls(tls) => tls.read(octets),
        }
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(octets),
            Self::Tls(tls) => tls.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

/// The connection to a broker, as frames.
pub(super) struct Link {
    stream: Stream,
    /// What is to be written.
    out: Vec<u8>,
    /// What was read; frames begin at `start`.
    input: Vec<u8>,
    start: usize,
    /// Octets of the largest frame, both ways.
    frame_max: usize,
    /// Time between two signs of life; zero for none.
    heartbeat: Duration,
    written: Instant,
    heard: Instant,
}

impl Link {
    /// Connects; `tls` is what to trust, if the connection is to be encrypted.
    pub(super) fn connect(
        host: &str,
        port: u16,
        tls: Option<Arc<ClientConfig>>,
        deadline: Instant,
    ) -> Result<Self, Fault> {
        let down = |error: io::Error| Fault::Down(format!("{host}:{port}: {error}"));
        let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
        let mut socket = None;
        for address in (host, port).to_socket_addrs().map_err(down)? {
            match TcpStream::connect_timeout(&address, left(deadline)) {
                Ok(connected) => {
                    socket = Some(connected);
                    break;
                }
                Err(error) => last = error,
            }
        }
        let socket = socket.ok_or(last).map_err(down)?;
        socket.set_nodelay(true).map_err(down)?;
        // The handshake of TLS happens at the first write, in slices of this length.
        socket.set_read_timeout(Some(SLICE)).map_err(down)?;
        socket.set_write_timeout(Some(SLICE)).map_err(down)?;
        let stream = match tls {
            None => Stream::Plain(socket),
            Some(config) => {
                let name = ServerName::try_from(host.to_owned()).map_err(|error| Fault::Configuration {
                    key: "amqp_host",
                    what: format!("'{host}': {error}"),
                })?;
                let client = ClientConnection::new(config, name).map_err(|error| down(io::Error::other(error)))?;
                Stream::Tls(Box::new(StreamOwned::new(client, socket)))
            }
        };
        let now = Instant::now();
        let mut link = Self {
            stream,
            out: Vec::new(),
            input: Vec::new(),
            start: 0,
            frame_max: READ,
            heartbeat: Duration::ZERO,
            written: now,
            heard: now,
        };
        link.shake_hands(deadline)?;
        Ok(link)
    }

    /// The handshake of TLS, and what the broker says of our certificate.
    ///
    /// In TLS 1.3 the handshake ends here before the broker has looked at it. If it then says no while we write already,
    /// the connection is reset, and what it said goes with it. Brokers of AMQP never speak first: nothing is the good
    /// answer.
    fn shake_hands(&mut self, deadline: Instant) -> Result<(), Fault> {
        if matches!(self.stream, Stream::Plain(_)) {
            return Ok(());
        }
        self.write(deadline)?;
        let settled = Instant::now() + SETTLE;
        while self.input.is_empty() && Instant::now() < settled.min(deadline) {
            self.read()?;
        }
        Ok(())
    }

    /// What both sides have agreed on.
    pub(super) fn tune(&mut self, frame_max: u32, heartbeat: u16) {
        self.frame_max = frame_max as usize;
        self.heartbeat = Duration::from_secs(heartbeat.into());
    }

    /// Octets that wait to be written.
    pub(super) fn unwritten(&self) -> usize {
        self.out.len()
    }

    /// Adds a frame to what is to be written.
    pub(super) fn push(&mut self, frame: &AMQPFrame) -> Result<(), Fault> {
        append(&mut self.out, frame)
    }

    /// Adds octets that are whole frames already.
    pub(super) fn push_encoded(&mut self, frames: &[u8]) {
        self.out.extend_from_slice(frames);
    }

    /// Adds the body of a message, in as many frames as it takes.
    pub(super) fn push_body(&mut self, channel: u16, body: &[u8]) {
        for part in body.chunks(self.frame_max.saturating_sub(HEAD + 1).max(1)) {
            self.out.push(FRAME_BODY);
            self.out.extend_from_slice(&channel.to_be_bytes());
            // Parts are no longer than a frame, whose length has 32 bits.
            self.out.extend_from_slice(&u32::try_from(part.len()).unwrap_or(0).to_be_bytes());
            self.out.extend_from_slice(part);
            self.out.push(FRAME_END);
        }
    }

    /// Writes all that waits, and reads what comes meanwhile.
    pub(super) fn write(&mut self, deadline: Instant) -> Result<(), Fault> {
        let mut done = 0;
        while let Some(rest) = self.out.get(done..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(0) => return Err(gone()),
                Ok(count) => done += count,
                Err(error) => self.waited(&error, deadline)?,
            }
        }
        self.out.clear();
        // TLS may hold back what it was given.
        while let Err(error) = self.stream.flush() {
            self.waited(&error, deadline)?;
        }
        self.written = Instant::now();
        Ok(())
    }

    /// After a write that could not go on.
    fn waited(&mut self, error: &io::Error, deadline: Instant) -> Result<(), Fault> {
        if !is_wait(error) {
            return Err(lost(error));
        }
        if Instant::now() >= deadline {
            return Err(Fault::Down("it takes no more octets".to_owned()));
        }
        self.read_ready()
    }

    /// The next frame; heartbeats are kept up and left out.
    pub(super) fn next(&mut self, deadline: Instant) -> Result<AMQPFrame, Fault> {
        loop {
            if let Some(frame) = self.taken()? {
                return Ok(frame);
            }
            if Instant::now() >= deadline {
                return Err(Fault::Down("no answer in time".to_owned()));
            }
            self.read()?;
            self.beat(deadline)?;
        }
    }

    /// Says that we live when it is time to, and looks whether the broker does.
    pub(super) fn beat(&mut self, deadline: Instant) -> Result<(), Fault> {
        if self.heartbeat.is_zero() {
            return Ok(());
        }
        // Section 4.2.7: a peer is dead that was not heard for two intervals.
        if self.heard.elapsed() > self.heartbeat * 2 {
            return Err(Fault::Down("it has sent no heartbeat".to_owned()));
        }
        if self.written.elapsed() > self.heartbeat / 2 {
            self.push(&AMQPFrame::Heartbeat)?;
            self.write(deadline)?;
        }
        Ok(())
    }

    /// Reads once what is there, without waiting; [`Link::taken`] has the frames of it.
    pub(super) fn read_ready(&mut self) -> Result<(), Fault> {
        self.stream.socket().set_nonblocking(true).map_err(|error| lost(&error))?;
        let read = self.read();
        self.stream.socket().set_nonblocking(false).map_err(|error| lost(&error))?;
        read
    }

    /// Reads once, waiting no longer than the socket's timeout.
    fn read(&mut self) -> Result<(), Fault> {
        self.input.drain(..self.start);
        self.start = 0;
        let end = self.input.len();
        if end > UNREAD {
            return Err(Fault::Down(format!("it sends {end} octets and takes none")));
        }
        self.input.resize(end + READ, 0);
        let read = self.stream.read(self.input.get_mut(end..).unwrap_or_default());
        self.input.truncate(end + read.as_ref().copied().unwrap_or(0));
        match read {
            Ok(0) => Err(gone()),
            Ok(_) => {
                self.heard = Instant::now();
                Ok(())
            }
            Err(error) if is_wait(&error) => Ok(()),
            Err(error) => Err(lost(&error)),
        }
    }

    /// The next frame of what was read; heartbeats are left out.
    pub(super) fn taken(&mut self) -> Result<Option<AMQPFrame>, Fault> {
        loop {
            let Some(frame) = whole(self.input.get(self.start..).unwrap_or_default(), self.frame_max)? else {
                return Ok(None);
            };
            self.start += frame.len();
            let (_, frame) =
                parse_frame(frame).map_err(|_| Fault::Down("what it sends is not AMQP 0.9.1".to_owned()))?;
            if frame != AMQPFrame::Heartbeat {
                return Ok(Some(frame));
            }
        }
    }
}

/// The first frame of octets, if all of it is there. None is longer than agreed, so what waits for its rest is bounded.
fn whole(octets: &[u8], frame_max: usize) -> Result<Option<&[u8]>, Fault> {
    // A broker that cannot speak our version says which it would speak, and hangs up (section 2.2.4).
    if octets.starts_with(b"AMQP") {
        return Err(Fault::Down("it does not speak AMQP 0.9.1".to_owned()));
    }
    let Some(&[_, _, _, a, b, c, d]) = octets.first_chunk::<HEAD>() else { return Ok(None) };
    let payload = u32::from_be_bytes([a, b, c, d]) as usize;
    if payload > frame_max {
        return Err(Fault::Down(format!("it sends a frame of {payload} octets; {frame_max} are agreed on")));
    }
    Ok(octets.get(..HEAD + payload + 1))
}

/// Appends a frame to octets.
pub(super) fn append(octets: &mut Vec<u8>, frame: &AMQPFrame) -> Result<(), Fault> {
    let written = gen_frame(frame)(WriteContext::from(std::mem::take(octets)));
    let (written, _) = written.map_err(|error: GenError| Fault::Batch(error.to_string()))?.into_inner();
    *octets = written;
    Ok(())
}

/// Time until then.
fn left(deadline: Instant) -> Duration {
    // Nought would mean for ever.
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

fn is_wait(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// What an error of the socket means.
fn lost(error: &io::Error) -> Fault {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    inner.and_then(tls::refused).unwrap_or_else(|| Fault::Down(error.to_string()))
}

fn gone() -> Fault {
    Fault::Down("it has closed the connection".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn frames_are_found_when_they_are_whole() {
        let mut octets = Vec::new();
        append(&mut octets, &AMQPFrame::Heartbeat).unwrap();
        append(&mut octets, &AMQPFrame::Body(1, b"hello".to_vec())).unwrap();
        assert_eq!(whole(&octets, 100), Ok(Some(&octets[..8])));
        assert_eq!(whole(&octets[8..], 100), Ok(Some(&octets[8..])));
        for end in 8..octets.len() {
            assert_eq!(whole(&octets[8..end], 100), Ok(None));
        }
        assert!(whole(&octets[8..], 4).is_err());
        assert!(whole(b"AMQP\x00\x00\x09\x01", 100).is_err());
    }

    proptest! {
        #[test]
        fn any_octets_are_read(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(Some(frame)) = whole(&octets, 100) {
                let _ = parse_frame(frame);
            }
        }
    }
}
