//! Options data: what exporters tell about themselves.
//!
//! A record is read into [`OptionsEntries`]: the values of the elements that mean something here, whether they stand
//! as scopes or as options. What follows from their combination (a sampler's rate, an interface's name) is told by
//! the methods.

use crate::elements as ie;
use crate::record;
use crate::template::Template;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Scope numbers of NetFlow v9 (RFC 3954 section 6.1).
mod v9_scope {
    pub(super) const SYSTEM: u16 = 1;
    pub(super) const INTERFACE: u16 = 2;
    pub(super) const TEMPLATE: u16 = 5;
}

/// The sampling that an options record announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// One packet in so many, at least 1.
    OneIn(u32),
    /// Nothing is sampled any more.
    Off,
    /// No rate follows from what the record says.
    Unusable,
}

/// What a record holds for, as far as its scope says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The whole exporter: the scope System of v9, or the exporting process (144) or its address (130, 131).
    exporter: bool,
    /// An observation domain (149).
    pub domain: Option<u32>,
    /// A template (145, or the scope of v9).
    pub template: Option<u64>,
}

impl Scope {
    /// The record holds for all domains of the exporter.
    pub fn is_whole_exporter(&self) -> bool {
        self.exporter && self.domain.is_none() && self.template.is_none()
    }
}

/// The way of packets through an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// Either one: the record does not say.
    #[default]
    Either,
    /// Into the exporter.
    In,
    /// Out of it.
    Out,
}

/// What one options record tells. Numbers are `None` where the record lacks the element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OptionsEntries<'a> {
    /// What they hold for.
    pub scope: Scope,
    /// Sampler (48).
    pub sampler: Option<u64>,
    /// Selector (302, or 390 for flow selection).
    pub selector: Option<u64>,
    /// Interval of sampling: one packet in so many (34, 50).
    interval: Option<u64>,
    /// Algorithm or mode of sampling (35, 49, 304); 0 is none.
    algorithm: Option<u64>,
    /// Packets taken in a row (305), and left out after them (306).
    taken_and_left: (Option<u64>, Option<u64>),
    /// Packets chosen (309) out of so many (310).
    size_and_population: (Option<u64>, Option<u64>),
    /// Interval by the probability of a packet to be chosen (311); 0 for what is no probability.
    by_probability: Option<u64>,
    /// Microseconds of which all packets are taken (307), or none (308).
    times: Option<u64>,
    /// Interface (10, 14, 252, 253, or the scope of v9).
    pub interface: Option<u64>,
    /// The way that the interface is named for.
    pub way: Way,
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

impl<'a> OptionsEntries<'a> {
    /// Reads a record of an options template.
    pub fn read(template: &Template, record: &'a [u8]) -> Self {
        let mut facts = Self::default();
        let (scopes, has_v9_scopes) = (template.scope_fields(), template.has_v9_scopes());
        for (at, (field, octets)) in record::fields(template, record).enumerate() {
            if octets.is_empty() || field.enterprise != 0 {
                continue;
            }
            let number = Some(record::number(octets));
            if at < scopes {
                facts.scope(field.element, number, has_v9_scopes);
            }
            // Scopes of v9 may also be numbered as elements are, by exporters that mix the two up.
            if !(at < scopes && has_v9_scopes && field.element <= v9_scope::TEMPLATE) {
                facts.element(field.element, octets, number);
            }
        }
        facts
    }

    fn scope(&mut self, element: u16, number: Option<u64>, is_v9: bool) {
        let scope = &mut self.scope;
        match element {
            // In IPFIX these are counters, which nothing is scoped by: who writes them means v9's scopes.
            v9_scope::SYSTEM => scope.exporter = true,
            v9_scope::INTERFACE => self.interface = number,
            v9_scope::TEMPLATE if is_v9 => scope.template = number,
            ie::EXPORTER_IPV4_ADDRESS | ie::EXPORTER_IPV6_ADDRESS | ie::EXPORTING_PROCESS_ID => {
                scope.exporter = true
            }
            ie::TEMPLATE_ID => scope.template = number,
            // Exporters that put no domain there mean their own.
            ie::OBSERVATION_DOMAIN_ID => {
                scope.domain = number.and_then(|domain| u32::try_from(domain).ok()).filter(|domain| *domain > 0)
            }
            _ => {}
        }
    }

    fn element(&mut self, element: u16, octets: &'a [u8], number: Option<u64>) {
        match element {
            ie::SAMPLER_ID => self.sampler = number,
            ie::SELECTOR_ID | ie::FLOW_SELECTOR_ALGORITHM => self.selector = number,
            ie::SAMPLING_INTERVAL | ie::SAMPLER_RANDOM_INTERVAL => self.interval = self.interval.max(number),
            ie::SAMPLING_ALGORITHM | ie::SAMPLER_MODE | ie::SELECTOR_ALGORITHM => {
                self.algorithm = self.algorithm.max(number)
            }
            ie::SAMPLING_PACKET_INTERVAL => self.taken_and_left.0 = number,
            ie::SAMPLING_PACKET_SPACE => self.taken_and_left.1 = number,
            ie::SAMPLING_SIZE => self.size_and_population.0 = number,
            ie::SAMPLING_POPULATION => self.size_and_population.1 = number,
            ie::SAMPLING_PROBABILITY => self.by_probability = Some(interval_of(octets).unwrap_or(0)),
            ie::SAMPLING_TIME_INTERVAL | ie::SAMPLING_TIME_SPACE => self.times = self.times.max(number),
            ie::INGRESS_INTERFACE | ie::INGRESS_PHYSICAL_INTERFACE => {
                (self.interface, self.way) = (number, Way::In)
            }
            ie::EGRESS_INTERFACE | ie::EGRESS_PHYSICAL_INTERFACE => {
                (self.interface, self.way) = (number, Way::Out)
            }
            ie::INTERFACE_NAME => self.interface_name = Some(text(octets)),
            ie::INTERFACE_DESCRIPTION => self.interface_description = Some(text(octets)),
            ie::APPLICATION_DESCRIPTION => self.application_description = Some(text(octets)),
            ie::APPLICATION_ID => self.application = Some(octets),
            ie::APPLICATION_NAME => self.application_name = Some(text(octets)),
            ie::INGRESS_VRF_ID | ie::EGRESS_VRF_ID => self.vrf = number,
            ie::VRF_NAME => self.vrf_name = Some(text(octets)),
            ie::MPLS_VPN_ROUTE_DISTINGUISHER => self.route_distinguisher = octets.try_into().ok(),
            ie::EXPORTER_IPV4_ADDRESS => {
                if let Ok(octets) = <[u8; 4]>::try_from(octets) {
                    self.set_exporter(IpAddr::V4(Ipv4Addr::from(octets)));
                }
            }
            ie::EXPORTER_IPV6_ADDRESS => {
                if let Ok(octets) = <[u8; 16]>::try_from(octets) {
                    self.set_exporter(IpAddr::V6(Ipv6Addr::from(octets)));
                }
            }
            ie::SYSTEM_INIT_TIME_MILLISECONDS => self.system_init_ms = number,
            ie::EXPORTED_OCTET_TOTAL_COUNT => self.exported.0 = number,
            ie::EXPORTED_MESSAGE_TOTAL_COUNT => self.exported.1 = number,
            ie::EXPORTED_FLOW_RECORD_TOTAL_COUNT => self.exported.2 = number,
            ie::IGNORED_PACKET_TOTAL_COUNT => self.ignored.0 = number,
            ie::IGNORED_OCTET_TOTAL_COUNT => self.ignored.1 = number,
            ie::NOT_SENT_FLOW_TOTAL_COUNT => self.not_sent.0 = number,
            ie::NOT_SENT_PACKET_TOTAL_COUNT => self.not_sent.1 = number,
            ie::NOT_SENT_OCTET_TOTAL_COUNT => self.not_sent.2 = number,
            _ => {}
        }
    }

    fn set_exporter(&mut self, address: IpAddr) {
        // Zeros are no address: the exporter has left the field empty.
        if !address.to_canonical().is_unspecified() {
            self.exporter = Some(address);
        }
    }

    /// The rate that the record announces, in whatever form; `None` when it is not about sampling. Reals are rounded.
    pub fn rate(&self) -> Option<Rate> {
        let (taken, left) = self.taken_and_left;
        let (size, population) = self.size_and_population;
        let said = [self.interval, taken, left, size, population, self.by_probability, self.times];
        if said.iter().all(Option::is_none) {
            return None;
        }
        let ratio = |all: u64, chosen: u64| match chosen {
            0 => 0,
            chosen => (all as f64 / chosen as f64).round() as u64,
        };
        let interval = match (self.interval, taken.zip(left), size.zip(population), self.by_probability) {
            (Some(interval @ 1..), ..) => interval,
            (_, Some((taken, left)), ..) => ratio(taken.saturating_add(left), taken),
            (_, _, Some((size, population)), _) if size <= population => ratio(population, size),
            (.., by_probability) => by_probability.unwrap_or(0),
        };
        if let (1.., Ok(interval)) = (interval, u32::try_from(interval)) {
            return Some(Rate::OneIn(interval));
        }
        // Zeros alone say that nothing is sampled, unless an algorithm is named beside them. In the forms of two
        // numbers the algorithm has to be there: taking nothing at all is no end of sampling.
        let is_off = said.iter().flatten().all(|number| *number == 0)
            && self.algorithm.map_or(self.interval.is_some(), |algorithm| algorithm == 0);
        Some(if is_off { Rate::Off } else { Rate::Unusable })
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
    use crate::template::{Field, Kind};

    fn template(elements: &[(u16, u16)]) -> Template {
        let field = |(element, length): &(u16, u16)| Field { enterprise: 0, element: *element, length: *length };
        Template::new(1, 256, Kind::Options { scopes: 1 }, elements.iter().map(field).collect())
    }

    #[test]
    fn an_interface_is_named() {
        let template = template(&[(10, 4), (82, 8)]);
        let facts = OptionsEntries::read(&template, b"\0\0\0\x07Eth1\0\0\0\0");
        assert_eq!((facts.interface, facts.interface_label()), (Some(7), Some(&b"Eth1"[..])));
    }

    #[test]
    fn sampling_is_told_in_several_forms() {
        let rate =
            |elements: &[(u16, u16)], record: &[u8]| OptionsEntries::read(&template(elements), record).rate();
        assert_eq!(rate(&[(48, 1), (50, 2)], &[1, 0, 100]), Some(Rate::OneIn(100)));
        assert_eq!(rate(&[(302, 1), (305, 1), (306, 2)], &[1, 1, 0, 99]), Some(Rate::OneIn(100)));
        assert_eq!(rate(&[(302, 1), (309, 1), (310, 2)], &[1, 1, 2, 0]), Some(Rate::OneIn(512)));
        assert_eq!(rate(&[(302, 1), (50, 1), (34, 2)], &[1, 0, 0, 100]), Some(Rate::OneIn(100)));
        assert_eq!(
            rate(&[(302, 1), (311, 8)], &[&[1][..], &0.001f64.to_be_bytes()].concat()),
            Some(Rate::OneIn(1000))
        );
        assert_eq!(
            rate(&[(302, 1), (311, 4)], &[&[1][..], &0.001f32.to_be_bytes()].concat()),
            Some(Rate::OneIn(1000))
        );
        assert_eq!(rate(&[(48, 1), (84, 2)], b"\x01ab"), None);
    }

    #[test]
    fn zeros_end_sampling_and_what_gives_no_rate_is_unusable() {
        let rate =
            |elements: &[(u16, u16)], record: &[u8]| OptionsEntries::read(&template(elements), record).rate();
        for off in [
            rate(&[(48, 1), (34, 2)], &[1, 0, 0]),
            rate(&[(48, 1), (49, 1), (50, 2)], &[1, 0, 0, 0]),
            rate(&[(149, 1), (35, 1), (34, 1)], &[1, 0, 0]),
            rate(&[(302, 1), (304, 1), (305, 1), (306, 1)], &[1, 0, 0, 0]),
        ] {
            assert_eq!(off, Some(Rate::Off));
        }
        for unusable in [
            rate(&[(48, 1), (49, 1), (50, 1)], &[1, 2, 0]),
            rate(&[(302, 1), (305, 1), (306, 1)], &[1, 0, 99]),
            rate(&[(302, 1), (305, 1), (306, 1)], &[1, 0, 0]),
            rate(&[(302, 1), (304, 1), (305, 1), (306, 1)], &[1, 1, 0, 0]),
            rate(&[(302, 1), (306, 2)], &[1, 0, 99]),
            rate(&[(302, 1), (305, 1)], &[1, 1]),
            rate(&[(302, 1), (309, 1), (310, 1)], &[1, 0, 99]),
            rate(&[(302, 1), (309, 1), (310, 1)], &[1, 9, 1]),
            rate(&[(302, 1), (311, 8)], &[1, 0x40, 0, 0, 0, 0, 0, 0, 0]),
            rate(&[(302, 1), (311, 8)], &[&[1][..], &1.5f64.to_be_bytes()].concat()),
            rate(&[(302, 1), (311, 4)], &[&[1][..], &f32::NAN.to_be_bytes()].concat()),
            rate(&[(302, 1), (307, 1), (308, 1)], &[1, 1, 9]),
            rate(&[(302, 1), (34, 8)], &[1, 0, 0, 0, 1, 0, 0, 0, 0]),
        ] {
            assert_eq!(unusable, Some(Rate::Unusable));
        }
    }

    #[test]
    fn the_scope_says_what_a_record_holds_for() {
        let scope = |ipfix, element| {
            let mut template = template(&[(element, 2), (34, 1)]);
            template.ipfix = ipfix;
            let facts = OptionsEntries::read(&template, &[0, 7, 10]);
            (facts.scope.is_whole_exporter(), facts.scope.domain, facts.scope.template, facts.interface)
        };
        assert_eq!(scope(false, v9_scope::SYSTEM), (true, None, None, None));
        assert_eq!(scope(false, v9_scope::INTERFACE), (false, None, None, Some(7)));
        assert_eq!(scope(false, v9_scope::TEMPLATE), (false, None, Some(7), None));
        assert_eq!(scope(true, 144), (true, None, None, None));
        assert_eq!(scope(true, 145), (false, None, Some(7), None));
        assert_eq!(scope(true, 149), (false, Some(7), None, None));
        assert_eq!(scope(true, 10), (false, None, None, Some(7)));
        assert_eq!(scope(true, 143), (false, None, None, None));
        // Numbers of v9 in IPFIX, as far as they can mean nothing else.
        assert_eq!(scope(true, v9_scope::SYSTEM), (true, None, None, None));
        assert_eq!(scope(true, v9_scope::INTERFACE), (false, None, None, Some(7)));
        assert_eq!(scope(true, v9_scope::TEMPLATE), (false, None, None, None));
    }

    #[test]
    fn an_exporter_address_of_zeros_is_none() {
        let exporter = |element, octets: &[u8]| {
            OptionsEntries::read(&template(&[(144, 1), (element, octets.len() as u16)]), &[&[0], octets].concat())
                .exporter
        };
        assert_eq!((exporter(130, &[0; 4]), exporter(131, &[0; 16])), (None, None));
        assert_eq!(exporter(130, &[192, 0, 2, 7]), Some([192, 0, 2, 7].into()));
    }
}
