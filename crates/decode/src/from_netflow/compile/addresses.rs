//! Fields that are filled from addresses: hosts, next hops, networks, and the EtherType by address family.

use super::Compiler;
use crate::from_netflow::biflow::{Found, Src};
use crate::from_netflow::copy::Move;
use crate::from_netflow::plan::Op;
use crate::from_netflow::sources::{self, Side};
use flow::address;
use flow::field::Field;
use netflow::elements as ie;

/// Lengths of the addresses of both families, in octets.
const FAMILIES: [u16; 2] = [4, 16];

impl Compiler<'_> {
    /// Returns the last occurrence of an element of each family.
    fn addresses(&self, v4: &[u16], v6: &[u16]) -> Vec<Src> {
        FAMILIES
            .into_iter()
            .zip([v4, v6])
            .filter_map(|(len, elements)| self.fitting(elements, len).next_back())
            .collect()
    }

    /// Returns the occurrences of the first element that has an address of `len` octets.
    fn fitting(&self, elements: &[u16], len: u16) -> impl DoubleEndedIterator<Item = Src> {
        let all = elements.iter().map(|element| self.fields.all(0, *element));
        let mut fitting = all.filter(|found| found.iter().any(|src| src.len == len));
        fitting.next().unwrap_or(Found::NONE).iter().filter(move |src| src.len == len)
    }

    /// Returns the elements of an address field: of the inner or the outer packet, if the template describes both. With two
    /// protocol elements these may be of different families, else an element that occurs twice belongs to both packets.
    pub(super) fn addresses_of(&self, addresses: &sources::Addresses) -> Vec<Src> {
        let families = || FAMILIES.into_iter().zip([addresses.v4, addresses.v6]);
        let occurrences = || families().map(|(len, elements)| self.fitting(elements, len));
        if addresses.side != Side::Only && self.has_two_protocols() {
            let all = occurrences().flatten();
            let end = match addresses.side {
                Side::Outer => all.min_by_key(|src| src.field),
                Side::Inner | Side::Only => all.max_by_key(|src| src.field),
            };
            return end.into_iter().collect();
        }
        let one = |sources: &mut dyn DoubleEndedIterator<Item = Src>| match addresses.side {
            Side::Outer => sources.next().filter(|_| sources.next().is_some()),
            Side::Inner | Side::Only => sources.next_back(),
        };
        occurrences().filter_map(|mut sources| one(&mut sources)).collect()
    }

    pub(super) fn address(&mut self, sources: Vec<Src>, to: usize, variable: bool) {
        match sources.as_slice() {
            [] => {}
            [src] if src.len == 4 && !variable => {
                self.set(to, &address::V4_ZERO);
                self.moves.push(Move { from: src.at, to: (to + 12) as u16, len: 4 });
            }
            _ => self.ops.push(Op::Address { sources: sources.into(), to }),
        }
    }

    /// BGP next hop; else the address of the top label; with `use_ip_next_hop` also the IP next hop.
    pub(super) fn next_hop(&mut self, variable: bool) {
        let Some(to) = self.offset(Field::PeerDstIp) else { return };
        let (v4, v6) = sources::BGP_NEXT_HOP;
        let mut sources = self.addresses(&v4, &v6);
        // If the template has a BGP next hop, it is used even if it is zero.
        if sources.is_empty() {
            let (v4, v6) = sources::TOP_LABEL;
            sources.extend(self.addresses(&v4, &v6));
            if self.settings.use_ip_next_hop {
                let (v4, v6) = sources::IP_NEXT_HOP;
                sources.extend(self.addresses(&v4, &v6));
            }
        }
        self.address(sources, to, variable);
    }

    pub(super) fn masks(&mut self, variable: bool) {
        for (field, v4, v6) in sources::MASKS {
            let Some(to) = self.offset(*field) else { continue };
            match (self.first(&[*v4]), self.first(&[*v6])) {
                (Some(v4), Some(v6)) => self.ops.push(Op::Mask { sources: [v4, v6], to }),
                (Some(src), None) | (None, Some(src)) => self.number(src, to, 1, variable),
                (None, None) => {}
            }
        }
    }

    /// Without its element, the EtherType is that of the address family. That of a frame takes precedence.
    pub(super) fn etype(&mut self) {
        let Some(to) = self.offset(Field::Etype) else { return };
        if self.first(&[ie::ETHERNET_TYPE]).is_some() {
            return;
        }
        let ends = sources::ADDRESSES.iter().filter(|a| [Field::SrcHost, Field::DstHost].contains(&a.field));
        let has = |elements, len| self.fitting(elements, len).next().is_some();
        let [v4, v6] = ends.fold([false; 2], |[v4, v6], ends| [v4 || has(ends.v4, 4), v6 || has(ends.v6, 16)]);
        match (v4, v6, self.offset(Field::SrcHost)) {
            // All records have the only family of the template.
            (true, false, _) => self.set(to, &[0x08, 0x00]),
            (false, true, _) => self.set(to, &[0x86, 0xdd]),
            (true, true, Some(host)) => self.ops.push(Op::Etype { host, to }),
            _ => {}
        }
    }

    pub(super) fn exporter(&mut self) {
        let Some(to) = self.offset(Field::PeerSrcIp) else { return };
        let (v4, v6) = sources::EXPORTER;
        let sources = self.addresses(&v4, &v6);
        if !sources.is_empty() && !self.settings.ignore_exporter_address {
            self.ops.push(Op::Exporter { sources: sources.into(), to });
        }
    }

    pub(super) fn networks(&mut self) {
        if !self.settings.networks {
            return;
        }
        for (net, host, mask) in
            [(Field::SrcNet, Field::SrcHost, Field::SrcMask), (Field::DstNet, Field::DstHost, Field::DstMask)]
        {
            if let (Some(to), Some(host), Some(mask)) = (self.offset(net), self.offset(host), self.offset(mask)) {
                self.ops.push(Op::Network { host, mask, to });
            }
        }
    }
}
