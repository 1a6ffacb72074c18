//! Connections, and how they are made.

use super::stream;
use super::{Done, Message, Shared};
use crate::probe::target::Target;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Octets of a message over TCP: those of a record of TLS (RFC 8446 section 5.1).
const STREAM_MESSAGE: usize = 1 << 14;

/// A connection to a collector, on which messages are sent.
pub(super) trait Connection {
    /// The address that messages come from.
    fn local_address(&self) -> Option<IpAddr>;

    /// The collector.
    fn peer_address(&self) -> Option<SocketAddr>;

    /// The maximum length of messages, in octets, if the connection has one.
    fn limit(&self) -> Option<usize> {
        None
    }

    /// Whether another connection should take its place, since the collector may have forgotten it: its age, and the time since it was used.
    fn is_old(&self, _age: Duration, _unused: Duration) -> bool {
        false
    }

    /// Sends some of the messages, at least one, removes them from the front, and counts them.
    ///
    /// # Errors
    /// The connection is broken. Messages that were not sent as a whole are left.
    fn send(
        &mut self,
        messages: &mut VecDeque<Message>,
        patience: &Patience<'_>,
        done: &mut Done,
    ) -> io::Result<()>;

    /// Reads and discards what the collector has sent.
    ///
    /// # Errors
    /// It has closed the connection, or refuses it.
    fn check(&mut self) -> io::Result<()>;

    /// Tells the collector that this was all.
    fn close(&mut self);
}

/// How long a collector may take.
pub(super) struct Patience<'a> {
    pub(super) shared: &'a Shared,
    pub(super) most: Duration,
}

impl Patience<'_> {
    /// Checks whether to go on, since this time without progress.
    ///
    /// # Errors
    /// `TimedOut`.
    pub(super) fn check(&self, since: Instant) -> io::Result<()> {
        if self.shared.lock().is_abandoned || since.elapsed() >= self.most {
            let secs = self.most.as_secs();
            let what = format!("no progress within {secs} seconds (plugin_write_timeout)");
            return Err(io::Error::new(io::ErrorKind::TimedOut, what));
        }
        Ok(())
    }
}

/// Makes connections.
#[derive(Clone, Debug)]
pub(crate) enum Dialler {
    /// TCP (RFC 7011 section 10.4).
    Tcp,
    /// TLS over TCP (RFC 7011 section 11.1).
    Tls(Arc<ClientConfig>, ServerName<'static>),
    /// DTLS over UDP.
    #[cfg(feature = "dtls")]
    Dtls(super::datagrams::Dialler),
}

impl Dialler {
    /// The transport in words.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Tls(..) => "TLS",
            #[cfg(feature = "dtls")]
            Self::Dtls(_) => "DTLS",
        }
    }

    /// Whether what was sent arrives, in its order, or the connection breaks.
    pub(super) fn is_reliable(&self) -> bool {
        match self {
            Self::Tcp | Self::Tls(..) => true,
            #[cfg(feature = "dtls")]
            Self::Dtls(_) => false,
        }
    }

    /// The maximum length of messages, in octets, before a connection says otherwise. `datagram_size`: that of datagrams, if it
    /// is set.
    #[cfg_attr(not(feature = "dtls"), expect(unused_variables, reason = "only DTLS has datagrams"))]
    pub(super) fn message_size(&self, datagram_size: Option<usize>) -> usize {
        match self {
            Self::Tcp | Self::Tls(..) => STREAM_MESSAGE,
            #[cfg(feature = "dtls")]
            Self::Dtls(_) => super::datagrams::message_size(datagram_size),
        }
    }

    /// Connects to the collector. Asks the resolver, which may take long.
    ///
    /// # Errors
    /// Those of resolver, network and handshake.
    pub(super) fn dial(&self, target: &Target, patience: &Patience<'_>) -> io::Result<Box<dyn Connection>> {
        Ok(match self {
            Self::Tcp => Box::new(stream::Stream::connect(target, None, patience)?),
            Self::Tls(config, name) => {
                let tls = rustls::ClientConnection::new(Arc::clone(config), name.clone());
                Box::new(stream::Stream::connect(target, Some(tls.map_err(io::Error::other)?), patience)?)
            }
            #[cfg(feature = "dtls")]
            Self::Dtls(dialler) => Box::new(dialler.dial(target, patience)?),
        })
    }
}
