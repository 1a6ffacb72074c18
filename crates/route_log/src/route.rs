//! What a route leads to, and what else an event says about it besides its attributes.

use bgp::nlri::{Labels, Nlri};
use wire::{Afi, Prefix, RouteDistinguisher, Safi};

/// A route without its attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route<'a> {
    /// Address family.
    pub afi: Afi,
    /// Subsequent address family.
    pub safi: Safi,
    /// What it leads to.
    pub target: Target<'a>,
    /// The path identifier, in sessions with ADD-PATH (RFC 7911).
    pub path_id: Option<u32>,
    /// Its validity by RPKI, as a letter; `None` if RPKI is not configured.
    pub roa: Option<u8>,
    /// Where the route distinguisher is from.
    pub rd_origin: &'static str,
}

/// What a route leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// Nothing: the End-of-RIB of the family (RFC 4724 section 2).
    EndOfRib,
    /// A prefix.
    Prefix {
        /// The prefix.
        prefix: Prefix,
        /// The route distinguisher of a VPN route.
        rd: Option<RouteDistinguisher>,
        /// The bottom label of labelled and VPN routes: 24 bits, of which the upper 20 are the label.
        label: Option<u32>,
    },
    /// The octets of one NLRI of another family, without path identifier.
    Other(&'a [u8]),
}

impl<'a> Route<'a> {
    /// The End-of-RIB of a family.
    #[must_use]
    pub const fn end_of_rib(afi: Afi, safi: Safi) -> Self {
        Self { afi, safi, target: Target::EndOfRib, path_id: None, roa: None, rd_origin: "bgp" }
    }

    /// A route of an UPDATE message.
    #[must_use]
    pub fn of_update(afi: Afi, safi: Safi, entry: &bgp::update::Entry<'a>) -> Self {
        let bottom = |labels: Labels<'_>| labels.last().map(|label| label.0);
        let target = match entry.nlri {
            Nlri::Unicast(prefix) => Target::Prefix { prefix, rd: None, label: None },
            Nlri::Labelled { labels, prefix } => Target::Prefix { prefix, rd: None, label: bottom(labels) },
            Nlri::Vpn { rd, labels, prefix } => Target::Prefix { prefix, rd: Some(rd), label: bottom(labels) },
            Nlri::Other(octets) => Target::Other(octets.as_bytes()),
        };
        Self { afi, safi, target, path_id: entry.path_id, roa: None, rd_origin: "bgp" }
    }

    /// The same, with its validity by RPKI.
    #[must_use]
    pub const fn with_roa(self, letter: u8) -> Self {
        Self { roa: Some(letter), ..self }
    }

    /// Appends the NLRI of the route, without path identifier; nothing for End-of-RIB.
    pub fn nlri(&self, out: &mut Vec<u8>) {
        match self.target {
            Target::EndOfRib => {}
            Target::Other(octets) => out.extend_from_slice(octets),
            Target::Prefix { prefix, rd, label } => {
                let label = label.map(u32::to_be_bytes);
                let bits = usize::from(prefix.length())
                    + if rd.is_some() { 64 } else { 0 }
                    + if label.is_some() { 24 } else { 0 };
                // At most 128 + 64 + 24.
                out.push(u8::try_from(bits).unwrap_or(u8::MAX));
                if let Some([_, label @ ..]) = label {
                    out.extend_from_slice(&label);
                }
                out.extend_from_slice(rd.as_ref().map_or(&[], |rd| &rd.0));
                let octets = prefix.bits().to_be_bytes();
                out.extend_from_slice(octets.get(..usize::from(prefix.length().div_ceil(8))).unwrap_or_default());
            }
        }
    }
}
