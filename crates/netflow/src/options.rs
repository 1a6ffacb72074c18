//! Options data: what exporters report about themselves.
//!
//! [`OptionsRecord`] has the values of all elements that are used here, whether they occur as scopes or as options. Its
//! methods combine them, such as to a sampling rate or the name of an interface.

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
    /// One packet in this many, at least 1.
    OneIn(u32),
    /// Sampling has ended.
    Off,
    /// The record contains no usable rate.
    Unusable,
}

/// What a record applies to, according to its scope.
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
    /// Returns true if the record applies to all domains of the exporter.
    pub fn is_whole_exporter(&self) -> bool {
        self.exporter && self.domain.is_none() && self.template.is_none()
    }
}

/// The direction of packets through an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Either one: the record does not specify it.
    #[default]
    Either,
    /// Ingress.
    In,
    /// Egress.
    Out,
}

/// One decoded options record. Values are `None` if the record lacks the element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OptionsRecord<'a> {
    /// What the record applies to.
    pub scope: Scope,
    /// Sampler (48).
    pub sampler: Option<u64>,
    /// Selector (302, or 390 for flow selection).
    pub selector: Option<u64>,
    /// Sampling interval: one packet in this many (34, 50).
    interval: Option<u64>,
    /// Sampling algorithm or mode (35, 49, 304); 0 is none.
    algorithm: Option<u64>,
    /// Consecutive packets that are sampled (305), and that are then skipped (306).
    interval_and_space: (Option<u64>, Option<u64>),
    /// Packets sampled (309) out of this many (310).
    size_and_population: (Option<u64>, Option<u64>),
    /// Interval that corresponds to the sampling probability (311); 0 if that is invalid.
    interval_from_probability: Option<u64>,
    /// Time-based sampling: microseconds in which all packets are sampled (307), or none (308).
    times: Option<u64>,
    /// Interface (10, 14, 252, 253, or the scope of v9).
    pub interface: Option<u64>,
    /// The direction that the interface is given for.
    pub direction: Direction,
    /// Name of the interface (82), or its description (83).
    pub interface_name: Option<&'a [u8]>,
    interface_description: Option<&'a [u8]>,
    /// Application id (95), undecoded.
    pub application: Option<&'a [u8]>,
    /// Name of the application (96), or its description (94).
    pub application_name: Option<&'a [u8]>,
    application_description: Option<&'a [u8]>,
    /// VRF ids (234, 235), which name one VRF.
    pub vrfs: [Option<u64>; 2],
    /// Name of the VRF (236).
    pub vrf_name: Option<&'a [u8]>,
    /// Route distinguisher (90).
    pub route_distinguisher: Option<[u8; 8]>,
    /// The exporter's own address (130, 131).
    pub exporter: Option<IpAddr>,
    /// Start time of the exporter: milliseconds since 1970 (160).
    pub system_init_ms: Option<u64>,
    /// Octets, messages and flow records that the exporter has sent (40, 41, 42).
    pub exported: (Option<u64>, Option<u64>, Option<u64>),
    /// Flows, packets and octets that it could not send (166, 167, 168).
    pub not_sent: (Option<u64>, Option<u64>, Option<u64>),
    /// Packets and octets that it did not process (164, 165).
    pub ignored: (Option<u64>, Option<u64>),
}

impl<'a> OptionsRecord<'a> {
    /// Decodes a record of an options template.
    pub fn read(template: &Template, record: &'a [u8]) -> Self {
        let mut options = Self::default();
        let (scopes, has_v9_scopes) = (template.scope_fields(), template.has_v9_scopes());
        for (at, (field, octets)) in record::fields(template, record).enumerate() {
            if octets.is_empty() || field.enterprise != 0 {
                continue;
            }
            let number = Some(record::number(octets));
            if at < scopes {
                options.scope(field.element, number, has_v9_scopes);
            }
            // Some exporters also use element numbers for v9 scopes.
            if !(at < scopes && has_v9_scopes && field.element <= v9_scope::TEMPLATE) {
                options.element(field.element, octets, number);
            }
        }
        options
    }

    /// What its sampling rate applies to: sampler, selector, interface (with the direction in the highest bits) and template.
    pub fn rate_scope(&self) -> [Option<u64>; 4] {
        let direction = match self.direction {
            Direction::Either => 0,
            Direction::In => 1,
            Direction::Out => 2,
        };
        let interface = self.interface.map(|interface| direction << 62 | interface);
        [self.sampler, self.selector, interface, self.scope.template]
    }

    fn scope(&mut self, element: u16, number: Option<u64>, is_v9: bool) {
        let scope = &mut self.scope;
        match element {
            // In IPFIX these numbers are counters, which cannot be scopes: such exporters mean the v9 scopes.
            v9_scope::SYSTEM => scope.exporter = true,
            v9_scope::INTERFACE => self.interface = number,
            v9_scope::TEMPLATE if is_v9 => scope.template = number,
            ie::EXPORTER_IPV4_ADDRESS | ie::EXPORTER_IPV6_ADDRESS | ie::EXPORTING_PROCESS_ID => {
                scope.exporter = true
            }
            ie::TEMPLATE_ID => scope.template = number,
            // Exporters that send 0 mean the domain of the message.
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
            ie::SAMPLING_PACKET_INTERVAL => self.interval_and_space.0 = number,
            ie::SAMPLING_PACKET_SPACE => self.interval_and_space.1 = number,
            ie::SAMPLING_SIZE => self.size_and_population.0 = number,
            ie::SAMPLING_POPULATION => self.size_and_population.1 = number,
            ie::SAMPLING_PROBABILITY => {
                self.interval_from_probability = Some(interval_of_probability(octets).unwrap_or(0))
            }
            ie::SAMPLING_TIME_INTERVAL | ie::SAMPLING_TIME_SPACE => self.times = self.times.max(number),
            ie::INGRESS_INTERFACE | ie::INGRESS_PHYSICAL_INTERFACE => {
                (self.interface, self.direction) = (number, Direction::In)
            }
            ie::EGRESS_INTERFACE | ie::EGRESS_PHYSICAL_INTERFACE => {
                (self.interface, self.direction) = (number, Direction::Out)
            }
            ie::INTERFACE_NAME => self.interface_name = Some(text(octets)),
            ie::INTERFACE_DESCRIPTION => self.interface_description = Some(text(octets)),
            ie::APPLICATION_DESCRIPTION => self.application_description = Some(text(octets)),
            ie::APPLICATION_ID => self.application = Some(octets),
            ie::APPLICATION_NAME => self.application_name = Some(text(octets)),
            ie::INGRESS_VRF_ID => self.vrfs = [number, self.vrfs[1]],
            ie::EGRESS_VRF_ID => self.vrfs = [self.vrfs[0], number],
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
        // A zero address is an empty field.
        if !address.to_canonical().is_unspecified() {
            self.exporter = Some(address);
        }
    }

    /// Returns the sampling rate that the record announces in any of the known forms, rounded; `None` if it has none of them.
    pub fn rate(&self) -> Option<Rate> {
        let (sampled, skipped) = self.interval_and_space;
        let (size, population) = self.size_and_population;
        let values =
            [self.interval, sampled, skipped, size, population, self.interval_from_probability, self.times];
        if values.iter().all(Option::is_none) {
            return None;
        }
        let ratio = |all: u64, chosen: u64| match chosen {
            0 => 0,
            chosen => (all as f64 / chosen as f64).round() as u64,
        };
        let interval =
            match (self.interval, sampled.zip(skipped), size.zip(population), self.interval_from_probability) {
                (Some(interval @ 1..), ..) => interval,
                (_, Some((sampled, skipped)), ..) => ratio(sampled.saturating_add(skipped), sampled),
                (_, _, Some((size, population)), _) if size <= population => ratio(population, size),
                (.., interval_from_probability) => interval_from_probability.unwrap_or(0),
            };
        if let (1.., Ok(interval)) = (interval, u32::try_from(interval)) {
            return Some(Rate::OneIn(interval));
        }
        // All zeros mean that sampling has ended, unless an algorithm is given. The forms with two numbers need the
        // algorithm (0): a ratio of zeros alone does not mean the end of sampling.
        let is_off = values.iter().flatten().all(|number| *number == 0)
            && self.algorithm.map_or(self.interval.is_some(), |algorithm| algorithm == 0);
        Some(if is_off { Rate::Off } else { Rate::Unusable })
    }

    /// Returns the name of the interface, or else its description.
    pub fn interface_label(&self) -> Option<&'a [u8]> {
        self.interface_name.or(self.interface_description)
    }

    /// Returns the name of the application, or else its description.
    pub fn application_label(&self) -> Option<&'a [u8]> {
        self.application_name.or(self.application_description)
    }
}

/// Converts a sampling probability (element 311) to an interval, rounded. The probability is a floating-point number of
/// eight octets, or four (RFC 7011 section 6.2). Returns `None` unless it is above 0 and at most 1.
pub fn interval_of_probability(probability: &[u8]) -> Option<u64> {
    let probability = match probability.len() {
        4 => f64::from(f32::from_bits(u32::try_from(record::number(probability)).ok()?)),
        8 => f64::from_bits(record::number(probability)),
        _ => return None,
    };
    (probability > 0.0 && probability <= 1.0).then(|| (1.0 / probability).round() as u64)
}

/// Strips the NUL padding of a text.
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
    fn an_interface_has_a_name() {
        let template = template(&[(10, 4), (82, 8)]);
        let options = OptionsRecord::read(&template, b"\0\0\0\x07Eth1\0\0\0\0");
        assert_eq!((options.interface, options.interface_label()), (Some(7), Some(&b"Eth1"[..])));
    }

    #[test]
    fn a_rate_is_decoded_from_several_forms() {
        let rate =
            |elements: &[(u16, u16)], record: &[u8]| OptionsRecord::read(&template(elements), record).rate();
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
    fn zeros_end_sampling_and_invalid_rates_are_unusable() {
        let rate =
            |elements: &[(u16, u16)], record: &[u8]| OptionsRecord::read(&template(elements), record).rate();
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
    fn the_scope_says_what_a_record_applies_to() {
        let scope = |ipfix, element| {
            let mut template = template(&[(element, 2), (34, 1)]);
            template.ipfix = ipfix;
            let options = OptionsRecord::read(&template, &[0, 7, 10]);
            (options.scope.is_whole_exporter(), options.scope.domain, options.scope.template, options.interface)
        };
        assert_eq!(scope(false, v9_scope::SYSTEM), (true, None, None, None));
        assert_eq!(scope(false, v9_scope::INTERFACE), (false, None, None, Some(7)));
        assert_eq!(scope(false, v9_scope::TEMPLATE), (false, None, Some(7), None));
        assert_eq!(scope(true, 144), (true, None, None, None));
        assert_eq!(scope(true, 145), (false, None, Some(7), None));
        assert_eq!(scope(true, 149), (false, Some(7), None, None));
        assert_eq!(scope(true, 10), (false, None, None, Some(7)));
        assert_eq!(scope(true, 143), (false, None, None, None));
        // v9 scope numbers in IPFIX, if they cannot mean anything else.
        assert_eq!(scope(true, v9_scope::SYSTEM), (true, None, None, None));
        assert_eq!(scope(true, v9_scope::INTERFACE), (false, None, None, Some(7)));
        assert_eq!(scope(true, v9_scope::TEMPLATE), (false, None, None, None));
    }

    #[test]
    fn a_zero_exporter_address_is_absent() {
        let exporter = |element, octets: &[u8]| {
            OptionsRecord::read(&template(&[(144, 1), (element, octets.len() as u16)]), &[&[0], octets].concat())
                .exporter
        };
        assert_eq!((exporter(130, &[0; 4]), exporter(131, &[0; 16])), (None, None));
        assert_eq!(exporter(130, &[192, 0, 2, 7]), Some([192, 0, 2, 7].into()));
    }
}
