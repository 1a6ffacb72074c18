//! Connections over TCP, with TLS or without.

use super::connection::{Connection, Patience};
use super::{Done, Message};
use crate::probe::batch::sum;
use crate::probe::target::Target;
use rustix::net::RecvFlags;
use rustls::{ClientConnection, ProtocolVersion};
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long a system call may block. The thread looks between them whether the daemon ends.
const TICK: Duration = Duration::from_millis(500);
/// How long a server of TLS 1.3 may take to refuse the client's certificate. It says so only after the handshake (RFC 8446 section 4.4).
const REFUSAL: Duration = Duration::from_millis(500);
/// How long the collector may take to close the connection, after this side has.
const CLOSING: Duration = Duration::from_secs(2);
/// Reads of what the collector has sent, at a time.
const READS: usize = 16;

/// A connection.
#[derive(Debug)]
pub(super) struct Stream {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Stream {
    /// Connects, and does the handshake.
    ///
    /// # Errors
    /// Those of the last address of the collector.
    pub(super) fn connect(
        target: &Target,
        tls: Option<ClientConnection>,
        patience: &Patience<'_>,
    ) -> io::Result<Self> {
        let mut last = ErrorKind::AddrNotAvailable.into();
        for address in target.resolve()? {
            match open(target, address, patience.most) {
                Ok(socket) => {
                    let mut stream = Self { socket, tls: tls.map(Box::new) };
                    stream.handshake(patience)?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn handshake(&mut self, patience: &Patience<'_>) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        let began = Instant::now();
        while tls.is_handshaking() {
            match tls.complete_io(&mut self.socket) {
                Ok(_) => {}
                Err(error) if is_temporary(&error) => patience.check(began)?,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return Err(io::Error::other("the collector ended the connection during the handshake"));
                }
                Err(error) => return Err(explained(error)),
            }
        }
        if tls.protocol_version() == Some(ProtocolVersion::TLSv1_3) {
            self.socket.set_read_timeout(Some(REFUSAL))?;
            let answer = self.socket.peek(&mut [0]);
            self.socket.set_read_timeout(Some(TICK))?;
            if answer.is_ok() {
                return self.check();
            }
        }
        Ok(())
    }

    /// Sends octets as a whole.
    fn put(&mut self, octets: &[u8], patience: &Patience<'_>) -> io::Result<()> {
        let mut progress = Instant::now();
        let mut left = octets;
        if let Some(tls) = &mut self.tls {
            tls.writer().write_all(std::mem::take(&mut left))?;
        }
        loop {
            let written = match &mut self.tls {
                Some(tls) if tls.wants_write() => tls.write_tls(&mut self.socket),
                None if !left.is_empty() => self.socket.write(left),
                _ => return Ok(()),
            };
            match written {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    progress = Instant::now();
                    left = left.get(count..).unwrap_or_default();
                }
                Err(error) if is_temporary(&error) => patience.check(progress)?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads and discards what is there. False at the end of the stream.
    fn discard(&mut self) -> io::Result<bool> {
        let Some(tls) = &mut self.tls else { return Ok(self.socket.read(&mut [0; 4096])? > 0) };
        if tls.read_tls(&mut self.socket)? == 0 {
            return Ok(false);
        }
        let state = tls.process_new_packets().map_err(|error| explained(io::Error::other(error)))?;
        let mut sink = [0; 4096];
        while let Ok(1..) = tls.reader().read(&mut sink) {}
        // An answer to a key update.
        while tls.wants_write() && tls.write_tls(&mut self.socket).is_ok_and(|count| count > 0) {}
        Ok(!state.peer_has_closed())
    }
}

impl Connection for Stream {
    fn local_address(&self) -> Option<IpAddr> {
        Some(self.socket.local_addr().ok()?.ip())
    }

    fn peer_address(&self) -> Option<SocketAddr> {
        self.socket.peer_addr().ok()
    }

    fn send(
        &mut self,
        messages: &mut VecDeque<Message>,
        patience: &Patience<'_>,
        done: &mut Done,
    ) -> io::Result<()> {
        while let Some(message) = messages.front() {
            self.put(&message.octets, patience)?;
            done.datagrams.sent += 1;
            done.sent = done.sent.plus(sum(message.contents));
            messages.pop_front();
        }
        Ok(())
    }

    fn check(&mut self) -> io::Result<()> {
        for _ in 0..READS {
            match rustix::net::recv(&self.socket, &mut [0; 1][..], RecvFlags::DONTWAIT | RecvFlags::PEEK) {
                Ok((_, 0)) => return Err(closed()),
                Ok(_) if self.discard()? => {}
                Ok(_) => return Err(closed()),
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn close(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            while tls.wants_write() && tls.write_tls(&mut self.socket).is_ok_and(|count| count > 0) {}
        }
        // If octets were left unread, the kernel would reset the connection, and the collector could lose the last messages.
        let _ = self.socket.shutdown(Shutdown::Write);
        let began = Instant::now();
        while began.elapsed() < CLOSING {
            match self.socket.read(&mut [0; 4096]) {
                Ok(1..) => {}
                Err(error) if is_temporary(&error) => {}
                _ => break,
            }
        }
    }
}

/// Opens a connection to one address.
fn open(target: &Target, address: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.cloexec(), Some(Protocol::TCP))?;
    let options = target.options();
    match (address, options.hop_limit) {
        (SocketAddr::V4(_), Some(limit)) => socket.set_ttl_v4(limit.into())?,
        (SocketAddr::V6(_), Some(limit)) => socket.set_unicast_hops_v6(limit.into())?,
        (_, None) => {}
    }
    match (address, options.tos) {
        (SocketAddr::V4(_), Some(tos)) => socket.set_tos_v4(tos.into())?,
        (SocketAddr::V6(_), Some(tos)) => socket.set_tclass_v6(tos.into())?,
        (_, None) => {}
    }
    if let Some(source) = options.source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    // A collector that is gone without a word is noticed within this time.
    socket.set_tcp_user_timeout(Some(patience))?;
    socket.set_tcp_keepalive(
        &TcpKeepalive::new().with_time(patience).with_interval(Duration::from_secs(5)).with_retries(3),
    )?;
    socket.set_tcp_nodelay(true)?;
    socket.connect_timeout(&address.into(), patience)?;
    socket.set_write_timeout(Some(TICK))?;
    socket.set_read_timeout(Some(TICK))?;
    Ok(socket.into())
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn closed() -> io::Error {
    io::Error::new(ErrorKind::ConnectionAborted, "the collector has closed it")
}

/// Adds what to do to an error of TLS.
fn explained(error: io::Error) -> io::Error {
    use rustls::{AlertDescription, CertificateError as Certificate, Error, InvalidMessage};
    let hint = match error.get_ref().and_then(|error| error.downcast_ref::<Error>()) {
        // The issuer has the name of an authority that is trusted, and another key.
        Some(Error::InvalidCertificate(Certificate::UnknownIssuer | Certificate::BadSignature)) => {
            "nfprobe_tls_ca_file names the authorities that are trusted"
        }
        Some(Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        )) => "nfprobe_dtls_verify_cert is the name that it must contain, if it is not that of nfprobe_receiver",
        Some(Error::InvalidCertificate(Certificate::Other(other)))
            if other.to_string().contains("CaUsedAsEndEntity") =>
        {
            "it is that of an authority; the collector needs one that an authority has issued"
        }
        Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => "the collector does not speak TLS",
        Some(Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::AccessDenied,
        )) => "the collector wants another certificate: nfprobe_tls_cert_file",
        _ => return error,
    };
    io::Error::new(error.kind(), format!("{error} ({hint})"))
}
