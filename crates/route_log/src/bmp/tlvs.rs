//! What messages of version 4 say about single routes (draft-ietf-grow-bmp-tlv, draft-ietf-grow-bmp-path-marking-tlv).

use super::words;
use crate::avro::Writer;
use crate::json;
use ::bmp::route_monitoring::RouteMonitoring;
use ::bmp::tlv::{Tlv, Tlvs};
use ::bmp::v4::{CodePoints, GROUP_BIT, PathMarking, group_members};

/// Octets of a value of which an event shows the first ones: all routes of a message may have the same TLV.
const MAX_SHOWN: usize = 256;
/// The number of TLVs of a message that its routes show.
const MAX_TLVS: usize = 64;

/// The TLVs of a route monitoring message that say something about its routes.
#[derive(Clone, Debug)]
pub struct RouteTlvs<'a> {
    tlvs: Vec<Tlv<'a>>,
    all: Tlvs<'a>,
    code_points: CodePoints,
}

/// What a route has.
#[derive(Default)]
struct Shown {
    path_status: Vec<String>,
    reason_code: Option<String>,
    info: Vec<(String, Option<String>)>,
}

impl<'a> RouteTlvs<'a> {
    /// The TLVs of a message of version 4, except those that only help to read it; `None` if there are no others. Events show up to 64 of them, and
    /// of each value the first 256 octets.
    #[must_use]
    pub fn of(message: &RouteMonitoring<'a>, code_points: &CodePoints) -> Option<Self> {
        // In version 3 they are not those of a draft, and pmacct does not show them.
        if !message.tlvs.is_indexed() {
            return None;
        }
        let helps = |tlv: &Tlv<'_>| {
            let kind = tlv.registered();
            kind == Some(code_points.bgp_message) || kind == Some(code_points.group)
        };
        let tlvs: Vec<Tlv<'a>> = message.tlvs.filter(|tlv| !helps(tlv)).take(MAX_TLVS).collect();
        (!tlvs.is_empty()).then_some(Self { tlvs, all: message.tlvs, code_points: *code_points })
    }

    /// Whether a TLV is about a route.
    fn is_about(&self, tlv: &Tlv<'_>, number: u16) -> bool {
        match tlv.index {
            0 => true,
            index if index & GROUP_BIT == 0 => index == number,
            index => self
                .all
                .filter(|other| other.registered() == Some(self.code_points.group) && other.index == index)
                .any(|group| group_members(group.value).any(|member| member == number)),
        }
    }

    fn shown(&self, number: u16) -> Shown {
        let mut shown = Shown::default();
        for tlv in self.tlvs.iter().filter(|tlv| self.is_about(tlv, number)) {
            let kind = tlv.registered();
            let marking =
                PathMarking::decode(tlv.value).filter(|_| kind == self.code_points.path_marking && kind.is_some());
            if let Some(marking) = marking {
                shown.path_status = marking.statuses().map(|status| status.to_string()).collect();
                shown.reason_code = marking.reason.map(|reason| format!("{:#06x}", reason.0));
                continue;
            }
            let value = tlv.value.get(..MAX_SHOWN).unwrap_or(tlv.value);
            let value = (!value.is_empty()).then(|| words::hex(value));
            let name = self.name(tlv);
            match shown.info.iter_mut().find(|(other, _)| *other == name) {
                Some(info) => info.1 = value,
                None => shown.info.push((name, value)),
            }
        }
        shown
    }

    /// The name of a TLV in a member.
    fn name(&self, tlv: &Tlv<'_>) -> String {
        let CodePoints { stateless_parsing, vrf_table_name, sequence_number, extended_flags, timestamp, .. } =
            self.code_points;
        let names = [
            (Some(stateless_parsing), "stateless"),
            (Some(vrf_table_name), "vrf"),
            (sequence_number, "sequence_number"),
            (extended_flags, "extended_flags"),
            (timestamp, "timestamp"),
        ];
        match (tlv.enterprise, names.into_iter().find(|(kind, _)| *kind == Some(tlv.kind))) {
            (Some(enterprise), _) => format!("{enterprise}_{}", tlv.kind),
            (None, Some((_, name))) => name.to_owned(),
            (None, None) => tlv.kind.to_string(),
        }
    }

    /// Appends the members of a route to JSON.
    #[inline(never)]
    pub(crate) fn json(&self, number: u16, out: &mut Vec<u8>) {
        let Shown { path_status, reason_code, info } = self.shown(number);
        if !path_status.is_empty() {
            json::name(out, "path_status");
            json::strings(out, &path_status);
        }
        if let Some(code) = &reason_code {
            json::text(out, "reason_code", code);
        }
        for (name, value) in &info {
            json::name(out, &format!("bmp_rm_info_{name}"));
            match value {
                Some(value) => json::string(out, value.as_bytes()),
                None => out.extend_from_slice(b"null"),
            }
        }
    }

    /// Writes the fields of a route.
    pub(crate) fn fields(tlvs: Option<(&Self, u16)>, out: &mut impl Writer) {
        let Shown { path_status, reason_code, info } =
            tlvs.map_or_else(Shown::default, |(tlvs, number)| tlvs.shown(number));
        out.array("path_status", path_status.iter().map(String::as_bytes));
        out.optional_string("reason_code", reason_code.as_ref().map(String::as_bytes));
        let info: Vec<(String, Vec<u8>)> =
            info.into_iter().map(|(name, value)| (name, value.unwrap_or_default().into_bytes())).collect();
        out.optional_map("bmp_rm_info", &info);
    }
}
