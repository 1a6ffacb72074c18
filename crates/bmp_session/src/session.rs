//! The session: what its caller sees.

use crate::closed::Closed;
use crate::counts::Counts;
use crate::event::{Event, Received, Rejection};
use crate::input::{Input, Located};
use crate::peer::{Peer, PeerNumber, Peers};
use crate::proxy::{self, Begin, MAX_PROXY_HEADER, Source};
use bmp::error::MessageError;
use bmp::frame::{DEFAULT_MAX_LEN, Frame};
use bmp::message::Message;
use bmp::peer::PeerKey;
use bmp::v4::CodePoints;

/// How a session reads the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Expect a PROXY header, which may be absent.
    pub proxy_header: bool,
    /// Octets of the longest message that is read.
    pub max_message: usize,
    /// Whether a longer message is passed over, in the belief that its length is right. It ends the session otherwise.
    pub skip_long: bool,
    /// Peers that may be up at a time.
    pub max_peers: usize,
    /// The code points of TLVs of version 4.
    pub code_points: CodePoints,
}

impl Default for Config {
    /// No PROXY header, messages of up to one MB, longer ones passed over, and 16384 peers.
    fn default() -> Self {
        Self {
            proxy_header: false,
            max_message: DEFAULT_MAX_LEN,
            skip_long: true,
            max_peers: 16_384,
            code_points: CodePoints::default(),
        }
    }
}

/// A session with one router, from the accepted connection to its end.
#[derive(Debug)]
pub struct Session {
    input: Input,
    core: Core,
    /// Octets that may become a PROXY header; `None` if none is expected, or after it.
    proxy: Option<Vec<u8>>,
    closed: Option<Closed>,
}

/// What messages change.
#[derive(Debug)]
struct Core {
    config: Config,
    peers: Peers,
    counts: Counts,
}

impl Core {
    /// Acts on a message.
    fn receive<'a>(&'a mut self, frame: Frame<'a>) -> (Event<'a>, Option<MessageError>) {
        let kind = frame.kind();
        self.counts.count(kind);
        let message = match Message::decode(frame, &self.config.code_points) {
            Ok(message) => message,
            Err(error) => return (self.reject(Rejection::Message { kind, error }), None),
        };
        let fault = message.fault();
        self.counts.faulty += u64::from(fault.is_some());
        (self.event(message), fault)
    }

    fn event<'a>(&'a mut self, message: Message<'a>) -> Event<'a> {
        match message {
            Message::RouteMonitoring(message) => match self.peers.find(&message.peer.key()) {
                Some(number) => {
                    let Some(peer) = self.peers.get(number) else { return Event::UnknownPeer(message) };
                    let decoding = peer.decoding_of(&message, &self.config.code_points);
                    Event::Routes { peer, decoding, message }
                }
                None => {
                    self.counts.unknown_peer += 1;
                    Event::UnknownPeer(message)
                }
            },
            Message::PeerUp(message) => match self.peers.up(&message, self.config.max_peers) {
                Ok((number, change)) => match self.peers.get(number) {
                    Some(peer) => Event::PeerUp { peer, change, message },
                    None => Event::Rejected(Rejection::TooManyPeers { peer: message.peer }),
                },
                Err(rejection) => self.reject(rejection),
            },
            Message::PeerDown(message) => Event::PeerDown { peer: self.peers.down(&message.peer), message },
            Message::Statistics(message) => Event::Statistics { peer: self.known(&message.peer.key()), message },
            Message::RouteMirroring(message) => {
                Event::RouteMirroring { peer: self.known(&message.peer.key()), message }
            }
            Message::Initiation(message) => Event::Initiation(message),
            Message::Termination(message) => Event::Termination(message),
            Message::Unknown { kind, .. } => Event::Unknown(kind),
        }
    }

    fn known(&mut self, key: &PeerKey) -> Option<&Peer> {
        let number = self.peers.find(key)?;
        self.peers.get(number)
    }

    #[cold]
    fn reject<'a>(&mut self, rejection: Rejection) -> Event<'a> {
        self.counts.rejected += 1;
        Event::Rejected(rejection)
    }
}

impl Session {
    /// A session on a connection that was accepted now.
    pub fn new(config: Config) -> Self {
        Self {
            input: Input::default(),
            core: Core { config, peers: Peers::default(), counts: Counts::default() },
            proxy: config.proxy_header.then(Vec::new),
            closed: None,
        }
    }

    /// Takes octets that the router sent from the start of `input`, up to the end of the next message. Call it until it returns
    /// `None`: then all octets are taken, or the session is over: see [`Session::closed`].
    ///
    /// Messages that lie whole in `input` are not copied.
    pub fn next<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Option<Received<'a>> {
        if self.proxy.is_some() {
            let source = self.read_proxy_header(input)?;
            let event = Event::Source(source);
            return Some(Received { position: 0, octets: &[], version: None, fault: None, event });
        }
        if self.closed.is_some() {
            *input = &[];
            return None;
        }
        let Config { max_message, skip_long, .. } = self.core.config;
        let located = match self.input.locate(input, max_message, skip_long) {
            Ok(located) => located?,
            Err(error) => {
                self.close(Closed::Frame { position: self.input.position(), error });
                *input = &[];
                return None;
            }
        };
        let position = self.input.position();
        let frame = match located {
            Located::Caller(frame) => frame,
            Located::Buffer => self.input.buffered()?,
            Located::Skipped { version, kind, length } => {
                self.core.counts.count(kind);
                self.core.counts.skipped += 1;
                let event = Event::Skipped { kind, length };
                return Some(Received { position, octets: &[], version: Some(version), fault: None, event });
            }
        };
        let (event, fault) = self.core.receive(frame);
        if let Event::Termination(termination) = &event {
            self.closed = Some(Closed::Terminated(termination.reason()));
            *input = &[];
        }
        Some(Received { position, octets: frame.octets(), version: Some(frame.version()), fault, event })
    }

    /// Reads the PROXY header. `None`: it is incomplete, or wrong.
    fn read_proxy_header(&mut self, input: &mut &[u8]) -> Option<Option<Source>> {
        let mut octets = self.proxy.take()?;
        let before = octets.len();
        let room = MAX_PROXY_HEADER.saturating_sub(before);
        octets.extend_from_slice(input.get(..room).unwrap_or(input));
        match proxy::begin(&octets) {
            Ok(Begin::Incomplete) => {
                *input = &[];
                self.proxy = Some(octets);
                None
            }
            Ok(Begin::Present { source, len }) => {
                // What was kept before was incomplete, and so is shorter than the header.
                *input = input.get(len.saturating_sub(before)..).unwrap_or_default();
                self.input.count_prefix(len);
                Some(source)
            }
            Ok(Begin::Absent) => {
                octets.truncate(before);
                self.input.put_first(octets);
                Some(None)
            }
            Err(error) => {
                *input = &[];
                self.close(Closed::Proxy(error));
                None
            }
        }
    }

    fn close(&mut self, closed: Closed) {
        self.closed.get_or_insert(closed);
        self.proxy = None;
        self.input.free();
    }

    /// Reports that the connection ended.
    pub fn disconnected(&mut self) {
        let (position, incomplete) = match &self.proxy {
            Some(octets) => (0, octets.len()),
            None => self.input.incomplete(),
        };
        self.close(Closed::Disconnected { position, incomplete });
    }

    /// Why the session is over; `None` while it is not.
    pub fn closed(&self) -> Option<&Closed> {
        self.closed.as_ref()
    }

    /// The peers that are up, by number.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.core.peers.iter()
    }

    /// How many peers are up.
    pub fn peer_count(&self) -> usize {
        self.core.peers.len()
    }

    /// The peer with a number.
    pub fn peer(&self, number: PeerNumber) -> Option<&Peer> {
        self.core.peers.get(number)
    }

    /// Messages that came.
    pub fn counts(&self) -> Counts {
        self.core.counts
    }

    /// Bytes of memory that the incomplete message takes.
    pub fn input_bytes(&self) -> usize {
        self.input.allocated() + self.proxy.as_ref().map_or(0, Vec::capacity)
    }
}
