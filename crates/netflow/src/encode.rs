//! Encoding of datagrams, for traffic generators, tests and probes.
//!
//! ```
//! use netflow::encode::{field, Message};
//! use netflow::template::{Kind, Template};
//!
//! let template = Template::new(1, 256, Kind::Data, vec![field(8, 4), field(2, 8)]);
//! let datagram = Message::ipfix(1, 0, 1_700_000_000)
//!     .templates(&[&template])
//!     .data(256, |w| {
//!         w.put(&[192, 0, 2, 1]).u64(10);
//!     })
//!     .finish();
//! assert_eq!(datagram.len(), 16 + 4 + 12 + 4 + 12);
//! ```

use crate::datagram::IPFIX;
use crate::template::{Field, Kind, Template};
use wire::Writer;

/// A field with an IANA element.
pub const fn field(element: u16, length: u16) -> Field {
    Field { enterprise: 0, element, length }
}

/// A field with an enterprise-specific element.
pub const fn enterprise(enterprise: u32, element: u16, length: u16) -> Field {
    Field { enterprise, element, length }
}

/// A builder of v9 datagrams and IPFIX messages. Sets beyond 65,535 octets are ignored.
#[derive(Clone, Debug)]
pub struct Message {
    w: Writer,
    version: u16,
    records: u16,
}

impl Message {
    /// Starts an IPFIX message. `sequence` is the number of data records sent before in the domain.
    pub fn ipfix(domain: u32, sequence: u32, export_secs: u32) -> Self {
        let mut w = Writer::new();
        w.u16(IPFIX).u16(0).u32(export_secs).u32(sequence).u32(domain);
        Self { w, version: IPFIX, records: 0 }
    }

    /// Starts a v9 datagram. `sequence` is the number of datagrams sent before with this source id.
    pub fn v9(source_id: u32, sequence: u32, export_secs: u32, uptime_ms: u32) -> Self {
        let mut w = Writer::new();
        w.u16(9).u16(0).u32(uptime_ms).u32(export_secs).u32(sequence).u32(source_id);
        Self { w, version: 9, records: 0 }
    }

    fn is_ipfix(&self) -> bool {
        self.version == IPFIX
    }

    fn set(mut self, id: u16, records: usize, body: impl FnOnce(&mut Writer)) -> Self {
        let before = self.w.clone();
        self.w.u16(id);
        if self.w.sized_u16(4, body).is_err() || self.w.len() > usize::from(u16::MAX) {
            self.w = before;
        } else {
            self.records = self.records.saturating_add(u16::try_from(records).unwrap_or(u16::MAX));
        }
        self
    }

    /// Adds a template set, or an options template set if the first one is an options template.
    pub fn templates(self, templates: &[&Template]) -> Self {
        let ipfix = self.is_ipfix();
        let options = templates.first().is_some_and(|template| template.kind != Kind::Data);
        let id = u16::from(options) + if ipfix { 2 } else { 0 };
        self.set(id, templates.len(), |w| {
            for template in templates {
                template_record(w, template, ipfix);
            }
            if !ipfix {
                pad(w);
            }
        })
    }

    /// Adds a withdrawal of a template. Ids 2 and 3 withdraw all data or options templates.
    pub fn withdraw(self, id: u16, options: bool) -> Self {
        self.set(if options { 3 } else { 2 }, 0, |w| _ = w.u16(id).u16(0))
    }

    /// Adds a data set with one record.
    pub fn data(self, id: u16, record: impl FnOnce(&mut Writer)) -> Self {
        self.records(id, 1, record)
    }

    /// Adds a data set with several records, which `body` writes one after the other.
    pub fn records(self, id: u16, records: usize, body: impl FnOnce(&mut Writer)) -> Self {
        self.set(id, records, body)
    }

    /// Returns the finished datagram.
    pub fn finish(mut self) -> Vec<u8> {
        let count = if self.is_ipfix() { u16::try_from(self.w.len()).unwrap_or(u16::MAX) } else { self.records };
        self.w.overwrite(2, &count.to_be_bytes());
        self.w.finish()
    }
}

fn template_record(w: &mut Writer, template: &Template, ipfix: bool) {
    let count = |fields: usize| u16::try_from(fields).unwrap_or(u16::MAX);
    w.u16(template.id);
    let scopes = template.scope_fields();
    match (template.kind, ipfix) {
        (Kind::Data, _) => w.u16(count(template.fields.len())),
        (Kind::Options { .. }, true) => w.u16(count(template.fields.len())).u16(count(scopes)),
        (Kind::Options { .. }, false) => w.u16(count(scopes * 4)).u16(count((template.fields.len() - scopes) * 4)),
    };
    for field in &template.fields {
        if ipfix && field.enterprise != 0 {
            w.u16(field.element | 0x8000).u16(field.length).u32(field.enterprise);
        } else {
            w.u16(field.element).u16(field.length);
        }
    }
}

fn pad(w: &mut Writer) {
    while !w.len().is_multiple_of(4) {
        w.u8(0);
    }
}

/// Writes a variable-length field: its length, then its octets.
pub fn variable(w: &mut Writer, octets: &[u8]) {
    match u8::try_from(octets.len()) {
        Ok(len @ ..=254) => w.u8(len),
        _ => w.u8(255).u16(u16::try_from(octets.len()).unwrap_or(u16::MAX)),
    };
    w.put(octets.get(..usize::from(u16::MAX)).unwrap_or(octets));
}

/// One record of NetFlow v5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct V5Record {
    /// Addresses: source, destination, next hop.
    pub addresses: [[u8; 4]; 3],
    /// Interfaces: in, out.
    pub interfaces: [u16; 2],
    /// Packets.
    pub packets: u32,
    /// Octets.
    pub octets: u32,
    /// Uptime at the first and last packet, milliseconds.
    pub switched: [u32; 2],
    /// Ports: source, destination.
    pub ports: [u16; 2],
    /// TCP flags, protocol, type of service.
    pub flags_protocol_tos: [u8; 3],
    /// AS numbers: source, destination.
    pub ases: [u16; 2],
    /// Prefix lengths: source, destination.
    pub masks: [u8; 2],
}

/// Encodes a v5 datagram. `sequence` is the number of flows sent before; `sampling` is mode and interval.
pub fn v5(sequence: u32, export_secs: u32, uptime_ms: u32, sampling: u16, records: &[V5Record]) -> Vec<u8> {
    let mut w = Writer::new();
    w.u16(5).u16(u16::try_from(records.len()).unwrap_or(u16::MAX)).u32(uptime_ms).u32(export_secs).u32(0);
    w.u32(sequence).u16(0).u16(sampling);
    for record in records {
        for address in record.addresses {
            w.put(&address);
        }
        w.u16(record.interfaces[0]).u16(record.interfaces[1]).u32(record.packets).u32(record.octets);
        w.u32(record.switched[0]).u32(record.switched[1]).u16(record.ports[0]).u16(record.ports[1]);
        w.u8(0).put(&record.flags_protocol_tos).u16(record.ases[0]).u16(record.ases[1]);
        w.put(&record.masks).u16(0);
    }
    w.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datagram::{self, Body, Set};
    use crate::record;
    use crate::template::{Record, VARIABLE};
    use proptest::prelude::*;

    fn any_field(ipfix: bool) -> impl Strategy<Value = Field> {
        let enterprise = if ipfix { prop_oneof![Just(0), 1u32..100_000].boxed() } else { Just(0).boxed() };
        let length = if ipfix { prop_oneof![1u16..20, Just(VARIABLE)].boxed() } else { (1u16..20).boxed() };
        (enterprise, 1u16..500, length).prop_map(|(e, n, l)| Field { enterprise: e, element: n, length: l })
    }

    fn any_template() -> impl Strategy<Value = (bool, Template)> {
        any::<bool>().prop_flat_map(|ipfix| {
            (prop::collection::vec(any_field(ipfix), 1..12), 256u16..300, prop::option::of(1u16..3)).prop_map(
                move |(fields, id, scopes)| {
                    let kind = scopes.map_or(Kind::Data, |n| Kind::Options { scopes: n.min(fields.len() as u16) });
                    let mut template = Template::new(9, id, kind, fields);
                    template.ipfix = ipfix;
                    (ipfix, template)
                },
            )
        })
    }

    fn message(ipfix: bool) -> Message {
        if ipfix { Message::ipfix(9, 1, 2) } else { Message::v9(9, 1, 2, 3) }
    }

    fn record_of(template: &Template, seed: u8) -> Vec<u8> {
        let mut w = Writer::new();
        for field in &template.fields {
            match field.length {
                VARIABLE => variable(&mut w, &vec![seed; usize::from(seed)]),
                length => _ = w.put(&vec![seed; usize::from(length)]),
            }
        }
        w.finish()
    }

    proptest! {
        #[test]
        fn an_encoded_template_is_decoded_unchanged((ipfix, template) in any_template()) {
            let octets = message(ipfix).templates(&[&template]).finish();
            let Body::Sets(mut sets) = datagram::open(&octets).unwrap().body else { panic!("sets") };
            let Some(Ok(Set::Templates(mut records))) = sets.next() else { panic!("templates") };
            prop_assert_eq!(records.next(), Some(Ok(Record::Define(template))));
        }

        #[test]
        fn a_truncated_set_yields_exactly_its_complete_records(
            (ipfix, template) in any_template(), count in 1usize..6, cut in 0usize..600,
        ) {
            let records: Vec<_> = (0..count).map(|n| record_of(&template, n as u8 + 1)).collect();
            let octets = message(ipfix)
                .records(template.id, count, |w| _ = w.put(&records.concat()))
                .finish();
            let Body::Sets(mut sets) = datagram::open(&octets).unwrap().body else { panic!("sets") };
            let Some(Ok(Set::Data { body, .. })) = sets.next() else { panic!("data") };
            let body = &body[..cut.min(body.len())];
            let mut end = 0;
            let whole: Vec<_> = records.iter().take_while(|r| { end += r.len(); end <= body.len() }).collect();
            let found: Vec<_> = record::records(&template, body).filter_map(Result::ok).collect();
            prop_assert_eq!(found, whole);
        }
    }

    #[test]
    fn an_encoded_v5_datagram_is_decoded_unchanged() {
        let record = V5Record { packets: 7, ports: [1, 2], ..V5Record::default() };
        let octets = v5(5, 6, 7, 100, &[record, record]);
        let datagram = datagram::open(&octets).unwrap();
        assert_eq!((datagram.header.sequence, datagram.header.sampling_interval), (5, 100));
        let Body::Records(records) = datagram.body else { panic!("records") };
        assert_eq!(records.octets.len(), 96);
    }
}
