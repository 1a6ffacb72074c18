//! A connection to a Redis server: blocking, with a limit of time for each exchange.

use crate::resp::{self, Fault, Reply};
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Time to connect, and time for an answer.
pub const TIMEOUT: Duration = Duration::from_secs(3);

/// Where the server listens, and how to log in.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    /// A name or an address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The number of the database.
    pub database: u32,
    /// The password of the default user.
    pub password: Option<String>,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({self}, database {})", self.database)
    }
}

/// Why the server could not be used. The connection is of no further use.
#[derive(Debug)]
pub enum Error {
    /// No connection.
    Connect(io::Error),
    /// The connection has ended, or the server takes too long.
    Connection(io::Error),
    /// The server answers with an error.
    Refused(String),
    /// What the server sends is not its protocol.
    Fault(Fault),
    /// The reply is not one to this request.
    Unexpected,
    /// More daemons than this in one group.
    TooManyKeys(usize),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the number that the standard library adds.
        let plain = |error: &io::Error| {
            let text = error.to_string();
            text.split_once(" (os error").map_or(text.clone(), |(text, _)| text.to_owned())
        };
        match self {
            Self::Connect(error) => f.write_str(&plain(error)),
            Self::Connection(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                write!(f, "no answer within {} s", TIMEOUT.as_secs())
            }
            Self::Connection(error) if error.kind() == ErrorKind::UnexpectedEof => {
                f.write_str("the server has closed the connection")
            }
            Self::Connection(error) => f.write_str(&plain(error)),
            Self::Refused(what) => f.write_str(what),
            Self::Fault(fault) => write!(f, "not a reply of Redis: {fault}"),
            Self::Unexpected => f.write_str("not a reply to the request"),
            Self::TooManyKeys(most) => write!(f, "more than {most} daemons in one group"),
        }
    }
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// What was received and not yet read.
    received: Vec<u8>,
    /// Requests of the exchange at hand.
    requests: Vec<u8>,
    count: usize,
}

impl Connection {
    /// Connects and logs in.
    ///
    /// # Errors
    /// The server cannot be reached within [`TIMEOUT`], or refuses the password or the database.
    pub fn open(server: &Server) -> Result<Self, Error> {
        let deadline = Instant::now() + TIMEOUT;
        let stream = connect(server, deadline).map_err(Error::Connect)?;
        let mut connection = Self { stream, received: Vec::new(), requests: Vec::new(), count: 0 };
        if let Some(password) = &server.password {
            connection.request(&[b"AUTH", password.as_bytes()]);
        }
        if server.database != 0 {
            connection.request(&[b"SELECT", server.database.to_string().as_bytes()]);
        }
        connection.exchange(Instant::now() + TIMEOUT)?;
        Ok(connection)
    }

    /// Adds a request to the next exchange.
    pub fn request(&mut self, words: &[&[u8]]) {
        resp::request(&mut self.requests, words);
        self.count += 1;
    }

    /// Sends the requests and waits for their replies, until the deadline.
    ///
    /// # Errors
    /// The connection fails, or one of the replies is an error.
    pub fn exchange(&mut self, deadline: Instant) -> Result<Vec<Reply>, Error> {
        let (requests, count) = (std::mem::take(&mut self.requests), std::mem::take(&mut self.count));
        if count == 0 {
            return Ok(Vec::new());
        }
        let left = remaining(deadline).map_err(Error::Connection)?;
        let sent = self.stream.set_write_timeout(Some(left)).and_then(|()| self.stream.write_all(&requests));
        sent.map_err(Error::Connection)?;
        let mut replies = Vec::new();
        for _ in 0..count {
            replies.push(self.receive(deadline)?);
        }
        let refused = replies.iter().find_map(|reply| match reply {
            Reply::Error(what) => Some(what.clone()),
            _ => None,
        });
        refused.map_or(Ok(replies), |what| Err(Error::Refused(what)))
    }

    fn receive(&mut self, deadline: Instant) -> Result<Reply, Error> {
        loop {
            if let Some((reply, length)) = resp::reply(&self.received).map_err(Error::Fault)? {
                self.received.drain(..length);
                return Ok(reply);
            }
            let mut buffer = [0; 16 << 10];
            let left = remaining(deadline).map_err(Error::Connection)?;
            let read = self.stream.set_read_timeout(Some(left)).and_then(|()| self.stream.read(&mut buffer));
            match read {
                Ok(0) => return Err(Error::Connection(ErrorKind::UnexpectedEof.into())),
                Ok(count) => self.received.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Connection(error)),
            }
        }
    }
}

/// The time until then.
fn remaining(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Tries the addresses of the server in turn.
fn connect(server: &Server, deadline: Instant) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in (server.host.as_str(), server.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, remaining(deadline)?) {
            Ok(stream) => {
                // Requests are small, and wait for replies.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}
