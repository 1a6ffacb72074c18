//! The prefix SID attribute (RFC 8669), with SRv6 services (RFC 9252).
//!
//! TLVs with a type of one octet and a length of two: the label index of a prefix, the label blocks of its originator, and the SRv6
//! SIDs of services. Of several TLVs of one type, the first counts (RFC 9252 section 2).

use crate::srv6::Behavior;
use crate::tlv::{Header, Malformed, Tlv, Tlvs};
use crate::value::{Hex, ItemsOf, Mask, Members, MembersOf, Value};
use std::net::Ipv6Addr;
use wire::{Reader, TooLong, Writer};

/// The label index (RFC 8669 section 3.1).
const LABEL_INDEX: u16 = 1;
/// The label blocks of the originator (RFC 8669 section 3.2).
const ORIGINATOR_SRGB: u16 = 3;
/// SIDs of layer-3 services (RFC 9252 section 2).
const SRV6_L3: u16 = 5;
/// SIDs of layer-2 services.
const SRV6_L2: u16 = 6;
/// In a service: a SID (RFC 9252 section 3.1).
const SID_INFORMATION: u16 = 1;
/// In a SID: its structure (RFC 9252 section 3.2.1).
const SID_STRUCTURE: u16 = 1;

/// The attribute, whose TLVs fill it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixSid<'a> {
    octets: &'a [u8],
}

/// A block of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelBlock {
    /// The first label, of which 24 bits are on the wire.
    pub base: u32,
    /// How many labels there are, below 2^24.
    pub range: u32,
}

/// An SRv6 SID of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceSid {
    /// The SID; if its structure says so, some bits are in the label of the NLRI instead.
    pub sid: Ipv6Addr,
    /// Flags.
    pub flags: u8,
    /// What an endpoint does with a packet to the SID.
    pub behavior: Behavior,
    /// The lengths of the parts of the SID.
    pub structure: Option<SidStructure>,
}

/// The parts of a SID, in bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SidStructure {
    /// Length of the locator block.
    pub block: u8,
    /// Length of the locator node.
    pub node: u8,
    /// Length of the function.
    pub function: u8,
    /// Length of the argument.
    pub argument: u8,
    /// How many bits are in the label field of the NLRI.
    pub transposition: u8,
    /// Where in the SID these bits belong.
    pub offset: u8,
}

impl<'a> PrefixSid<'a> {
    /// Checks the value of an attribute: the lengths of its TLVs. Values that are not what their type says are shown in
    /// hexadecimal.
    ///
    /// # Errors
    /// If a TLV is cut; RFC 8669 section 6 then discards the attribute.
    pub fn decode(octets: &'a [u8]) -> Result<Self, Malformed> {
        Tlvs::of(octets, Header::Octet).check()?;
        Ok(Self { octets })
    }

    fn value(self, code: u16) -> Option<&'a [u8]> {
        Tlvs::of(self.octets, Header::Octet).first(code)
    }

    /// The label index.
    pub fn label_index(self) -> Option<u32> {
        self.value(LABEL_INDEX).and_then(label_index)
    }

    /// The label blocks of the originator.
    pub fn label_blocks(self) -> impl Iterator<Item = LabelBlock> {
        self.value(ORIGINATOR_SRGB).and_then(label_blocks).unwrap_or_default().iter().map(LabelBlock::new)
    }

    /// The SIDs of layer-3 services.
    pub fn l3_sids(self) -> impl Iterator<Item = ServiceSid> {
        self.value(SRV6_L3).into_iter().flat_map(service_sids)
    }

    /// The SIDs of layer-2 services.
    pub fn l2_sids(self) -> impl Iterator<Item = ServiceSid> {
        self.value(SRV6_L2).into_iter().flat_map(service_sids)
    }
}

/// A reserved octet, two of flags, and the index.
fn label_index(octets: &[u8]) -> Option<u32> {
    let &[_, _, _, a, b, c, d] = octets else { return None };
    Some(u32::from_be_bytes([a, b, c, d]))
}

/// Two octets of flags, and blocks.
fn label_blocks(octets: &[u8]) -> Option<&[[u8; 6]]> {
    let (_, blocks) = octets.split_first_chunk::<2>()?;
    let (blocks, left) = blocks.as_chunks();
    left.is_empty().then_some(blocks)
}

impl LabelBlock {
    fn new(&[a, b, c, d, e, f]: &[u8; 6]) -> Self {
        Self { base: u32::from_be_bytes([0, a, b, c]), range: u32::from_be_bytes([0, d, e, f]) }
    }
}

/// The sub-TLVs of a service, after a reserved octet.
fn service(octets: &[u8]) -> Tlvs<'_> {
    Tlvs::of(octets.get(1..).unwrap_or_default(), Header::Octet)
}

fn service_sids(octets: &[u8]) -> impl Iterator<Item = ServiceSid> {
    let tlvs = service(octets).map_while(Result::ok);
    tlvs.filter(|tlv| tlv.code == SID_INFORMATION).filter_map(|tlv| ServiceSid::read(tlv.value))
}

impl ServiceSid {
    fn read(octets: &[u8]) -> Option<Self> {
        let mut r = Reader::new(octets);
        let (_, sid) = (r.u8().ok()?, r.array::<16>().ok()?);
        let (flags, behavior, _) = (r.u8().ok()?, r.u16().ok()?, r.u8().ok()?);
        let structure = Tlvs::new(r, Header::Octet).first(SID_STRUCTURE).and_then(SidStructure::read);
        Some(Self { sid: sid.into(), flags, behavior: Behavior(behavior), structure })
    }

    fn write(&self, w: &mut Writer) -> Result<(), TooLong> {
        w.u8(SID_INFORMATION as u8).sized_u16(0, |w| {
            w.u8(0).put(&self.sid.octets()).u8(self.flags).u16(self.behavior.0).u8(0);
            if let Some(SidStructure { block, node, function, argument, transposition, offset }) = self.structure {
                let structure = [block, node, function, argument, transposition, offset];
                w.u8(SID_STRUCTURE as u8).u16(6).put(&structure);
            }
        })?;
        Ok(())
    }
}

impl Members for ServiceSid {
    fn members(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        visit("sid", Value::Shown(&self.sid));
        visit("behavior", Value::Shown(&self.behavior));
        visit("flags", Value::Shown(&Mask(self.flags.into())));
        if let Some(structure) = &self.structure {
            visit("structure", Value::Object(structure));
        }
    }
}

impl SidStructure {
    fn read(octets: &[u8]) -> Option<Self> {
        let &[block, node, function, argument, transposition, offset] = octets else { return None };
        Some(Self { block, node, function, argument, transposition, offset })
    }
}

impl Members for SidStructure {
    fn members(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        visit("block_bits", Value::Number(self.block.into()));
        visit("node_bits", Value::Number(self.node.into()));
        visit("function_bits", Value::Number(self.function.into()));
        visit("argument_bits", Value::Number(self.argument.into()));
        visit("transposition_bits", Value::Number(self.transposition.into()));
        visit("transposition_offset", Value::Number(self.offset.into()));
    }
}

/// `psid_li`, `psid_srgb`, `srv6_l3`, `srv6_l2`, and `psid_` with the type of a TLV that is not known or not what it should be. An
/// index of 0 is not shown, as in pmacct.
impl Members for PrefixSid<'_> {
    fn members(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        for same in Tlvs::of(self.octets, Header::Octet).sorted().chunk_by(|a, b| a.code == b.code) {
            let Some(tlv) = same.first() else { continue };
            if known(tlv, visit).is_none() {
                visit(&format!("psid_{}", tlv.code), Value::Shown(&Hex(tlv.value)));
            }
        }
    }
}

/// `None` if nothing was visited.
fn known(tlv: &Tlv<'_>, visit: &mut dyn FnMut(&str, Value<'_>)) -> Option<()> {
    match tlv.code {
        LABEL_INDEX => match label_index(tlv.value)? {
            0 => {}
            index => visit("psid_li", Value::Number(index.into())),
        },
        ORIGINATOR_SRGB => {
            let blocks = label_blocks(tlv.value)?;
            let items = ItemsOf(|out: &mut dyn FnMut(Value<'_>)| {
                for LabelBlock { base, range } in blocks.iter().map(LabelBlock::new) {
                    out(Value::Object(&MembersOf(|visit: &mut dyn FnMut(&str, Value<'_>)| {
                        visit("base", Value::Number(base.into()));
                        visit("range", Value::Number(range.into()));
                    })));
                }
            });
            visit("psid_srgb", Value::List(&items));
        }
        SRV6_L3 | SRV6_L2 => {
            tlv.value.first()?;
            service(tlv.value).check().ok()?;
            let items = ItemsOf(|out: &mut dyn FnMut(Value<'_>)| {
                for tlv in service(tlv.value).map_while(Result::ok) {
                    let sid = if tlv.code == SID_INFORMATION { ServiceSid::read(tlv.value) } else { None };
                    match sid {
                        Some(sid) => out(Value::Object(&sid)),
                        None => out(Value::Object(&MembersOf(|visit: &mut dyn FnMut(&str, Value<'_>)| {
                            visit(&format!("tlv_{}", tlv.code), Value::Shown(&Hex(tlv.value)));
                        }))),
                    }
                }
            });
            visit(if tlv.code == SRV6_L3 { "srv6_l3" } else { "srv6_l2" }, Value::List(&items));
        }
        _ => return None,
    }
    Some(())
}

/// Writes the value of an attribute.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    w: Writer,
}

impl Builder {
    /// No TLVs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a label index.
    pub fn label_index(&mut self, index: u32) -> &mut Self {
        self.w.u8(LABEL_INDEX as u8).u16(7).put(&[0; 3]).u32(index);
        self
    }

    /// Adds the label blocks of the originator; upper octets of their numbers are lost.
    ///
    /// # Errors
    /// If they exceed the length of a TLV.
    pub fn label_blocks(&mut self, blocks: &[LabelBlock]) -> Result<&mut Self, TooLong> {
        self.w.u8(ORIGINATOR_SRGB as u8).sized_u16(0, |w| {
            w.u16(0);
            for block in blocks {
                let ([_, base @ ..], [_, range @ ..]) = (block.base.to_be_bytes(), block.range.to_be_bytes());
                w.put(&base).put(&range);
            }
        })?;
        Ok(self)
    }

    /// Adds SIDs of layer-3 services, or of layer-2 services.
    ///
    /// # Errors
    /// If they exceed the length of a TLV.
    pub fn sids(&mut self, is_l3: bool, sids: &[ServiceSid]) -> Result<&mut Self, TooLong> {
        let mut result = Ok(());
        self.w.u8(if is_l3 { SRV6_L3 } else { SRV6_L2 } as u8).sized_u16(0, |w| {
            w.u8(0);
            result = sids.iter().try_for_each(|sid| sid.write(w));
        })?;
        result.map(|()| self)
    }

    /// The value.
    pub fn finish(self) -> Vec<u8> {
        self.w.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Json;
    use proptest::prelude::*;
    use wire::Truncated;

    #[test]
    fn all_tlvs_show_their_members() {
        let sid = ServiceSid {
            sid: "2001:db8:1::".parse().unwrap(),
            flags: 0,
            behavior: Behavior(19),
            structure: Some(SidStructure {
                block: 40,
                node: 24,
                function: 16,
                argument: 0,
                transposition: 16,
                offset: 64,
            }),
        };
        let mut builder = Builder::new();
        builder.label_index(5).label_blocks(&[LabelBlock { base: 16_000, range: 8000 }]).unwrap();
        builder.sids(true, &[sid]).unwrap().sids(false, &[ServiceSid { structure: None, ..sid }]).unwrap();
        let mut octets = builder.finish();
        octets.extend([9, 0, 1, 0xab, 2, 0, 0]);
        let attribute = PrefixSid::decode(&octets).unwrap();
        assert_eq!(
            Json(&attribute).to_string(),
            concat!(
                r#"{"psid_li":5,"psid_2":"","psid_srgb":[{"base":16000,"range":8000}],"#,
                r#""srv6_l3":[{"sid":"2001:db8:1::","behavior":"End.DT4","flags":"0x0","structure":{"block_bits":40,"#,
                r#""node_bits":24,"function_bits":16,"argument_bits":0,"transposition_bits":16,"transposition_offset":64}}],"#,
                r#""srv6_l2":[{"sid":"2001:db8:1::","behavior":"End.DT4","flags":"0x0"}],"psid_9":"ab"}"#
            )
        );
        assert_eq!((attribute.label_index(), attribute.l3_sids().next()), (Some(5), Some(sid)));
        assert_eq!((attribute.label_blocks().count(), attribute.l2_sids().count()), (1, 1));
    }

    #[test]
    fn wrong_values_are_hexadecimal_and_cuts_are_errors() {
        let octets = [1, 0, 1, 9, 3, 0, 3, 0, 0, 1, 5, 0, 4, 0, 1, 0, 9, 6, 0, 4, 0, 7, 0, 0];
        assert_eq!(
            Json(&PrefixSid::decode(&octets).unwrap()).to_string(),
            r#"{"psid_1":"09","psid_3":"000001","psid_5":"00010009","srv6_l2":[{"tlv_7":""}]}"#
        );
        let zero = Builder::new().label_index(0).clone().finish();
        assert_eq!(Json(&PrefixSid::decode(&zero).unwrap()).to_string(), "{}");
        let truncated = Truncated { at: 3, wanted: 7, left: 1 };
        assert_eq!(PrefixSid::decode(&[1, 0, 7, 0]), Err(Malformed::Truncated(truncated)));
    }

    proptest! {
        #[test]
        fn written_sids_read_back(
            index in 1u32..,
            (base, range) in (0u32..1 << 24, 0u32..1 << 24),
            all in prop::collection::vec(any::<(u128, u8, u16, Option<[u8; 6]>)>(), 0..4),
        ) {
            let sids: Vec<_> = all
                .iter()
                .map(|(sid, flags, behavior, structure)| ServiceSid {
                    sid: Ipv6Addr::from_bits(*sid),
                    flags: *flags,
                    behavior: Behavior(*behavior),
                    structure: structure.and_then(|octets| SidStructure::read(&octets)),
                })
                .collect();
            let block = LabelBlock { base, range };
            let mut builder = Builder::new();
            builder.sids(false, &sids).unwrap().label_index(index).label_blocks(&[block]).unwrap();
            let octets = builder.finish();
            let attribute = PrefixSid::decode(&octets).unwrap();
            prop_assert_eq!(attribute.l2_sids().collect::<Vec<_>>(), sids);
            prop_assert_eq!((attribute.label_index(), attribute.label_blocks().next()), (Some(index), Some(block)));
            _ = Json(&attribute).to_string();
        }

        #[test]
        fn any_octets_are_shown_or_an_error(octets in prop::collection::vec(prop_oneof![0u8..8, any::<u8>()], 0..80)) {
            if let Ok(attribute) = PrefixSid::decode(&octets) {
                _ = (Json(&attribute).to_string(), attribute.l3_sids().count(), attribute.label_blocks().count());
            }
        }
    }
}
