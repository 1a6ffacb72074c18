//! The datagram: its header, and the way from one sample to the next.
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

use crate::fault::{DecodeError, What};
use crate::sample::Sample;
use crate::xdr::Xdr;
use std::net::IpAddr;
use wire::Reader;

/// The header of a datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// 2, 4 or 5.
    pub version: u32,
    /// Address of the agent, which need not be the one that the datagram comes from; none if the agent does not know.
    pub agent: Option<IpAddr>,
    /// Which of the agent's streams of datagrams this is; version 5.
    pub sub_agent: Option<u32>,
    /// Datagrams of the agent and sub-agent, counted.
    pub sequence: u32,
    /// Milliseconds since the agent started.
    pub uptime_ms: u32,
    /// Samples announced. Nothing is sized by it.
    pub samples: u32,
}

/// A datagram, opened.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Its header.
    pub header: Header,
    body: Reader<'a>,
}

/// Opens a datagram.
///
/// # Errors
/// The header is cut short, of another version, or has an address of another family.
pub fn open(octets: &[u8]) -> Result<Datagram<'_>, DecodeError> {
    let mut r = Reader::new(octets);
    let version = r.u32()?;
    if !matches!(version, 2 | 4 | 5) {
        return Err(DecodeError::new(0, What::Version(version)));
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

impl<'a> Iterator for Samples<'a> {
    /// A fault is given once. It is the last item if the next sample cannot be found, as always in versions 2 and 4. So is a flow
    /// sample whose end cannot be found: its records say so.
    type Item = Result<Sample<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (sample, rest) = match self.version {
            5 => Sample::framed(self.r),
            version => Sample::unframed(self.r, version).unwrap_or_else(|fault| (Err(fault), None)),
        };
        match rest {
            Some(rest) => self.r = rest,
            None => self.left = 0,
        }
        Some(sample)
    }
}
