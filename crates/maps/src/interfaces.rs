//! `pcap_interfaces_map`: the interfaces that pmacctd captures on.

use crate::key::others;
use crate::load::{self, Context, Entry};
use config::problem::{Diagnostics, Origin};

/// Which packets of an interface are captured, as seen by the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Incoming packets.
    In,
    /// Outgoing packets.
    Out,
}

/// An interface of the map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its number in flows.
    pub index: Option<u32>,
    /// Captured direction; both if `None`.
    pub direction: Option<Direction>,
}

impl Interface {
    /// True if both could capture the same packet.
    fn shares_packets(&self, other: &Self) -> bool {
        let has_opposite = matches!((self.direction, other.direction), (Some(one), Some(other)) if one != other);
        self.name == other.name && !has_opposite
    }
}

/// Reads a pcap_interfaces_map. Invalid lines are reported and ignored, as are lines whose packets an earlier line already captures:
/// an interface has one line, or one for each direction. `numbered`: each interface must have a number (`pcap_ifindex: map`).
pub fn parse(
    origin: &Origin,
    text: &[u8],
    context: &Context,
    numbered: bool,
    problems: &mut Diagnostics,
) -> Vec<Interface> {
    let mut accepted: Vec<Interface> = Vec::new();
    load::load(others::PCAP_INTERFACES, context, origin, text, problems, |entry, problems| {
        let interface = interface(&entry, numbered, problems)?;
        if accepted.iter().any(|other| other.shares_packets(&interface)) {
            let what = format!(
                "an earlier line already captures these packets of interface {}; use one line, or one with 'direction=in' and \
                 one with 'direction=out'.",
                interface.name
            );
            return entry.reject(what, problems);
        }
        accepted.push(interface);
        Some(())
    });
    accepted
}

fn interface(entry: &Entry, numbered: bool, problems: &mut Diagnostics) -> Option<Interface> {
    let Some(name) = entry.setting("ifname") else {
        return entry.reject("required key missing. Required keys are: 'ifname'.", problems);
    };
    let index = match entry.setting("ifindex") {
        Some(index) => Some(u32::try_from(index.decimal(problems)?).unwrap_or(u32::MAX)),
        None if numbered => {
            return entry.reject("required key missing. With 'pcap_ifindex: map' each needs 'ifindex'.", problems);
        }
        None => None,
    };
    let direction = match entry.setting("direction").map(|setting| setting.value.as_str()) {
        Some("in") => Some(Direction::In),
        Some(_) => Some(Direction::Out),
        None => None,
    };
    Some(Interface { name: name.value.clone(), index, direction })
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::Daemon;

    #[test]
    fn an_interface_needs_a_name_and_may_have_a_number_and_a_direction() {
        let text =
            b"ifname=eth0 ifindex=100 direction=in\nifindex=1\nifname=eth1 ifindex=0\nifname=eth2\nifname=eth0";
        let read = |numbered| {
            let mut problems = Diagnostics::new();
            let context = Context::new(Daemon::Pmacctd);
            let found = parse(&Origin::whole("i.map"), text, &context, numbered, &mut problems);
            (found, problems.iter().count())
        };
        let eth0 = Interface { name: "eth0".into(), index: Some(100), direction: Some(Direction::In) };
        let eth2 = Interface { name: "eth2".into(), index: None, direction: None };
        assert_eq!(read(false), (vec![eth0.clone(), eth2], 3));
        assert_eq!(read(true), (vec![eth0], 4));
    }

    #[test]
    fn an_interface_has_one_line_or_one_for_each_direction() {
        let read = |text: &str| {
            let mut problems = Diagnostics::new();
            let found = parse(
                &Origin::whole("i.map"),
                text.as_bytes(),
                &Context::new(Daemon::Pmacctd),
                false,
                &mut problems,
            );
            (found.into_iter().map(|interface| interface.direction).collect::<Vec<_>>(), problems.iter().count())
        };
        let (way_in, way_out) = (Some(Direction::In), Some(Direction::Out));
        assert_eq!(
            read("ifname=a direction=in\nifname=a direction=out\nifname=a direction=in"),
            (vec![way_in, way_out], 1)
        );
        assert_eq!(
            read("ifname=a ifindex=1 direction=out\nifname=a ifindex=2 direction=in"),
            (vec![way_out, way_in], 0)
        );
        assert_eq!(read("ifname=a\nifname=a direction=in\nifname=a"), (vec![None], 2));
        assert_eq!(read("ifname=a direction=in\nifname=a\nifname=a direction=out"), (vec![way_in, way_out], 1));
    }
}
