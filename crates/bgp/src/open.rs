//! OPEN (RFC 4271 section 4.2): who a speaker is, and what it can do.
//!
//! ```text
//! +---------+----------+-----------+----------------+-----------------------+------------+
//! | version | AS (2)   | hold time | BGP identifier | length of parameters  | parameters |
//! | 4       |          | (2)       | (4)            | (1)                   |            |
//! +---------+----------+-----------+----------------+-----------------------+------------+
//! ```
//!
//! A parameter is a type and a length, of one octet each, and a value. The only type in use is 2, capabilities
//! (RFC 5492). If the length of the parameters is not 0 and the first type is 255, the length follows in two
//! octets, and lengths of parameters have two octets as well (RFC 9072).

use crate::capability::{Capability, Code, Tlv};
use crate::message::{self, MessageType};
use crate::notification::{ErrorCode, Notification};
use std::fmt;
use std::net::Ipv4Addr;
use wire::{Asn, Reader, TooLong, Truncated, Writer};

/// The version of BGP.
pub const VERSION: u8 = 4;

/// The parameter type of capabilities (RFC 5492).
pub const CAPABILITIES: u8 = 2;

/// The parameter type that announces lengths of two octets (RFC 9072).
const EXTENDED: u8 = 255;

/// The smallest hold time in seconds, except 0, which means none (RFC 4271 section 4.2).
pub const MIN_HOLD_TIME: u16 = 3;

/// An OPEN that RFC 4271 section 6.2 accepts: the structure of its parameters and capabilities, its AS number, hold time
/// and identifier are valid.
#[derive(Clone, Copy, Debug)]
pub struct Open<'a> {
    /// The AS number of the sender, of four octets if it has them.
    pub asn: Asn,
    /// True if the sender announced AS numbers of four octets (RFC 6793).
    pub asn4: bool,
    /// The hold time in seconds; 0 for none.
    pub hold_time: u16,
    /// The BGP identifier (RFC 6286), not 0.
    pub identifier: Ipv4Addr,
    parameters: Parameters<'a>,
}

/// An OPEN is not acceptable (RFC 4271 section 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// A field, a parameter or a capability ends too early; offsets are those in the body.
    Truncated(Truncated),
    /// Octets follow the parameters.
    Trailing {
        /// How many.
        octets: usize,
    },
    /// The version is not 4.
    Version(u8),
    /// The AS number is 0 (RFC 7607).
    ZeroAs,
    /// The AS number is AS_TRANS, without one of four octets (RFC 6793).
    TransAs,
    /// The two AS numbers contradict each other (RFC 6793 section 4.1).
    AsMismatch {
        /// The number in the field of two octets.
        field: u16,
        /// The number in the capability.
        capability: Asn,
    },
    /// The capability of AS numbers of four octets does not have four octets.
    FourOctetAs {
        /// Octets that it has.
        len: usize,
    },
    /// The BGP identifier is 0 (RFC 6286).
    ZeroIdentifier,
    /// The hold time is one or two seconds.
    HoldTime(u16),
}

impl OpenError {
    /// The NOTIFICATION that answers it.
    pub fn notification(self) -> Notification {
        let error = match self {
            Self::Truncated(_) | Self::Trailing { .. } | Self::FourOctetAs { .. } => ErrorCode::OPEN,
            Self::Version(_) => return Notification::new(ErrorCode::UNSUPPORTED_VERSION, &[0, VERSION]),
            Self::ZeroAs | Self::TransAs | Self::AsMismatch { .. } => ErrorCode::BAD_PEER_AS,
            Self::ZeroIdentifier => ErrorCode::BAD_BGP_IDENTIFIER,
            Self::HoldTime(_) => ErrorCode::UNACCEPTABLE_HOLD_TIME,
        };
        Notification::new(error, &[])
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated(truncated) => truncated.fmt(f),
            Self::Trailing { octets } => write!(f, "{octets} octets after the optional parameters"),
            Self::Version(version) => write!(f, "BGP version {version} instead of 4"),
            Self::ZeroAs => f.write_str("AS number 0"),
            Self::TransAs => f.write_str("AS number 23456 (AS_TRANS) without an AS number of four octets"),
            Self::AsMismatch { field, capability } => {
                write!(f, "AS number {field}, but {capability} in the capability of four octets")
            }
            Self::FourOctetAs { len } => write!(f, "an AS number of four octets with {len} octets"),
            Self::ZeroIdentifier => f.write_str("BGP identifier 0.0.0.0"),
            Self::HoldTime(seconds) => write!(f, "a hold time of {seconds} s; it must be 0, or 3 s or more"),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<Truncated> for OpenError {
    fn from(truncated: Truncated) -> Self {
        Self::Truncated(truncated)
    }
}

impl<'a> Open<'a> {
    /// Reads and checks the body of a message.
    ///
    /// Parameters other than capabilities, unknown capabilities, and malformed ones that leave the session usable are no
    /// errors.
    pub fn decode(body: &'a [u8]) -> Result<Self, OpenError> {
        let (field, hold_time, identifier, parameters) = structure(body)?;
        let capability = four_octet_as(parameters)?;
        let asn = match (field, capability) {
            (0, _) | (_, Some(Asn(0))) => return Err(OpenError::ZeroAs),
            (field, None) if Asn::from(field) == Asn::TRANS => return Err(OpenError::TransAs),
            (field, None) => Asn::from(field),
            (field, Some(asn)) if Asn::from(field) == Asn::TRANS || Asn::from(field) == asn => asn,
            (field, Some(capability)) => return Err(OpenError::AsMismatch { field, capability }),
        };
        if identifier.is_unspecified() {
            return Err(OpenError::ZeroIdentifier);
        }
        if (1..MIN_HOLD_TIME).contains(&hold_time) {
            return Err(OpenError::HoldTime(hold_time));
        }
        Ok(Self { asn, asn4: capability.is_some(), hold_time, identifier, parameters })
    }

    /// Reads the body of a message that another speaker has accepted, such as one in BMP. Only its structure is checked: the AS
    /// number, hold time and identifier may be any.
    pub fn decode_observed(body: &'a [u8]) -> Result<Self, OpenError> {
        let (field, hold_time, identifier, parameters) = structure(body)?;
        let mut capabilities = parameters.flat_map(|parameter| parameter.capabilities());
        let capability = capabilities.find_map(|tlv| match tlv.capability() {
            Capability::FourOctetAs(asn) => Some(asn),
            _ => None,
        });
        let asn = capability.unwrap_or(Asn::from(field));
        Ok(Self { asn, asn4: capability.is_some(), hold_time, identifier, parameters })
    }

    /// The optional parameters.
    pub fn parameters(&self) -> Parameters<'a> {
        self.parameters
    }

    /// The capabilities of all parameters, in their order; some speakers use a parameter for each.
    pub fn capabilities(&self) -> impl Iterator<Item = Tlv<'a>> + use<'a> {
        self.parameters.flat_map(|parameter| parameter.capabilities())
    }
}

/// The AS number of two octets, hold time, identifier and parameters of an OPEN with a valid structure.
fn structure(body: &[u8]) -> Result<(u16, u16, Ipv4Addr, Parameters<'_>), OpenError> {
    let mut r = Reader::new(body);
    let version = r.u8()?;
    if version != VERSION {
        return Err(OpenError::Version(version));
    }
    let (field, hold_time, identifier) = (r.u16()?, r.u16()?, Ipv4Addr::from(r.u32()?));
    let parameters = Parameters::read(&mut r)?;
    parameters.check()?;
    Ok((field, hold_time, identifier, parameters))
}

/// The AS number in the capability of RFC 6793. Several capabilities must agree.
fn four_octet_as(parameters: Parameters<'_>) -> Result<Option<Asn>, OpenError> {
    let mut found = None;
    let all = parameters.flat_map(|parameter| parameter.capabilities());
    for tlv in all.filter(|tlv| tlv.code == Code::FOUR_OCTET_AS) {
        let Capability::FourOctetAs(asn) = tlv.capability() else {
            return Err(OpenError::FourOctetAs { len: tlv.value.len() });
        };
        if let Some(other) = found.replace(asn)
            && other != asn
        {
            return Err(OpenError::AsMismatch { field: Asn::TRANS.to_u16().unwrap_or_default(), capability: asn });
        }
    }
    Ok(found)
}

/// The optional parameters of an OPEN, in their order.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a> {
    r: Reader<'a>,
    extended: bool,
}

/// An optional parameter.
#[derive(Clone, Copy, Debug)]
pub struct Parameter<'a> {
    /// The type: [`CAPABILITIES`], or an unknown one.
    pub kind: u8,
    value: Reader<'a>,
}

impl<'a> Parameters<'a> {
    fn read(r: &mut Reader<'a>) -> Result<Self, OpenError> {
        let len = r.u8()?;
        let extended = len != 0 && r.rest().first() == Some(&EXTENDED);
        let len = if extended {
            r.u8()?;
            usize::from(r.u16()?)
        } else {
            usize::from(len)
        };
        let parameters = r.within(len)?;
        if r.is_empty() {
            Ok(Self { r: parameters, extended })
        } else {
            Err(OpenError::Trailing { octets: r.left() })
        }
    }

    fn parameter(&mut self) -> Result<Parameter<'a>, Truncated> {
        let kind = self.r.u8()?;
        let len = if self.extended { usize::from(self.r.u16()?) } else { usize::from(self.r.u8()?) };
        Ok(Parameter { kind, value: self.r.within(len)? })
    }

    /// Checks that all parameters and capabilities are whole.
    fn check(mut self) -> Result<(), Truncated> {
        while !self.r.is_empty() {
            let Parameter { kind: CAPABILITIES, mut value } = self.parameter()? else { continue };
            while !value.is_empty() {
                Tlv::read(&mut value)?;
            }
        }
        Ok(())
    }
}

impl<'a> Iterator for Parameters<'a> {
    type Item = Parameter<'a>;

    fn next(&mut self) -> Option<Parameter<'a>> {
        self.parameter().ok()
    }
}

impl<'a> Parameter<'a> {
    /// The value, not decoded.
    pub fn value(self) -> &'a [u8] {
        self.value.rest()
    }

    /// The capabilities; none if the parameter is of another type.
    pub fn capabilities(self) -> impl Iterator<Item = Tlv<'a>> + use<'a> {
        let mut value = self.value;
        let known = self.kind == CAPABILITIES;
        std::iter::from_fn(move || if known { Tlv::read(&mut value).ok() } else { None })
    }
}

/// Writes an OPEN.
///
/// ```
/// use bgp::{capability, open};
/// use std::net::Ipv4Addr;
/// use wire::{Afi, Asn, Safi};
///
/// let asn = Asn(4_200_000_001);
/// let mut open = open::Builder::new(asn, 90, Ipv4Addr::new(192, 0, 2, 1));
/// open.capabilities(|w| {
///     capability::write_multiprotocol(w, Afi::IPV4, Safi::UNICAST);
///     capability::write_four_octet_as(w, asn);
/// });
/// let message = open.finish().unwrap();
/// assert_eq!(message.len(), 43);
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    asn: Asn,
    hold_time: u16,
    identifier: Ipv4Addr,
    /// Types and values.
    parameters: Vec<(u8, Vec<u8>)>,
}

impl Builder {
    /// An OPEN without parameters. An AS number above 65535 becomes AS_TRANS, and needs a capability.
    pub fn new(asn: Asn, hold_time: u16, identifier: Ipv4Addr) -> Self {
        Self { asn, hold_time, identifier, parameters: Vec::new() }
    }

    /// Adds a parameter with the capabilities that `write` writes, unless it writes none. See [`crate::capability`].
    pub fn capabilities(&mut self, write: impl FnOnce(&mut Writer)) -> &mut Self {
        let mut w = Writer::new();
        write(&mut w);
        if !w.is_empty() {
            self.parameters.push((CAPABILITIES, w.finish()));
        }
        self
    }

    /// The message, with its header. Lengths have two octets (RFC 9072) only where one is not enough.
    pub fn finish(&self) -> Result<Vec<u8>, TooLong> {
        let short: usize = self.parameters.iter().map(|(_, value)| 2 + value.len()).sum();
        let mut w = Writer::new();
        w.u8(VERSION).u16(self.asn.to_u16().or(Asn::TRANS.to_u16()).unwrap_or_default());
        w.u16(self.hold_time).u32(self.identifier.into());
        if let Ok(len) = u8::try_from(short) {
            w.u8(len);
            for (kind, value) in &self.parameters {
                // Not longer than all parameters.
                w.u8(*kind).u8(u8::try_from(value.len()).unwrap_or_default()).put(value);
            }
        } else {
            w.put(&[EXTENDED, EXTENDED]);
            let mut values = Writer::new();
            for (kind, value) in &self.parameters {
                values.u8(*kind).sized_u16(0, |w| _ = w.put(value))?;
            }
            let values = values.finish();
            w.sized_u16(0, |w| _ = w.put(&values))?;
        }
        let body = w.finish();
        let len = message::HEADER_LEN + body.len();
        let mut out = Vec::new();
        if len > message::MAX_LEN || !message::write(&mut out, MessageType::OPEN, &body) {
            return Err(TooLong { len });
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests;
