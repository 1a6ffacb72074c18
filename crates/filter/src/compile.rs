//! Compiles an expression to a program.

use crate::advice;
use crate::bpf::Program;
use crate::hints::{self, Hint};
use crate::synthetic;
use flow::row::FieldSet;
use std::fmt;
use std::sync::Arc;

/// Link type of Ethernet (LINKTYPE_ETHERNET of libpcap).
pub const ETHERNET: i32 = 1;

/// Limit on the bytes of an expression, some three seconds of libpcap's work at worst: the time grows at least with the square of the
/// length, and so does libpcap's recursion depth. Long lists of networks belong in a networks_file,
/// or in the rules of a map.
pub const MAX_LEN: usize = 16 * 1024;

/// A compiled expression. Clones share it.
#[derive(Clone, Debug)]
pub struct Filter {
    program: Arc<Program>,
    /// The link type that `program` is for.
    link: i32,
    /// The same expression for frames of other link types.
    others: Arc<[(i32, Program)]>,
    hints: Arc<[Hint]>,
    fields: FieldSet,
    /// The expression contains the keyword `vlan`.
    names_vlan: bool,
}

/// A packet to which a filter is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketView<'a> {
    /// The type of its first header, by libpcap's number.
    pub link: i32,
    /// The captured octets.
    pub octets: &'a [u8],
    /// Octets that it had on the wire.
    pub length: u32,
    /// The frame for expressions that do not name VLANs, if it differs: see [`crate::Synthetic`].
    pub untagged: Option<&'a [u8]>,
}

impl<'a> PacketView<'a> {
    /// A complete Ethernet frame.
    pub fn whole(octets: &'a [u8]) -> Self {
        Self { link: ETHERNET, octets, length: u32::try_from(octets.len()).unwrap_or(u32::MAX), untagged: None }
    }
}

/// Why an expression is invalid: the message of libpcap, and advice for common errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    what: String,
    advice: Option<String>,
}

impl Error {
    #[cfg(feature = "pcap")]
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), advice: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.advice.iter().try_for_each(|advice| write!(f, "; {advice}"))
    }
}

impl std::error::Error for Error {}

impl Filter {
    /// Compiles an expression for Ethernet frames.
    ///
    /// Only one expression is compiled at a time: libpcap before 1.8 is not reentrant. Names of hosts and networks are
    /// resolved by the system, which may take some time; addresses are not.
    ///
    /// # Errors
    /// The error of libpcap; or the expression is longer than [`MAX_LEN`].
    pub fn compile(text: &str) -> Result<Self, Error> {
        Self::compile_for(ETHERNET, text)
    }

    /// Compiles an expression for frames of a link type, by libpcap's number.
    ///
    /// # Errors
    /// As [`Filter::compile`].
    pub fn compile_for(link: i32, text: &str) -> Result<Self, Error> {
        let program = compile_with_advice(link, text)?;
        let mut fields = FieldSet::default();
        let certain = hints::read(text);
        synthetic::require(text, &certain, &mut fields);
        Ok(Self {
            program: Arc::new(program),
            link,
            others: [].into(),
            hints: certain.hints.into(),
            fields,
            names_vlan: synthetic::words(text).any(|word| word == "vlan"),
        })
    }

    /// Compiles an expression for frames of several link types: for the first, which must be able to express it, and for all
    /// others that can, including Ethernet.
    ///
    /// # Errors
    /// As [`Filter::compile`], for the first link type. Without any, it is compiled for Ethernet.
    pub fn compile_for_all(links: &[i32], text: &str) -> Result<Self, Error> {
        let (first, rest) = links.split_first().unwrap_or((&ETHERNET, &[]));
        let mut filter = Self::compile_for(*first, text)?;
        let mut others: Vec<(i32, Program)> = Vec::new();
        for link in rest.iter().copied().chain([ETHERNET]) {
            if link != *first
                && others.iter().all(|(known, _)| *known != link)
                && let Ok(program) = program(link, text)
            {
                others.push((link, program));
            }
        }
        filter.others = others.into();
        Ok(filter)
    }

    /// True if the frame, which is complete and of the first link type, matches.
    #[inline]
    pub fn matches(&self, frame: &[u8]) -> bool {
        self.program.matches(frame, u32::try_from(frame.len()).unwrap_or(u32::MAX))
    }

    /// True if the packet matches. Packets of a link type for which the expression was not compiled do not match.
    #[inline]
    pub fn matches_view(&self, view: PacketView<'_>) -> bool {
        if let (Some(untagged), false) = (view.untagged, self.names_vlan) {
            return self.matches_view(PacketView::whole(untagged));
        }
        let program = match view.link == self.link {
            true => Some(&*self.program),
            false => self.others.iter().find(|(link, _)| *link == view.link).map(|(_, program)| program),
        };
        program.is_some_and(|program| program.matches(view.octets, view.length))
    }

    /// Adds the fields of rows that the packets of [`crate::Synthetic`] need for this expression.
    pub fn require(&self, fields: &mut FieldSet) {
        self.fields.iter().for_each(|field| fields.insert(field));
    }

    /// What holds for each row whose packet, synthesized by [`crate::Synthetic`], matches.
    ///
    /// Not for captured packets: `src net 192.0.2.0/24` matches ARP too, and the row may contain the inner packet of a tunnel.
    pub fn hints(&self) -> &[Hint] {
        &self.hints
    }
}

fn compile_with_advice(link: i32, text: &str) -> Result<Program, Error> {
    program(link, text)
        .map_err(|error| Error { advice: error.advice.or_else(|| advice::of(text, &error.what)), ..error })
}

#[cfg(feature = "pcap")]
fn program(link: i32, text: &str) -> Result<Program, Error> {
    /// libpcap optimizes expressions up to this many bytes: this takes 0.04 s for a hundred hosts but 38 s for a thousand; without, 2 s.
    const OPTIMIZED: usize = 2 * 1024;
    /// Stack for long expressions, several times the observed maximum.
    const STACK: usize = 32 * 1024 * 1024;

    if text.len() > MAX_LEN {
        return Err(Error::new(format!("it has {} bytes, but only {MAX_LEN} are allowed", text.len())));
    }
    if text.len() <= OPTIMIZED {
        return compile_with_libpcap(link, text, true);
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("filter".to_owned()).stack_size(STACK);
        let compiling = thread.spawn_scoped(scope, || compile_with_libpcap(link, text, false));
        let compiling =
            compiling.map_err(|error| Error::new(format!("cannot start a thread to compile it: {error}")))?;
        compiling.join().unwrap_or_else(|_| Err(Error::new("it cannot be compiled")))
    })
}

#[cfg(feature = "pcap")]
fn compile_with_libpcap(link: i32, text: &str, optimize: bool) -> Result<Program, Error> {
    use std::sync::{Mutex, PoisonError};

    static COMPILER: Mutex<()> = Mutex::new(());
    let _one_at_a_time = COMPILER.lock().unwrap_or_else(PoisonError::into_inner);
    let message = |error: pcap::Error| match error {
        pcap::Error::PcapError(text) => Error::new(text),
        pcap::Error::InvalidInputString => Error::new("it contains a zero byte"),
        other => Error::new(other.to_string()),
    };
    let capture = pcap::Capture::dead(pcap::Linktype(link)).map_err(message)?;
    let program = capture.compile(text, optimize).map_err(message)?;
    let raw: Option<Vec<_>> =
        program.get_instructions().iter().map(|instruction| shown(&instruction.to_string())).collect();
    let raw = raw.ok_or_else(|| Error::new("libpcap returned an unreadable program"))?;
    Program::new(&raw)
        .map_err(|unknown| Error::new(format!("libpcap returned the unknown instruction {:#x}", unknown.code)))
}

/// Converts an instruction by its four displayed numbers, since its fields are private.
#[cfg(feature = "pcap")]
fn shown(text: &str) -> Option<crate::bpf::Raw> {
    let mut numbers = text.split(' ').map(str::parse::<u32>);
    let mut next = || numbers.next()?.ok();
    let (code, jt, jf, k) = (next()?, next()?, next()?, next()?);
    Some(crate::bpf::Raw { code: code.try_into().ok()?, jt: jt.try_into().ok()?, jf: jf.try_into().ok()?, k })
}

#[cfg(not(feature = "pcap"))]
fn program(_: i32, _: &str) -> Result<Program, Error> {
    let what = "this program was built without libpcap (feature pcap), which compiles filters".to_owned();
    Err(Error { what, advice: None })
}

#[cfg(all(test, not(feature = "pcap")))]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_libpcap_says_so() {
        let error = Filter::compile("tcp").unwrap_err().to_string();
        assert!(error.contains("without libpcap"), "{error}");
    }
}
