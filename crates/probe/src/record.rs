//! Templates and records of NetFlow v9 and IPFIX.
//!
//! There are four templates: for IPv4 and IPv6, ingress and egress. They differ in the elements of addresses, MAC addresses and
//! VLAN IDs. A template is compiled to steps, one for each field, which write a record from the key and the values of an
//! aggregate.

use crate::applications::Applications;
use crate::communities::Communities;
use crate::elements::{ALWAYS, EXPORTS, Encoding, Export};
use crate::interfaces::{Finder, Interfaces};
use crate::{Precision, Settings, Version, name_of, number};
use flow::address;
use flow::column::Id;
use flow::custom::Semantics;
use flow::kind::Kind;
use flow::schema::{At, Column, ICMP_TYPE_CODE, Schema, VALUE_BYTES, VALUE_PACKETS};
use flow::strings::Strings;
use netflow::elements as ie;
use netflow::template::{Field, Template, VARIABLE};

/// Ids of the templates of IPv4 flows, ingress and egress.
pub const V4: [u16; 2] = [1024, 1025];
/// The same for IPv6.
pub const V6: [u16; 2] = [2048, 2049];
/// The bit that marks enterprise-specific elements; v9 has no enterprise numbers, and only the bit is kept.
const ENTERPRISE: u16 = 0x8000;
/// Seconds between 1900, from which NTP timestamps count, and 1970.
const NTP_TO_UNIX: u64 = 2_208_988_800;
/// Microseconds of a second.
const SECOND: u64 = 1_000_000;
/// Octets of a text in v9, which has no fields of variable length.
const V9_TEXT: u16 = 64;
/// Maximum length of a text, in octets, so that a record fits in a datagram.
const MAX_TEXT: usize = 250;

/// How one field of a record is written.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A value of the aggregate.
    Value {
        index: usize,
        len: usize,
    },
    /// A value that is a time.
    Time {
        index: usize,
    },
    /// The same octet in all records of the template.
    Fixed(u8),
    Input,
    Output,
    /// Octets of the key, right-aligned.
    Key {
        at: usize,
        size: usize,
        len: usize,
    },
    Ipv4 {
        at: usize,
    },
    Ipv6 {
        at: usize,
    },
    Port {
        at: usize,
        icmp: Option<usize>,
    },
    Label {
        at: usize,
    },
    /// An entry of a label stack, which is a string.
    Entry {
        at: usize,
        number: usize,
    },
    Segment {
        at: usize,
        kind: u8,
    },
    /// A string: of variable length, or in so many octets.
    Text {
        at: usize,
        len: Option<u16>,
    },
    Zero {
        len: usize,
    },
    /// The number of an application, whose name is a string.
    Application {
        at: usize,
    },
    /// A list of communities, which are a string.
    Communities {
        at: usize,
        kind: Communities,
    },
}

/// A template, and how its records are written.
#[derive(Clone, Debug)]
pub struct Form {
    /// The template.
    pub template: Template,
    steps: Vec<Step>,
}

/// The templates of a schema.
#[derive(Clone, Debug)]
pub struct Forms {
    forms: Vec<Form>,
    finder: Finder,
    /// Addresses in the key, any of which determines the family.
    addresses: Vec<usize>,
    precision: Precision,
    unsupported: Vec<String>,
}

impl Forms {
    /// The templates for aggregates of `schema`.
    pub fn new(settings: &Settings, schema: &Schema) -> Self {
        let compiler = Compiler { settings, schema };
        let key_of = |id: &Id| compiler.key(*id).map(|(at, _)| at);
        let ids = [Id::IpSrc, Id::IpDst, Id::NetSrc, Id::NetDst, Id::PeerIpDst];
        Self {
            forms: (0..4).map(|form| compiler.form(form >= 2, form % 2)).collect(),
            finder: Finder::of_keys(settings.interfaces, schema),
            addresses: ids.iter().filter_map(key_of).collect(),
            precision: settings.precision,
            unsupported: compiler.unsupported(),
        }
    }

    /// The templates that records can have: for each direction that is configured.
    pub fn in_use(&self, settings: &Settings) -> impl Iterator<Item = &Form> {
        use crate::interfaces::Direction;
        let directions = match settings.interfaces.direction {
            None | Some(Direction::In) => [true, false],
            Some(Direction::Out) => [false, true],
            Some(Direction::By(_)) => [true, true],
        };
        self.forms.iter().zip(directions.into_iter().cycle()).filter(|(_, used)| *used).map(|(form, _)| form)
    }

    /// Columns that have no element.
    pub fn unsupported(&self) -> &[String] {
        &self.unsupported
    }

    /// Writes the record of an aggregate, and returns the id of its template.
    #[inline]
    pub(crate) fn write(
        &self,
        key: &[u8],
        values: &[u64],
        strings: &Strings,
        applications: &mut Applications,
        out: &mut Vec<u8>,
    ) -> u16 {
        let interfaces = self.finder.find(key);
        let is_v6 = self.is_v6(key);
        let number = usize::from(is_v6) * 2 + usize::from(interfaces.is_egress);
        let Some(form) = self.forms.get(number) else { return 0 };
        for step in &form.steps {
            let ends = (interfaces, &mut *applications);
            self.step(*step, key, values, strings, ends, out);
        }
        form.template.id
    }

    fn is_v6(&self, key: &[u8]) -> bool {
        let family = |at: &usize| {
            let octets: &[u8; 16] = key.get(*at..)?.first_chunk()?;
            (*octets != address::ABSENT).then(|| !address::is_v4(octets))
        };
        self.addresses.iter().find_map(family).unwrap_or(false)
    }

    #[inline]
    fn step(
        &self,
        step: Step,
        key: &[u8],
        values: &[u64],
        strings: &Strings,
        (interfaces, applications): (Interfaces, &mut Applications),
        out: &mut Vec<u8>,
    ) {
        let value = |index: usize| values.get(index).copied().unwrap_or(0);
        match step {
            Step::Value { index, len } => put(out, value(index), len),
            Step::Time { index } => time(out, value(index), self.precision),
            Step::Fixed(octet) => out.push(octet),
            Step::Input => put(out, interfaces.input.into(), 4),
            Step::Output => put(out, interfaces.output.into(), 4),
            Step::Key { at, size, len } => {
                let octets = key.get(at..at + size).unwrap_or_default();
                let octets = octets.get(size.saturating_sub(len)..).unwrap_or_default();
                out.resize(out.len() + len - octets.len(), 0);
                out.extend_from_slice(octets);
            }
            Step::Ipv4 { at } => out.extend_from_slice(&ipv4(key, at)),
            Step::Ipv6 { at } => out.extend_from_slice(&ipv6(key, at)),
            Step::Port { at, icmp } => {
                // Only one of them is not 0.
                put(out, number(key, at, 2) | icmp.map_or(0, |at| number(key, at, 2)), 2);
            }
            Step::Label { at } => put(out, number(key, at, 4) << 4, 3),
            Step::Entry { at, number: entry } => {
                let stack = strings.get(number(key, at, 4) as u32);
                let octets = stack.get(entry * 3..).and_then(|stack| stack.first_chunk::<3>());
                out.extend_from_slice(octets.unwrap_or(&[0; 3]));
            }
            Step::Segment { at, kind } => {
                out.push(kind);
                put(out, number(key, at, 4), 7);
            }
            Step::Text { at, len } => text(out, strings.get(number(key, at, 4) as u32), len),
            Step::Application { at } => {
                put(out, applications.id(strings.get(number(key, at, 4) as u32)).into(), 4);
            }
            Step::Communities { at, kind } => kind.write_list(strings.get(number(key, at, 4) as u32), out),
            Step::Zero { len } => out.resize(out.len() + len, 0),
        }
    }
}

/// Writes the low octets of a number; one that does not fit becomes the largest.
fn put(out: &mut Vec<u8>, number: u64, len: usize) {
    let max = u64::MAX >> (64 - 8 * len.clamp(1, 8));
    let octets = number.min(max).to_be_bytes();
    out.extend_from_slice(octets.get(8 - len.min(8)..).unwrap_or_default());
}

fn time(out: &mut Vec<u8>, time_us: u64, precision: Precision) {
    match precision {
        Precision::Seconds => put(out, time_us / SECOND, 4),
        Precision::Milliseconds => put(out, time_us / 1000, 8),
        Precision::Microseconds => {
            // Rounded up, so that a reader who rounds down finds the same microsecond (RFC 7011 section 6.1.9). The lower 11
            // bits of microseconds must be 0; 32 - 11 bits still tell microseconds apart.
            let fraction = ((time_us % SECOND) << 32).div_ceil(SECOND);
            put(out, (time_us / SECOND + NTP_TO_UNIX) << 32 | fraction, 8);
        }
    }
}

fn ipv4(key: &[u8], at: usize) -> [u8; 4] {
    let octets: Option<&[u8; 16]> = key.get(at..).and_then(|octets| octets.first_chunk());
    octets
        .filter(|octets| address::is_v4(octets))
        .and_then(|octets| octets.last_chunk())
        .copied()
        .unwrap_or_default()
}

fn ipv6(key: &[u8], at: usize) -> [u8; 16] {
    let octets: Option<&[u8; 16]> = key.get(at..).and_then(|octets| octets.first_chunk());
    match octets {
        Some(octets) if *octets != address::V6_ZERO && !address::is_v4(octets) => *octets,
        _ => [0; 16],
    }
}

fn text(out: &mut Vec<u8>, text: &[u8], len: Option<u16>) {
    match len {
        Some(len) => {
            let end = out.len() + usize::from(len);
            out.extend_from_slice(text.get(..usize::from(len)).unwrap_or(text));
            out.resize(end, 0);
        }
        None => {
            let text = text.get(..MAX_TEXT).unwrap_or(text);
            out.push(text.len() as u8);
            out.extend_from_slice(text);
        }
    }
}

struct Compiler<'a> {
    settings: &'a Settings,
    schema: &'a Schema,
}

impl Compiler<'_> {
    fn is_ipfix(&self) -> bool {
        self.settings.version == Version::Ipfix
    }

    /// Offset and size of a column in the key.
    fn key(&self, id: Id) -> Option<(usize, usize)> {
        let column = self.schema.column(id)?;
        match column.at {
            At::Key(at) => Some((at, column.kind.size())),
            _ => None,
        }
    }

    fn value(&self, id: Id) -> Option<usize> {
        match self.schema.column(id)?.at {
            At::Value(index) => Some(index),
            _ => None,
        }
    }

    fn icmp(&self) -> Option<usize> {
        let column = self.schema.columns.iter().find(|column| column.json == ICMP_TYPE_CODE)?;
        match column.at {
            At::Key(at) => Some(at),
            _ => None,
        }
    }

    fn customs(&self) -> impl Iterator<Item = &Column> {
        self.schema.columns.iter().filter(|column| column.custom.is_some())
    }

    fn form(&self, is_v6: bool, direction: usize) -> Form {
        let (mut fields, mut steps) = (Vec::new(), Vec::new());
        let mut add = |enterprise: u32, element: u16, length: u16, step: Step| {
            // v9 has no enterprise numbers.
            let (enterprise, element) = match enterprise {
                0 => (0, element),
                enterprise if self.is_ipfix() => (enterprise, element),
                _ => (0, element | ENTERPRISE),
            };
            fields.push(Field { enterprise, element, length });
            steps.push(step);
        };
        let (last, first, length) = match self.settings.precision {
            Precision::Seconds => (ie::FLOW_END_SECONDS, ie::FLOW_START_SECONDS, 4),
            Precision::Milliseconds => (ie::FLOW_END_MILLISECONDS, ie::FLOW_START_MILLISECONDS, 8),
            Precision::Microseconds => (ie::FLOW_END_MICROSECONDS, ie::FLOW_START_MICROSECONDS, 8),
        };
        let times = [(last, Id::TimestampMax), (first, Id::TimestampMin)];
        for (element, index) in times.into_iter().filter_map(|(element, id)| Some((element, self.value(id)?))) {
            add(0, element, length, Step::Time { index });
        }
        add(0, ie::OCTET_DELTA_COUNT, 8, Step::Value { index: VALUE_BYTES, len: 8 });
        add(0, ie::PACKET_DELTA_COUNT, 8, Step::Value { index: VALUE_PACKETS, len: 8 });
        add(0, ie::IP_VERSION, 1, Step::Fixed(if is_v6 { 6 } else { 4 }));
        add(0, ie::INGRESS_INTERFACE, 4, Step::Input);
        add(0, ie::EGRESS_INTERFACE, 4, Step::Output);
        add(0, ie::FLOW_DIRECTION, 1, Step::Fixed(direction as u8));
        for export in EXPORTS {
            let elements = if is_v6 { export.v6 } else { export.v4 };
            let element = elements.get(direction).copied().unwrap_or(0);
            for (number, (length, step)) in (0..).zip(self.steps(export, is_v6)) {
                add(export.enterprise, element + number, length, step);
            }
        }
        for column in self.customs() {
            if let Some((enterprise, element, length, step)) = self.custom(column) {
                add(enterprise, element, length, step);
            }
        }
        let id = if is_v6 { V6 } else { V4 }.get(direction).copied().unwrap_or(0);
        let mut template = Template::new(self.settings.domain, id, netflow::template::Kind::Data, fields);
        template.ipfix = self.is_ipfix();
        Form { template, steps }
    }

    /// Lengths and steps of the fields of a row of the table.
    fn steps(&self, export: &Export, is_v6: bool) -> Vec<(u16, Step)> {
        let peer = match export.column {
            Id::AsSrc if self.settings.peer_as => Id::PeerAsSrc,
            Id::AsDst if self.settings.peer_as => Id::PeerAsDst,
            other => other,
        };
        // Without the column itself, there is no element.
        if self.schema.column(export.column).is_none() {
            return Vec::new();
        }
        let counter = |len: u16| Some((len, Step::Value { index: self.value(export.column)?, len: len.into() }));
        let of_key = |step: fn(usize) -> Step| self.key(peer).map(|(at, _)| step(at));
        let one = match export.encoding {
            Encoding::Counter(len) => counter(len),
            Encoding::Flags => counter(1),
            Encoding::Octets(len) => {
                self.key(peer).map(|(at, size)| (len, Step::Key { at, size, len: usize::from(len) }))
            }
            Encoding::Address if is_v6 => of_key(|at| Step::Ipv6 { at }).map(|step| (16, step)),
            Encoding::Address => of_key(|at| Step::Ipv4 { at }).map(|step| (4, step)),
            Encoding::Port => {
                let icmp = self.icmp().filter(|_| export.column == Id::PortDst);
                self.key(peer).map(|(at, _)| (2, Step::Port { at, icmp }))
            }
            // The stack contains the top.
            Encoding::Label if self.schema.column(Id::MplsLabelStack).is_some() => None,
            Encoding::Label => of_key(|at| Step::Label { at }).map(|step| (3, step)),
            Encoding::Labels(count) => {
                let Some((at, _)) = self.key(peer) else { return Vec::new() };
                return (0..usize::from(count)).map(|number| (3, Step::Entry { at, number })).collect();
            }
            Encoding::Segment(kind) => self.key(peer).map(|(at, _)| (8, Step::Segment { at, kind })),
            Encoding::Application => of_key(|at| Step::Application { at }).map(|step| (4, step)),
            Encoding::Communities(_) if !self.is_ipfix() => None,
            Encoding::Text if !self.is_ipfix() => {
                of_key(|at| Step::Text { at, len: Some(V9_TEXT) }).map(|step| (V9_TEXT, step))
            }
            Encoding::Communities(kind) => {
                self.key(peer).map(|(at, _)| (VARIABLE, Step::Communities { at, kind }))
            }
            Encoding::Text => of_key(|at| Step::Text { at, len: None }).map(|step| (VARIABLE, step)),
        };
        one.into_iter().collect()
    }

    /// Enterprise, element, length and step of a custom primitive with an element.
    fn custom(&self, column: &Column) -> Option<(u32, u16, u16, Step)> {
        let custom = column.custom.as_deref()?;
        let element = custom.element?;
        let At::Key(at) = column.at else { return None };
        let step = match (custom.semantics, custom.length) {
            (Semantics::UnsignedInt | Semantics::Hex, Some(len)) => Step::Key { at, size: 8, len: len.into() },
            (Semantics::Mac, _) => Step::Key { at, size: 6, len: 6 },
            (Semantics::Ip, Some(4)) => Step::Ipv4 { at },
            (Semantics::Ip, _) => Step::Ipv6 { at },
            (Semantics::Str | Semantics::Raw, None) if !self.is_ipfix() => return None,
            (Semantics::Str | Semantics::Raw, len) => Step::Text { at, len },
            (_, None) => Step::Zero { len: 0 },
        };
        Some((element.enterprise, element.element, custom.length.unwrap_or(VARIABLE), step))
    }

    fn unsupported(&self) -> Vec<String> {
        let has_element = |column: &&Column| match column.id {
            _ if column.json == ICMP_TYPE_CODE => true,
            Id::Custom => self.custom(column).is_some(),
            Id::MplsLabelTop => true,
            id if ALWAYS.contains(&id) => true,
            id => EXPORTS.iter().any(|export| export.column == id && !self.steps(export, false).is_empty()),
        };
        let is_hidden = |column: &&Column| column.kind == Kind::RdOrigin;
        let columns = self.schema.columns.iter().filter(|column| !has_element(column) && !is_hidden(column));
        columns.map(|column| name_of(column).to_owned()).collect()
    }
}
