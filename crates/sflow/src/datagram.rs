//! The datagram: its header and its samples.
//!
//! | octets | version 5 | versions 2 and 4 |
//! |---|---|---|
//! | 4 | version | version |
//! | 4 + 0, 4 or 16 | address of the agent | the same |
//! | 4 | sub-agent id | |
//! | 4 | sequence number of the datagram | the same |
//! | 4 | uptime, milliseconds | the same |
//! | 4 | number of samples | the same |
//! | | samples, each after format and length | samples, each after its type |

use crate::error::{DecodeError, DecodeErrorKind};
use crate::sample::Sample;
use crate::xdr::Xdr;
use std::net::IpAddr;
use wire::Reader;

/// The header of a datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// 2, 4 or 5.
    pub version: u32,
    /// Address of the agent, which may differ from the source address of the datagram; `None` if the agent does not know it.
    pub agent: Option<IpAddr>,
    /// Sub-agent ID; version 5 only.
    pub sub_agent: Option<u32>,
    /// Sequence number of the datagram, for each agent and sub-agent.
    pub sequence: u32,
    /// Milliseconds since the agent started.
    pub uptime_ms: u32,
    /// Announced number of samples. It never determines the size of an allocation.
    pub samples: u32,
}

/// A datagram whose header was read.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Its header.
    pub header: Header,
    body: Reader<'a>,
}

/// Reads the header of a datagram.
///
/// # Errors
/// The header is truncated, its version is not supported, or the type of the agent address is unknown.
pub fn open(octets: &[u8]) -> Result<Datagram<'_>, DecodeError> {
    let mut r = Reader::new(octets);
    let version = r.u32()?;
    if !matches!(version, 2 | 4 | 5) {
        return Err(DecodeError::new(0, DecodeErrorKind::Version(version)));
    }
    let agent = Xdr::read(&mut r)?;
    let sub_agent = if version == 5 { Some(r.u32()?) } else { None };
    let header = Header { version, agent, sub_agent, sequence: r.u32()?, uptime_ms: r.u32()?, samples: r.u32()? };
    Ok(Datagram { header, body: r })
}

impl<'a> Datagram<'a> {
    /// The samples. Octets after the last one that the header announces are ignored.
    pub fn samples(&self) -> Samples<'a> {
        Samples { r: self.body, left: self.header.samples, version: self.header.version }
    }
}

/// The samples of a datagram.
#[derive(Clone, Debug)]
pub struct Samples<'a> {
    pub(crate) r: Reader<'a>,
    pub(crate) left: u32,
    pub(crate) version: u32,
}

impl Samples<'_> {
    /// Offset of the next sample from the start of the datagram, in octets.
    #[inline]
    pub fn at(&self) -> usize {
        self.r.at()
    }
}

impl<'a> Iterator for Samples<'a> {
    /// An error is returned once. It is the last item if the end of the sample is unknown, as always in versions 2 and 4. A flow
    /// sample without an end is also the last item: its records end with the error.
    type Item = Result<Sample<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (sample, rest) = match self.version {
            5 => Sample::framed(self.r),
            version => Sample::unframed(self.r, version).unwrap_or_else(|error| (Err(error), None)),
        };
        match rest {
            Some(rest) => self.r = rest,
            None => self.left = 0,
        }
        Some(sample)
    }
}
