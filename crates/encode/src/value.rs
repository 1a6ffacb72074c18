//! Values of columns as plain text, which all outputs share, and the meaning of their bytes.

use crate::address;
use crate::number::{LOWER, UPPER, decimal, hexadecimal};
use crate::protocols;
use crate::style::Style;
use crate::time::Clock;
use aggregate::Aggregate;
use flow::address::{ABSENT, V4_ZERO};
use flow::kind::{Kind, RdOrigin};
use flow::schema::{At, Schema};
use flow::strings::Strings;
use std::io::Write;

/// Writes values as plain text.
#[derive(Clone, Debug)]
pub struct Values {
    num_protos: bool,
    whole_seconds: bool,
    /// Whether real numbers have six decimals, as in columns, or as many as necessary.
    six_decimals: bool,
    clock: Clock,
}

impl Values {
    /// A writer of values in a style.
    pub fn new(style: &Style) -> Self {
        Self {
            num_protos: style.num_protos,
            whole_seconds: style.whole_seconds,
            six_decimals: false,
            clock: Clock::new(style),
        }
    }

    /// The same, with six decimals for real numbers.
    pub(crate) fn with_six_decimals(style: &Style) -> Self {
        Self { six_decimals: true, ..Self::new(style) }
    }

    /// Writes one value. Texts are written unchanged. `flush` is the time of the flush in
    /// seconds since 1970.
    #[inline(always)]
    pub fn write(
        &mut self,
        out: &mut Vec<u8>,
        kind: Kind,
        at: At,
        row: &Aggregate<'_>,
        strings: &Strings,
        flush: u64,
    ) {
        match kind {
            Kind::Counter | Kind::TcpFlags | Kind::TunnelTcpFlags => decimal(out, value(row, at)),
            Kind::U8 | Kind::Tos | Kind::FwdStatus => decimal(out, u64::from(field::<1>(row, at)[0])),
            Kind::U16 => decimal(out, u64::from(u16::from_be_bytes(field(row, at)))),
            Kind::U32 | Kind::FlowLabel => decimal(out, u64::from(u32::from_be_bytes(field(row, at)))),
            Kind::U64 | Kind::NumberText => decimal(out, u64::from_be_bytes(field(row, at))),
            Kind::HexText => hexadecimal(out, u64::from_be_bytes(field(row, at))),
            Kind::EtherType => hexadecimal(out, u64::from(u16::from_be_bytes(field(row, at)))),
            Kind::Ip => address::ip(out, &field(row, at)),
            Kind::IpText => match field(row, at) {
                ABSENT => address::ip(out, &V4_ZERO),
                bytes => address::ip(out, &bytes),
            },
            Kind::Mac => address::mac(out, field(row, at)),
            Kind::Proto => {
                let [protocol] = field(row, at);
                match protocols::name(protocol) {
                    Some(name) if !self.num_protos => out.extend_from_slice(name.as_bytes()),
                    _ => decimal(out, u64::from(protocol)),
                }
            }
            Kind::Time => {
                let micros = match at {
                    At::Value(_) if self.whole_seconds => value(row, at) / 1_000_000 * 1_000_000,
                    At::Value(_) => value(row, at),
                    _ => u64::from_be_bytes(field(row, at)),
                };
                self.clock.micros(out, micros);
            }
            Kind::StampInserted => self.clock.seconds(out, u64::from_be_bytes(field(row, at))),
            Kind::StampUpdated => self.clock.seconds(out, flush),
            Kind::Direction => out.push(match (at, field(row, at)) {
                (At::Key(_), [0]) => b'i',
                (At::Key(_), [1]) => b'e',
                _ => b'u',
            }),
            Kind::Roa => out.push(match field(row, at) {
                [letter] if letter.is_ascii_alphabetic() => letter,
                _ => b'u',
            }),
            Kind::None => {}
            _ => self.rare(out, kind, at, row, strings),
        }
    }

    fn rare(&mut self, out: &mut Vec<u8>, kind: Kind, at: At, row: &Aggregate<'_>, strings: &Strings) {
        match kind {
            // Writing to a `Vec` cannot fail.
            Kind::Rd => drop(write!(out, "{}", wire::RouteDistinguisher(field(row, at)))),
            Kind::RdOrigin => out.extend_from_slice(RdOrigin(field::<1>(row, at)[0]).word().as_bytes()),
            Kind::Real => {
                let real = real(row, at);
                drop(match self.six_decimals {
                    true => write!(out, "{real:.6}"),
                    false => write!(out, "{real:?}"),
                });
            }
            Kind::Class => match text(row, at, strings) {
                b"" => out.extend_from_slice(b"unknown"),
                class => out.extend_from_slice(class),
            },
            Kind::AsPath | Kind::Communities => {
                out.extend(text(row, at, strings).iter().map(|byte| if *byte == b' ' { b'_' } else { *byte }));
            }
            Kind::Labels => {
                for (position, label) in labels(text(row, at, strings)).enumerate() {
                    if position > 0 {
                        out.push(b'_');
                    }
                    decimal(out, u64::from(label));
                }
            }
            Kind::Raw => {
                for (position, byte) in text(row, at, strings).iter().enumerate() {
                    if position > 0 {
                        out.push(b'-');
                    }
                    out.extend_from_slice(&[UPPER[usize::from(byte >> 4)], UPPER[usize::from(byte & 15)]]);
                }
            }
            Kind::Segments => {
                for (position, segment) in text(row, at, strings).as_chunks().0.iter().enumerate() {
                    if position > 0 {
                        out.push(b'_');
                    }
                    address::v6(out, segment);
                }
            }
            _ => out.extend_from_slice(text(row, at, strings)),
        }
    }
}

/// Returns true for kinds with text from outside, which may contain any bytes.
pub(crate) fn is_free_text(kind: Kind) -> bool {
    matches!(kind, Kind::Text | Kind::Class | Kind::Label | Kind::AsPath | Kind::Communities)
}

/// The bytes of a column in the key; zeros if the key is too short, which does not occur.
#[inline]
pub fn field<const N: usize>(row: &Aggregate<'_>, at: At) -> [u8; N] {
    let At::Key(at) = at else { return [0; N] };
    row.key.get(at..).and_then(|key| key.first_chunk()).copied().unwrap_or([0; N])
}

/// The value of a column that is not in the key.
#[inline]
pub fn value(row: &Aggregate<'_>, at: At) -> u64 {
    let At::Value(at) = at else { return 0 };
    row.values.get(at).copied().unwrap_or(0)
}

/// The interned bytes of a column.
#[inline]
pub fn text<'a>(row: &Aggregate<'_>, at: At, strings: &'a Strings) -> &'a [u8] {
    strings.get(u32::from_be_bytes(field(row, at)))
}

/// A real number. JSON has no infinities, and coordinates are finite.
pub(crate) fn real(row: &Aggregate<'_>, at: At) -> f64 {
    let real = f64::from_be_bytes(field(row, at));
    if real.is_finite() { real } else { 0.0 }
}

/// A number as a signed one, because Avro has no others. IPv6 flow labels have 32 bits there.
pub(crate) fn signed(row: &Aggregate<'_>, kind: Kind, at: At) -> i64 {
    match kind {
        Kind::U64 => i64::from_be_bytes(field(row, at)),
        Kind::FlowLabel => i64::from(i32::from_be_bytes(field(row, at))),
        _ => value(row, at).cast_signed(),
    }
}

/// The words of a list, separated by spaces.
pub(crate) fn words(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b' ').filter(|word| !word.is_empty())
}

/// The pairs of a label `key%value,key2%value2`. Of equal keys the last is used.
pub fn label_pairs(label: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let parts = |label| <[u8]>::split(label, |byte| *byte == b',').filter(|part| !part.is_empty()).map(label_pair);
    parts(label)
        .enumerate()
        .filter(move |(number, (key, _))| {
            // Labels have a handful of pairs: a linear search is faster than a map.
            !parts(label).skip(number + 1).any(|(later, _)| later == *key)
        })
        .map(|(_, pair)| pair)
}

fn label_pair(part: &[u8]) -> (&[u8], &[u8]) {
    let at = part.iter().position(|byte| *byte == b'%').unwrap_or(part.len());
    let (key, value) = part.split_at(at);
    (key, value.get(1..).unwrap_or_default())
}

/// The labels of an MPLS label stack, top first.
pub(crate) fn labels(stack: &[u8]) -> impl Iterator<Item = u32> + '_ {
    stack.as_chunks::<3>().0.iter().map(|[a, b, c]| u32::from_be_bytes([0, *a, *b, *c]) >> 4)
}

/// Names of the TCP flags from the high bit down. Those of RFC 3168 come last, so that the arrays of hosts
/// without ECN do not change.
const FLAGS: [(u64, &str); 8] = [
    (0x20, "URG"),
    (0x10, "ACK"),
    (0x08, "PSH"),
    (0x04, "RST"),
    (0x02, "SYN"),
    (0x01, "FIN"),
    (0x80, "CWR"),
    (0x40, "ECE"),
];

/// The names of the flags that are set.
pub(crate) fn tcp_flags(flags: u64) -> impl Iterator<Item = &'static str> {
    FLAGS.iter().filter(move |(bit, _)| flags & bit != 0).map(|(_, name)| *name)
}

/// A forwarding status in words: its category, and its reason (RFC 7270 section 4.12).
pub(crate) fn fwd_status(status: u8) -> [&'static str; 2] {
    let reason = match status {
        64 | 128 | 192 => "Unknown",
        65 => "Fragmented",
        66 => "Not Fragmented",
        129 => "ACL deny",
        130 => "ACL drop",
        131 => "Unroutable",
        132 => "Adjacency",
        133 => "Fragmentation and DF set",
        134 => "Bad header checksum",
        135 => "Bad total Length",
        136 => "Bad header length",
        137 => "bad TTL",
        138 => "Policer",
        139 => "WRED",
        140 => "RPF",
        141 | 195 => "For us",
        142 => "Bad output interface",
        143 => "Hardware",
        193 => "Punt Adjacency",
        194 => "Incomplete Adjacency",
        _ => "Unclassified",
    };
    [["UNKNOWN", "FORWARDED", "DROPPED", "CONSUMED"][usize::from(status >> 6)], reason]
}

/// Distinguishes rows of events (NAT, firewall, options) from those of traffic by their key.
///
/// Events have no counters, and JSON omits them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Events(Option<usize>);

impl Events {
    pub(crate) fn new(schema: &Schema) -> Self {
        Self(schema.event)
    }

    #[inline]
    pub(crate) fn is(&self, row: &Aggregate<'_>) -> bool {
        self.0.is_some_and(|at| row.key.get(at).is_some_and(|event| *event != 0))
    }
}

/// Writes text as valid UTF-8, with replacement characters for invalid bytes.
pub fn utf8(out: &mut Vec<u8>, text: &[u8]) {
    for chunk in text.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// Makes the output from `start` on valid UTF-8.
pub(crate) fn make_utf8(out: &mut Vec<u8>, start: usize) {
    if std::str::from_utf8(out.get(start..).unwrap_or_default()).is_err() {
        let written = out.split_off(start);
        utf8(out, &written);
    }
}

/// Writes the inside of a JSON string.
pub fn escaped(out: &mut Vec<u8>, text: &[u8]) {
    let plain = |byte: &u8| matches!(byte, 0x20..=0x7f) && !matches!(byte, b'"' | b'\\');
    if text.iter().all(plain) {
        return out.extend_from_slice(text);
    }
    let start = out.len();
    utf8(out, text);
    let whole = out.split_off(start);
    for byte in whole {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[LOWER[usize::from(byte >> 4)], LOWER[usize::from(byte & 15)]]);
            }
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarding_status_has_words() {
        assert_eq!(fwd_status(66), ["FORWARDED", "Not Fragmented"]);
        assert_eq!(fwd_status(130), ["DROPPED", "ACL drop"]);
        assert_eq!(fwd_status(255), ["CONSUMED", "Unclassified"]);
        assert_eq!(fwd_status(3), ["UNKNOWN", "Unclassified"]);
    }

    #[test]
    fn escaped_strings_round_trip() {
        let text = "a\"b\\c\n\r\t\u{8}\u{c}\u{1}é";
        let mut out = vec![b'"'];
        escaped(&mut out, text.as_bytes());
        out.push(b'"');
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        out.clear();
        escaped(&mut out, b"ok\xff\xfe!");
        assert_eq!(String::from_utf8(out).unwrap(), "ok\u{fffd}\u{fffd}!");
    }
}
