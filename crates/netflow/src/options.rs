//! Options data: what exporters tell about themselves.
//!
//! A record is read into [`Facts`]: the values of the elements that mean something here, whether they stand
//! as scopes or as options. What follows from their combination (a sampler's rate, an interface's name) is told by
//! the methods.

use crate::record;
use crate::template::{Kind, Template};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Scope numbers of NetFlow v9 (RFC 3954 section 6.1).
mod v9_scope {
    pub(super) const INTERFACE: u16 = 2;
}

/// What one options record tells. Numbers are `None` where the record lacks the element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts<'a> {
    /// Sampler (48).
    pub sampler: Option<u64>,
    /// Selector (302, or 390 for flow selection).
    pub selector: Option<u64>,
    /// Interval of sampling: one packet in so many (34, 50).
    interval: Option<u64>,
    /// Packets taken in a row (305), and left out after them (306).
    taken_and_left: (Option<u64>, Option<u64>),
    /// Packets chosen (309) out of so many (310).
    size_and_population: (Option<u64>, Option<u64>),
    /// Interval by the probability of a packet to be chosen (311).
    by_probability: Option<u64>,
    /// Interface (10, 14, 252, 253, or the scope of v9).
    pub interface: Option<u64>,
    /// Name of the interface (82), or its description (83).
    pub interface_name: Option<&'a [u8]>,
    interface_description: Option<&'a [u8]>,
    /// Application id (95), as its octets.
    pub application: Option<&'a [u8]>,
    /// Name of the application (96), or its description (94).
    pub application_name: Option<&'a [u8]>,
    application_description: Option<&'a [u8]>,
    /// VRF id (234, 235).
    pub vrf: Option<u64>,
    /// Name of the VRF (236).
    pub vrf_name: Option<&'a [u8]>,
    /// Route distinguisher (90).
    pub route_distinguisher: Option<[u8; 8]>,
    /// The exporter's own address (130, 131).
    pub exporter: Option<IpAddr>,
    /// When the exporter started: milliseconds since 1970 (160).
    pub system_init_ms: Option<u64>,
    /// Octets, messages and flows that the exporter has sent (40, 41, 42).
    pub exported: (Option<u64>, Option<u64>, Option<u64>),
    /// Flows, packets and octets that it could not send (166, 167, 168).
    pub not_sent: (Option<u64>, Option<u64>, Option<u64>),
    /// Packets and octets that it did not meter (164, 165).
    pub ignored: (Option<u64>, Option<u64>),
}

impl<'a> Facts<'a> {
    /// Reads a record of an options template.
    pub fn read(template: &Template, record: &'a [u8]) -> Self {
        let mut facts = Self::default();
        let scopes = match template.kind {
            Kind::Options { .. } if template.has_v9_scopes() => template.scope_fields(),
            _ => 0,
        };
        for (at, (field, octets)) in record::fields(template, record).enumerate() {
            if octets.is_empty() || field.enterprise != 0 {
                continue;
            }
            let number = Some(record::number(octets));
            if at < scopes {
                // Scopes of v9 may also be numbered as elements are, by exporters that mix the two up.
                match field.element {
                    v9_scope::INTERFACE => facts.interface = number,
                    0..=5 => {}
                    element => facts.element(element, octets, number),
                }
            } else {
                facts.element(field.element, octets, number);
            }
        }
        facts
    }

    fn element(&mut self, element: u16, octets: &'a [u8], number: Option<u64>) {
        match element {
            48 => self.sampler = number,
            302 | 390 => self.selector = number,
            34 | 50 => self.interval = number.filter(|interval| *interval > 0).or(self.interval),
            305 => self.taken_and_left.0 = number,
            306 => self.taken_and_left.1 = number,
            309 => self.size_and_population.0 = number,
            310 => self.size_and_population.1 = number,
            311 => self.by_probability = interval_of(octets),
            10 | 14 | 252 | 253 => self.interface = number,
            82 => self.interface_name = Some(text(octets)),
            83 => self.interface_description = Some(text(octets)),
            94 => self.application_description = Some(text(octets)),
            95 => self.application = Some(octets),
            96 => self.application_name = Some(text(octets)),
            234 | 235 => self.vrf = number,
            236 => self.vrf_name = Some(text(octets)),
            90 => self.route_distinguisher = octets.try_into().ok(),
            130 => {
                if let Ok(octets) = <[u8; 4]>::try_from(octets) {
                    self.exporter = Some(IpAddr::V4(Ipv4Addr::from(octets)));
                }
            }
            131 => {
                if let Ok(octets) = <[u8; 16]>::try_from(octets) {
                    self.exporter = Some(IpAddr::V6(Ipv6Addr::from(octets)));
                }
            }
            160 => self.system_init_ms = number,
            40 => self.exported.0 = number,
            41 => self.exported.1 = number,
            42 => self.exported.2 = number,
            164 => self.ignored.0 = number,
            165 => self.ignored.1 = number,
            166 => self.not_sent.0 = number,
            167 => self.not_sent.1 = number,
            168 => self.not_sent.2 = number,
            _ => {}
        }
    }

    /// The sampling interval that the record tells, in whatever form: one packet in so many, at least 1.
    /// Reals are rounded.
    pub fn sampling_interval(&self) -> Option<u32> {
        let ratio = |all: u64, chosen: u64| match chosen {
            0 => None,
            chosen => Some((all as f64 / chosen as f64).round() as u64),
        };
        let interval = match (self.taken_and_left, self.size_and_population, self.by_probability) {
            _ if self.interval.is_some() => self.interval,
            ((Some(taken), Some(left)), _, _) => ratio(taken.saturating_add(left), taken),
            (_, (Some(size), Some(population)), _) => ratio(population, size),
            (_, _, by_probability) => by_probability,
        };
        interval.filter(|interval| *interval > 0).and_then(|interval| u32::try_from(interval).ok())
    }

    /// The name of the interface, else its description.
    pub fn interface_label(&self) -> Option<&'a [u8]> {
        self.interface_name.or(self.interface_description)
    }

    /// The name of the application, else its description.
    pub fn application_label(&self) -> Option<&'a [u8]> {
        self.application_name.or(self.application_description)
    }
}

/// The interval that a probability (element 311) stands for: a real number of eight octets, or four (RFC 7011 section 6.2). It is
/// rounded; `None` for what is no probability above 0.
pub fn interval_of(probability: &[u8]) -> Option<u64> {
    let probability = match probability.len() {
        4 => f64::from(f32::from_bits(u32::try_from(record::number(probability)).ok()?)),
        8 => f64::from_bits(record::number(probability)),
        _ => return None,
    };
    (probability > 0.0 && probability <= 1.0).then(|| (1.0 / probability).round() as u64)
}

/// Text up to the NULs that pad it.
fn text(octets: &[u8]) -> &[u8] {
    octets.split(|octet| *octet == 0).next().unwrap_or(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Field;

    fn template(elements: &[(u16, u16)]) -> Template {
        let field = |(element, length): &(u16, u16)| Field { enterprise: 0, element: *element, length: *length };
        Template::new(1, 256, Kind::Options { scopes: 1 }, elements.iter().map(field).collect())
    }

    #[test]
    fn an_interface_is_named() {
        let template = template(&[(10, 4), (82, 8)]);
        let facts = Facts::read(&template, b"\0\0\0\x07Eth1\0\0\0\0");
        assert_eq!((facts.interface, facts.interface_label()), (Some(7), Some(&b"Eth1"[..])));
    }

    #[test]
    fn sampling_is_told_in_several_forms() {
        let interval =
            |elements: &[(u16, u16)], record: &[u8]| Facts::read(&template(elements), record).sampling_interval();
        assert_eq!(interval(&[(48, 1), (50, 2)], &[1, 0, 100]), Some(100));
        assert_eq!(interval(&[(302, 1), (305, 1), (306, 2)], &[1, 1, 0, 99]), Some(100));
        assert_eq!(interval(&[(302, 1), (309, 1), (310, 2)], &[1, 1, 2, 0]), Some(512));
        assert_eq!(interval(&[(302, 1), (311, 8)], &[&[1][..], &0.001f64.to_be_bytes()].concat()), Some(1000));
        assert_eq!(interval(&[(302, 1), (311, 4)], &[&[1][..], &0.001f32.to_be_bytes()].concat()), Some(1000));
        for none in [0.0, -0.5, 1.5, f64::NAN, f64::INFINITY] {
            assert_eq!(interval(&[(302, 1), (311, 8)], &[&[1][..], &none.to_be_bytes()].concat()), None, "{none}");
        }
        assert_eq!(interval(&[(48, 1), (34, 2)], &[1, 0, 0]), None);
        assert_eq!(interval(&[(302, 1), (306, 2)], &[1, 0, 99]), None);
    }
}
