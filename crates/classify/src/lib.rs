//! Classifies packets by application: recognises the protocol of a conversation by its first packets.
//!
//! A [`Classifier`] tracks conversations and passes their first packets to an [`Engine`], until the application is recognised
//! or a limit is reached; from then on, a packet costs a table lookup. The engine is libndpi, if the feature `ndpi` builds
//! it in ([`BuiltIn`], [`IS_BUILT_IN`]); the table does not depend on it.

mod classifier;
#[cfg(feature = "ndpi")]
mod ndpi;

pub use classifier::{Classifier, Conversation, PacketLimits, Settings};

/// The library that recognises applications in this build.
#[cfg(feature = "ndpi")]
pub type BuiltIn = ndpi::Ndpi;

/// The library that recognises applications in this build: none.
#[cfg(not(feature = "ndpi"))]
pub type BuiltIn = Nothing;

/// Whether this build recognises applications.
pub const IS_BUILT_IN: bool = cfg!(feature = "ndpi");

/// An application, by the engine's numbers; 0 is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Application {
    /// The protocol that carries it, if that is another.
    pub master: u16,
    /// The application.
    pub protocol: u16,
}

impl Application {
    /// Unknown, or not yet recognised.
    pub const UNKNOWN: Self = Self { master: 0, protocol: 0 };
}

/// Recognises applications.
pub trait Engine: Send {
    /// Its state for a conversation whose application is not recognised yet.
    type Flow: Send;

    /// Starts a conversation; `None` if memory is exhausted.
    fn open(&mut self) -> Option<Self::Flow>;

    /// Returns the application after one more packet, which starts at its IP header. `time_ms`: milliseconds since 1970.
    fn packet(&mut self, flow: &mut Self::Flow, ip: &[u8], time_ms: u64) -> Application;

    /// The most probable application, by ports and addresses.
    fn guess(&mut self, flow: &mut Self::Flow) -> Application;

    /// The name of a protocol.
    fn name(&self, protocol: u16) -> String;
}

/// The engine of a build without one; it has no values.
#[derive(Clone, Copy, Debug)]
pub enum Nothing {}

impl Nothing {
    /// Always `None`.
    pub fn new() -> Option<Self> {
        None
    }
}

impl Engine for Nothing {
    type Flow = ();

    fn open(&mut self) -> Option<()> {
        match *self {}
    }

    fn packet(&mut self, (): &mut (), _: &[u8], _: u64) -> Application {
        match *self {}
    }

    fn guess(&mut self, (): &mut ()) -> Application {
        match *self {}
    }

    fn name(&self, _: u16) -> String {
        match *self {}
    }
}
