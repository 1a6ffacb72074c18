//! Direction and interfaces of flows.
//!
//! A captured packet has no direction by itself. `nfprobe_direction` states it, for all flows or by a tag (1 is ingress, 2 is
//! egress), and `nfprobe_ifindex` the interface, which is the input interface of ingress flows and the output interface of
//! egress flows. The capture may know the interfaces as well (`pcap_ifindex`); these win, unless `nfprobe_ifindex_override` is set.

use crate::number;
use flow::column::Id;
use flow::schema::{At, Schema};

/// One of the two tags of `pre_tag_map`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// `tag`.
    First,
    /// `tag2`.
    Second,
}

/// `nfprobe_direction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// All flows are ingress.
    In,
    /// All flows are egress.
    Out,
    /// A tag of 1 is ingress, one of 2 egress; others have no direction.
    By(Tag),
}

/// `nfprobe_ifindex`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ifindex {
    /// The same for all flows.
    Fixed(u32),
    /// The value of a tag.
    By(Tag),
}

/// How direction and interfaces are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `nfprobe_direction`.
    pub direction: Option<Direction>,
    /// `nfprobe_ifindex`.
    pub ifindex: Option<Ifindex>,
    /// `nfprobe_ifindex_override`.
    pub overrides: bool,
}

impl Settings {
    /// Whether direction or interfaces come from a column: a tag.
    pub(crate) fn uses(&self, id: Id) -> bool {
        let by = |tag| self.direction == Some(Direction::By(tag)) || self.ifindex == Some(Ifindex::By(tag));
        match id {
            Id::Tag => by(Tag::First),
            Id::Tag2 => by(Tag::Second),
            _ => false,
        }
    }
}

/// Direction and interfaces of one flow. 0 is an unknown interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// Input interface.
    pub input: u32,
    /// Output interface.
    pub output: u32,
    /// The flow is known to be an egress flow.
    pub is_egress: bool,
}

/// Finds direction and interfaces in the octets of a key or row.
#[derive(Clone, Copy, Debug)]
pub struct Finder {
    settings: Settings,
    tags: [Option<usize>; 2],
    input: Option<usize>,
    output: Option<usize>,
}

impl Finder {
    /// For keys of a schema.
    pub fn of_keys(settings: Settings, schema: &Schema) -> Self {
        let at = |id: Id| match schema.column(id)?.at {
            At::Key(at) => Some(at),
            _ => None,
        };
        Self::new(settings, at)
    }

    /// For rows of the layout that a schema was made for.
    pub fn of_rows(settings: Settings, schema: &Schema) -> Self {
        Self::new(settings, |id| schema.row_offset(schema.column(id)?))
    }

    fn new(settings: Settings, at: impl Fn(Id) -> Option<usize>) -> Self {
        Self { settings, tags: [at(Id::Tag), at(Id::Tag2)], input: at(Id::IfaceIn), output: at(Id::IfaceOut) }
    }

    /// Direction and interfaces of one flow.
    #[inline]
    pub fn find(&self, octets: &[u8]) -> Interfaces {
        let read = |at: Option<usize>, size| at.map_or(0, |at| number(octets, at, size));
        let tag = |tag| match tag {
            Tag::First => read(self.tags[0], 8),
            Tag::Second => read(self.tags[1], 8),
        };
        let direction = match self.settings.direction {
            None => 0,
            Some(Direction::In) => 1,
            Some(Direction::Out) => 2,
            Some(Direction::By(by)) => tag(by),
        };
        let configured = match self.settings.ifindex {
            None => 0,
            Some(Ifindex::Fixed(index)) => index,
            Some(Ifindex::By(by)) => u32::try_from(tag(by)).unwrap_or(0),
        };
        let choose = |captured: u64, is_side: bool| match captured as u32 {
            captured if !is_side || configured == 0 => captured,
            captured if captured != 0 && !self.settings.overrides => captured,
            _ => configured,
        };
        Interfaces {
            input: choose(read(self.input, 4), direction == 1),
            output: choose(read(self.output, 4), direction == 2),
            is_egress: direction == 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finds the interfaces of a key: tag, tag2, input, output.
    fn find(settings: Settings, key: (u64, u64, u32, u32)) -> (u32, u32, bool) {
        let finder = Finder { settings, tags: [Some(0), Some(8)], input: Some(16), output: Some(20) };
        let octets = [&key.0.to_be_bytes()[..], &key.1.to_be_bytes(), &key.2.to_be_bytes(), &key.3.to_be_bytes()];
        let Interfaces { input, output, is_egress } = finder.find(&octets.concat());
        (input, output, is_egress)
    }

    #[test]
    fn the_side_of_the_direction_gets_the_configured_interface() {
        let ifindex = Some(Ifindex::Fixed(12));
        let settings = |direction| Settings { direction, ifindex, overrides: false };
        assert_eq!(find(settings(None), (0, 0, 0, 0)), (0, 0, false));
        assert_eq!(find(settings(Some(Direction::In)), (0, 0, 0, 0)), (12, 0, false));
        assert_eq!(find(settings(Some(Direction::Out)), (0, 0, 0, 0)), (0, 12, true));
        assert_eq!(find(settings(Some(Direction::In)), (0, 0, 3, 4)), (3, 4, false));
        let overriding = Settings { overrides: true, ..settings(Some(Direction::In)) };
        assert_eq!(find(overriding, (0, 0, 3, 4)), (12, 4, false));
    }

    #[test]
    fn tags_choose_direction_and_interface() {
        let settings = Settings {
            direction: Some(Direction::By(Tag::First)),
            ifindex: Some(Ifindex::By(Tag::Second)),
            overrides: false,
        };
        assert_eq!(find(settings, (1, 33, 0, 0)), (33, 0, false));
        assert_eq!(find(settings, (2, 33, 0, 0)), (0, 33, true));
        assert_eq!(find(settings, (0, 33, 0, 0)), (0, 0, false));
        assert_eq!(find(settings, (3, 33, 5, 6)), (5, 6, false));
    }
}
