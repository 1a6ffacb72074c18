//! ROUTE-REFRESH (RFC 2918): a request to announce all routes of a family again.
//!
//! ```text
//! +-------------+----------+-----------+
//! | AFI (2)     | subtype  | SAFI (1)  |   outbound route filters (RFC 5291), if any
//! +-------------+----------+-----------+
//! ```
//!
//! The octet that RFC 2918 reserves is a subtype if both peers announced enhanced route refresh (RFC 7313).

use crate::message::{self, Message, MessageType};
use crate::notification::{ErrorCode, Notification};
use std::fmt;
use wire::{Afi, Reader, Safi, Truncated};

/// A subtype (IANA "BGP Route Refresh Subcodes").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subtype(pub u8);

impl Subtype {
    /// A request, possibly with outbound route filters.
    pub const REQUEST: Self = Self(0);
    /// The routes of the family follow: begin of route refresh (BoRR).
    pub const BEGIN: Self = Self(1);
    /// The routes of the family are complete: end of route refresh (EoRR).
    pub const END: Self = Self(2);
}

/// A ROUTE-REFRESH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteRefresh<'a> {
    /// Address family.
    pub afi: Afi,
    /// What is meant.
    pub subtype: Subtype,
    /// Subsequent address family.
    pub safi: Safi,
    /// Outbound route filters (RFC 5291 section 4), not decoded.
    pub filters: &'a [u8],
}

/// A begin or end of route refresh with more octets than it has (RFC 7313 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthError {
    /// Octets of the body; 4 would be right.
    pub len: usize,
}

impl LengthError {
    /// The NOTIFICATION that answers it; its data is the whole message.
    pub fn notification(self, message: Message<'_>) -> Notification {
        Notification::new(ErrorCode::ROUTE_REFRESH_LENGTH, message.octets())
    }
}

impl fmt::Display for LengthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "begin or end of route refresh with a body of {} octets instead of 4", self.len)
    }
}

impl std::error::Error for LengthError {}

impl<'a> RouteRefresh<'a> {
    /// A request for all routes of a family.
    pub const fn request(afi: Afi, safi: Safi) -> Self {
        Self { afi, subtype: Subtype::REQUEST, safi, filters: &[] }
    }

    /// Reads the body of a message: at least four octets, as a valid header promises.
    ///
    /// `enhanced`: enhanced route refresh is agreed; otherwise the subtype is reserved, and ignored.
    pub fn decode(body: &'a [u8], enhanced: bool) -> Result<Self, LengthError> {
        let read = |r: &mut Reader<'a>| -> Result<Self, Truncated> {
            let (afi, subtype, safi) = (Afi(r.u16()?), Subtype(r.u8()?), Safi(r.u8()?));
            let subtype = if enhanced { subtype } else { Subtype::REQUEST };
            Ok(Self { afi, subtype, safi, filters: r.rest() })
        };
        let refresh = read(&mut Reader::new(body)).map_err(|_| LengthError { len: body.len() })?;
        match refresh.subtype {
            Subtype::BEGIN | Subtype::END if body.len() != 4 => Err(LengthError { len: body.len() }),
            _ => Ok(refresh),
        }
    }

    /// Appends the message, with its header. Returns false, and appends nothing, if the filters are too long.
    pub fn write(&self, out: &mut Vec<u8>) -> bool {
        let [high, low] = self.afi.0.to_be_bytes();
        let head = [high, low, self.subtype.0, self.safi.0];
        message::write(out, MessageType::ROUTE_REFRESH, &[&head, self.filters].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_written_and_read() {
        let request = RouteRefresh::request(Afi::IPV4, Safi::UNICAST);
        let mut out = Vec::new();
        assert!(request.write(&mut out));
        assert_eq!(out[16..], [0, 23, 5, 0, 1, 0, 1]);
        for enhanced in [false, true] {
            assert_eq!(RouteRefresh::decode(&out[19..], enhanced), Ok(request));
        }
    }

    #[test]
    fn filters_are_kept() {
        let read = RouteRefresh::decode(&[0, 2, 0, 128, 1, 64], true).unwrap();
        assert_eq!((read.afi, read.safi, read.filters), (Afi::IPV6, Safi::MPLS_VPN, &[1, 64][..]));
    }

    #[test]
    fn subtypes_count_only_if_agreed_and_have_a_fixed_length() {
        let body = [0, 1, 1, 1, 0];
        assert_eq!(RouteRefresh::decode(&body, false).unwrap().subtype, Subtype::REQUEST);
        assert_eq!(RouteRefresh::decode(&body, true), Err(LengthError { len: 5 }));
        assert_eq!(RouteRefresh::decode(&body[..4], true).unwrap().subtype, Subtype::BEGIN);
        assert_eq!(RouteRefresh::decode(&[0, 1, 2, 1], true).unwrap().subtype, Subtype::END);
        assert_eq!(RouteRefresh::decode(&[0, 1, 9, 1, 5], true).unwrap().subtype, Subtype(9));
        assert_eq!(RouteRefresh::decode(&[0, 1, 0], true), Err(LengthError { len: 3 }));
    }

    #[test]
    fn the_notification_holds_the_message() {
        let mut octets = Vec::new();
        message::write(&mut octets, MessageType::ROUTE_REFRESH, &[0, 1, 1, 1, 0]);
        let message = Message::first(&octets, false).unwrap().unwrap();
        let error = RouteRefresh::decode(message.body(), true).unwrap_err();
        assert_eq!(error.notification(message), Notification::new(ErrorCode::ROUTE_REFRESH_LENGTH, &octets));
    }
}
