//! BGP communities of flows: from the text of a row to octets.
//!
//! Rows hold the communities of a route as text, separated by blanks or underscores. IPFIX exports them as lists (RFC 8549), and sFlow
//! as numbers of the extended gateway record.

use netflow::elements as ie;
use std::str::FromStr;
use wire::{Community, ExtendedCommunity, LargeCommunity};

/// Maximum length of the list of one kind, in octets, so that six of them fit in a datagram with the rest of a record.
pub(crate) const MAX_LIST: usize = 96;
/// Semantic of a list: allOf, the flow has all of its members (RFC 6313 section 4.4).
const ALL_OF: u8 = 3;

/// A kind of communities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Communities {
    /// Standard ones (RFC 1997), four octets each.
    Standard,
    /// Extended ones (RFC 4360), eight octets.
    Extended,
    /// Large ones (RFC 8092), twelve octets.
    Large,
}

impl Communities {
    /// The element of one of them, and its length.
    fn member(self) -> (u16, u16) {
        match self {
            Self::Standard => (ie::BGP_COMMUNITY, 4),
            Self::Extended => (ie::BGP_EXTENDED_COMMUNITY, 8),
            Self::Large => (ie::BGP_LARGE_COMMUNITY, 12),
        }
    }

    /// Writes as many of a text's communities as fit in `max` octets. Words that are no communities are left out.
    pub(crate) fn write(self, text: &[u8], max: usize, out: &mut Vec<u8>) {
        fn parsed<C: FromStr>(word: &[u8]) -> Option<C> {
            std::str::from_utf8(word).ok()?.parse().ok()
        }
        let start = out.len();
        let size = usize::from(self.member().1);
        for word in text.split(|octet| matches!(octet, b' ' | b'_')).filter(|word| !word.is_empty()) {
            if out.len() - start + size > max {
                break;
            }
            match self {
                Self::Standard => {
                    parsed::<Community>(word).into_iter().for_each(|c| out.extend_from_slice(&c.0.to_be_bytes()));
                }
                Self::Extended => {
                    parsed::<ExtendedCommunity>(word).into_iter().for_each(|c| out.extend_from_slice(&c.0));
                }
                Self::Large => {
                    if let Some(LargeCommunity { global, local1, local2 }) = parsed(word) {
                        [global.0, local1, local2].iter().for_each(|n| out.extend_from_slice(&n.to_be_bytes()));
                    }
                }
            }
        }
    }

    /// Writes a basicList (RFC 6313 section 4.5.1) of a text's communities, as a field of variable length.
    pub(crate) fn write_list(self, text: &[u8], out: &mut Vec<u8>) {
        let (element, size) = self.member();
        let length_at = out.len();
        out.extend_from_slice(&[0, ALL_OF]);
        out.extend_from_slice(&element.to_be_bytes());
        out.extend_from_slice(&size.to_be_bytes());
        self.write(text, MAX_LIST, out);
        let length = out.len() - length_at - 1;
        if let Some(place) = out.get_mut(length_at) {
            // At most 101, since the list is bounded.
            *place = u8::try_from(length).unwrap_or(u8::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_its_members_in_order() {
        let mut out = Vec::new();
        Communities::Standard.write_list(b"65000:1 no-export 65000:2", &mut out);
        let head = [17, 3, 1, 0xe3, 0, 4];
        let members = [[0xfd, 0xe8, 0, 1], [0xff, 0xff, 0xff, 0x01], [0xfd, 0xe8, 0, 2]].concat();
        assert_eq!(out, [&head[..], &members].concat());
        out.clear();
        Communities::Large.write_list(b"4200000001:2:3", &mut out);
        assert_eq!(out, [17, 3, 1, 0xe9, 0, 12, 0xfa, 0x56, 0xea, 1, 0, 0, 0, 2, 0, 0, 0, 3]);
        out.clear();
        Communities::Extended.write_list(b"RT:65000:7_nothing_RT:65001:8", &mut out);
        assert_eq!(out, [21, 3, 1, 0xe6, 0, 8, 0, 2, 0xfd, 0xe8, 0, 0, 0, 7, 0, 2, 0xfd, 0xe9, 0, 0, 0, 8]);
        out.clear();
        Communities::Standard.write_list(b"", &mut out);
        assert_eq!(out, [5, 3, 1, 0xe3, 0, 4]);
    }

    #[test]
    fn a_list_is_cut_between_members() {
        let text: Vec<String> = (0..100).map(|n| format!("65000:{n}")).collect();
        let mut out = Vec::new();
        Communities::Standard.write(text.join(" ").as_bytes(), 67, &mut out);
        assert_eq!(out.len(), 64);
        out.clear();
        Communities::Standard.write_list(text.join(" ").as_bytes(), &mut out);
        assert_eq!((out.len(), out[0]), (102, 101));
    }
}
