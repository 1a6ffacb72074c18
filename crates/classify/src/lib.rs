//! Applications of packets: which protocol a conversation uses, recognised by the contents of its first packets.
//!
//! A [`Classifier`] keeps the conversations that are open and shows their first packets to an [`Engine`], until it knows the
//! application or gives up; from then on a packet costs a look into a table. The engine is libndpi, where the feature `ndpi` builds
//! it in ([`BuiltIn`], [`IS_BUILT_IN`]); the table knows nothing of it.

mod classifier;
#[cfg(feature = "ndpi")]
mod ndpi;

pub use classifier::{Classifier, Conversation, Patience, Settings};

/// The library that recognises applications in this build.
#[cfg(feature = "ndpi")]
pub type BuiltIn = ndpi::Ndpi;

/// The library that recognises applications in this build: none.
#[cfg(not(feature = "ndpi"))]
pub type BuiltIn = Nothing;

/// This build recognises applications.
pub const IS_BUILT_IN: bool = cfg!(feature = "ndpi");

/// An application, by the engine's numbers; 0 is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Application {
    /// The protocol that carries it, where that is another.
    pub master: u16,
    /// The application.
    pub protocol: u16,
}

impl Application {
    /// Not known, or not yet.
    pub const UNKNOWN: Self = Self { master: 0, protocol: 0 };
}

/// Recognises applications.
pub trait Engine: Send {
    /// What it remembers of a conversation while it does not know its application.
    type Flow: Send;

    /// A conversation of which it has seen nothing; `None` when there is no memory.
    fn open(&mut self) -> Option<Self::Flow>;

    /// What the conversation is after one more packet, given from its IP header on. `time_ms`: milliseconds since 1970.
    fn packet(&mut self, flow: &mut Self::Flow, ip: &[u8], time_ms: u64) -> Application;

    /// What it is most probably, by its ports and addresses.
    fn guess(&mut self, flow: &mut Self::Flow) -> Application;

    /// The name of a protocol.
    fn name(&self, protocol: u16) -> String;
}

/// The engine of a program without one: there is none of it.
#[derive(Clone, Copy, Debug)]
pub enum Nothing {}

impl Nothing {
    /// None.
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
