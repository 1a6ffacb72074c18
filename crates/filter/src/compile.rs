//! From the text of an expression to a program.

use crate::bpf::Program;
use crate::hints::{self, Hint};
use crate::synthetic;
use flow::row::FieldSet;
use std::fmt;
use std::sync::Arc;

/// Link type of Ethernet (LINKTYPE_ETHERNET of libpcap).
const ETHERNET: i32 = 1;

/// An expression, compiled. Copies share it.
#[derive(Clone, Debug)]
pub struct Filter {
    program: Arc<Program>,
    hints: Arc<[Hint]>,
    fields: FieldSet,
}

/// Why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl Filter {
    /// Compiles an expression for Ethernet frames.
    ///
    /// # Errors
    /// What libpcap has to say about it. Names of hosts and networks are asked of the system's resolver, which may take its
    /// time; addresses are not.
    pub fn compile(text: &str) -> Result<Self, Error> {
        Self::compile_for(ETHERNET, text)
    }

    /// Compiles an expression for frames of a link type, by libpcap's number.
    ///
    /// # Errors
    /// As [`Filter::compile`].
    pub fn compile_for(link: i32, text: &str) -> Result<Self, Error> {
        let program = program(link, text)?;
        let mut fields = FieldSet::default();
        synthetic::require(text, &mut fields);
        Ok(Self { program: Arc::new(program), hints: hints::read(text).into(), fields })
    }

    /// True when the frame matches, which is whole.
    #[inline]
    pub fn matches(&self, frame: &[u8]) -> bool {
        self.program.matches(frame, u32::try_from(frame.len()).unwrap_or(u32::MAX))
    }

    /// True when the frame matches, of which `frame` is what was captured and `length` what was on the wire.
    #[inline]
    pub fn matches_cut(&self, frame: &[u8], length: u32) -> bool {
        self.program.matches(frame, length)
    }

    /// Adds the fields of rows that the packets of [`crate::Synthetic`] need for this expression.
    pub fn require(&self, fields: &mut FieldSet) {
        self.fields.iter().for_each(|field| fields.insert(field));
    }

    /// What holds for each row whose packet matches.
    pub fn hints(&self) -> &[Hint] {
        &self.hints
    }
}

#[cfg(feature = "pcap")]
fn program(link: i32, text: &str) -> Result<Program, Error> {
    use crate::bpf::Raw;
    use std::sync::Mutex;

    // Older libpcaps compile in memory that all threads share.
    static COMPILER: Mutex<()> = Mutex::new(());
    let _one_at_a_time = COMPILER.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let told = |error: pcap::Error| match error {
        pcap::Error::PcapError(text) => Error(text),
        other => Error(other.to_string()),
    };
    let capture = pcap::Capture::dead(pcap::Linktype(link)).map_err(told)?;
    let program = capture.compile(text, true).map_err(told)?;
    // The parts of an instruction are for its eyes only, but it shows them.
    let read = |shown: String| {
        let mut numbers = shown.split(' ').map(str::parse::<u32>);
        let mut next = || numbers.next()?.ok();
        let (code, jt, jf, k) = (next()?, next()?, next()?, next()?);
        Some(Raw { code: u16::try_from(code).ok()?, jt: u8::try_from(jt).ok()?, jf: u8::try_from(jf).ok()?, k })
    };
    let raw: Option<Vec<Raw>> =
        program.get_instructions().iter().map(|instruction| read(instruction.to_string())).collect();
    let raw = raw.ok_or_else(|| Error("libpcap gave a program that cannot be read".to_owned()))?;
    Program::new(&raw).map_err(|unknown| {
        Error(format!("libpcap gave a program with the unknown instruction {:#x}", unknown.code))
    })
}

#[cfg(not(feature = "pcap"))]
fn program(_: i32, _: &str) -> Result<Program, Error> {
    Err(Error("this program was built without libpcap (feature pcap), which compiles filters".to_owned()))
}
