//! Writes what was found to rows.

use crate::shown::{Shown, Word};
use crate::spec::{PeerSource, Source, SourceAttribute, Spec};
use flow::address::{self, Octets};
use flow::field::Field;
use flow::row::{FieldSet, Layout};

/// The letter of a route that is not validated, and of no route.
pub(crate) const UNKNOWN: u8 = b'u';

/// What was found for one end of a flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome<'a> {
    /// What is shown of the route, and the length of its prefix; `None` without a route.
    pub(crate) route: Option<(&'a Shown, u8)>,
    /// The next hop in place of the route's.
    pub(crate) next_hop: Option<&'a Octets>,
    /// Validity of the route.
    pub(crate) roa: u8,
}

impl Outcome<'_> {
    /// There is no route.
    pub(crate) const NOTHING: Self = Self { route: None, next_hop: None, roa: UNKNOWN };
}

/// Fields of rows that get a word of what is shown of a route.
type Words = Vec<(usize, Word)>;

/// Where the outcome for one end of a flow goes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    ases: Source,
    nets: Source,
    /// The address of the end.
    pub(crate) host: usize,
    /// The prefix length of the record, and then of the route.
    mask: Option<usize>,
    /// With the AS numbers: from the route if it won. If it did not, nothing where routes are the only source, and the record's elsewhere.
    words: Words,
    /// From the route if it won, else nothing.
    of_route_only: Words,
    /// Emptied: their source is unavailable.
    emptied: Vec<usize>,
    /// From the route in any case, for maps.
    for_maps: Words,
    next_hop_for_maps: Option<usize>,
    roa: Option<usize>,
    /// The route is validated.
    judges: bool,
    net: Option<usize>,
    next_hop: Option<usize>,
}

/// Fields of the source that routes fill.
const OF_SOURCE: &[Field] = &[
    Field::SrcAs,
    Field::SrcAsPath,
    Field::SrcComms,
    Field::SrcEcomms,
    Field::SrcLcomms,
    Field::SrcLocalPref,
    Field::SrcMed,
    Field::SrcRoa,
    Field::PeerSrcAs,
    Field::SrcNet,
    Field::SrcMask,
    Field::SrcRouteNextHop,
    Field::SrcRoutePeerAs,
];

/// Fields of the destination that routes fill.
const OF_DESTINATION: &[Field] = &[
    Field::DstAs,
    Field::AsPath,
    Field::Comms,
    Field::Ecomms,
    Field::Lcomms,
    Field::LocalPref,
    Field::Med,
    Field::DstRoa,
    Field::PeerDstAs,
    Field::DstNet,
    Field::DstMask,
    Field::PeerDstIp,
];

/// Adds the fields that the outcome depends on, if any field that routes fill is needed: of the source and of the destination.
pub(crate) fn require(spec: &Spec, fields: &mut FieldSet) -> [bool; 2] {
    let ends = [(OF_SOURCE, Field::SrcHost, Field::SrcMask), (OF_DESTINATION, Field::DstHost, Field::DstMask)];
    ends.map(|(filled, host, mask)| {
        let is_needed = filled.iter().any(|field| fields.has(*field));
        if is_needed {
            fields.insert(host);
            if spec.ases == Source::Longest || spec.nets == Source::Longest {
                fields.insert(mask);
            }
        }
        is_needed
    })
}

impl Target {
    /// Where the outcome for the source goes; `None` if rows need nothing of it.
    pub(crate) fn source(spec: &Spec, layout: &Layout) -> Option<Self> {
        let attributes = &spec.source;
        let mut target = Self { host: layout.offset(Field::SrcHost)?, ..Self::default() };
        let place = |to: &mut Words, field, word| to.extend(layout.offset(field).map(|at| (at, word)));
        if spec.ases != Source::Other {
            place(&mut target.words, Field::SrcAs, Word::Last);
            for (wanted, field, word) in [
                (attributes.path, Field::SrcAsPath, Word::Path),
                (attributes.communities, Field::SrcComms, Word::Communities),
                (attributes.extended, Field::SrcEcomms, Word::Extended),
                (attributes.large, Field::SrcLcomms, Word::Large),
                (attributes.local_pref == SourceAttribute::Route, Field::SrcLocalPref, Word::LocalPref),
                (attributes.med == SourceAttribute::Route, Field::SrcMed, Word::Med),
            ] {
                if wanted {
                    place(&mut target.words, field, word);
                }
            }
        }
        match (attributes.peer, spec.ases) {
            (PeerSource::Map, _) => place(&mut target.for_maps, Field::PeerSrcAs, Word::First),
            (PeerSource::Record | PeerSource::Longest, Source::Other) => {}
            (PeerSource::Longest, _) => place(&mut target.words, Field::PeerSrcAs, Word::First),
            (PeerSource::Route, Source::Routes | Source::Longest) => {
                place(&mut target.of_route_only, Field::PeerSrcAs, Word::First);
            }
            (PeerSource::Route, Source::Other) | (PeerSource::Record, _) => {
                target.emptied.extend(layout.offset(Field::PeerSrcAs));
            }
        }
        if attributes.local_pref == SourceAttribute::Map {
            place(&mut target.for_maps, Field::SrcLocalPref, Word::LocalPref);
        }
        if attributes.med == SourceAttribute::Map {
            place(&mut target.for_maps, Field::SrcMed, Word::Med);
        }
        place(&mut target.for_maps, Field::SrcRoutePeerAs, Word::First);
        target.next_hop_for_maps = layout.offset(Field::SrcRouteNextHop);
        target.roa = layout.offset(Field::SrcRoa);
        target.judges = attributes.roa;
        target.with(spec, layout, [Field::SrcNet, Field::SrcMask], None)
    }

    /// Where the outcome for the destination goes; `None` if rows need nothing of it.
    pub(crate) fn destination(spec: &Spec, layout: &Layout) -> Option<Self> {
        let mut target = Self { host: layout.offset(Field::DstHost)?, ..Self::default() };
        if spec.ases != Source::Other {
            for (field, word) in [
                (Field::DstAs, Word::Last),
                (Field::PeerDstAs, Word::First),
                (Field::AsPath, Word::Path),
                (Field::Comms, Word::Communities),
                (Field::Ecomms, Word::Extended),
                (Field::Lcomms, Word::Large),
                (Field::LocalPref, Word::LocalPref),
                (Field::Med, Word::Med),
            ] {
                target.words.extend(layout.offset(field).map(|at| (at, word)));
            }
        }
        target.roa = layout.offset(Field::DstRoa);
        target.judges = true;
        target.with(spec, layout, [Field::DstNet, Field::DstMask], layout.offset(Field::PeerDstIp))
    }

    fn with(
        mut self,
        spec: &Spec,
        layout: &Layout,
        [net, mask]: [Field; 2],
        next_hop: Option<usize>,
    ) -> Option<Self> {
        (self.ases, self.nets, self.mask) = (spec.ases, spec.nets, layout.offset(mask));
        if spec.nets != Source::Other {
            (self.net, self.next_hop) = (layout.offset(net), next_hop);
        }
        let lists = [&self.words, &self.of_route_only, &self.for_maps];
        let fields = [self.net, self.next_hop, self.roa, self.next_hop_for_maps];
        let has_mask = self.nets != Source::Other && self.mask.is_some();
        let is_needed = lists.iter().any(|words| !words.is_empty())
            || fields.iter().any(Option::is_some)
            || !self.emptied.is_empty()
            || has_mask;
        is_needed.then_some(self)
    }

    /// The words of what is shown that rows need.
    pub(crate) fn needed(&self) -> impl Iterator<Item = Word> + '_ {
        let lists = [&self.words, &self.of_route_only, &self.for_maps];
        lists.into_iter().flatten().map(|(_, word)| *word)
    }

    /// True if the validity of routes is written.
    pub(crate) fn judges(&self) -> bool {
        self.judges && self.roa.is_some() && self.ases != Source::Other
    }

    /// True if next hops are written.
    pub(crate) fn has_next_hop(&self) -> bool {
        self.next_hop.is_some()
    }

    /// Writes an outcome to a row.
    #[inline]
    pub(crate) fn write(&self, row: &mut [u8], outcome: &Outcome<'_>) {
        let recorded = self.mask.and_then(|at| row.get(at)).copied().unwrap_or(0);
        let winner = |source| match source {
            Source::Other => None,
            Source::Routes => outcome.route,
            Source::Longest => outcome.route.filter(|(_, length)| *length >= recorded),
        };
        let by_as = winner(self.ases);
        if by_as.is_some() || self.ases == Source::Routes {
            put_words(row, &self.words, by_as);
        }
        put_words(row, &self.of_route_only, by_as);
        for at in &self.emptied {
            put(row, *at, &[0; 4]);
        }
        put_words(row, &self.for_maps, outcome.route);
        if let Some(at) = self.next_hop_for_maps {
            put(row, at, &outcome.route.map_or(address::ABSENT, |(shown, _)| shown.next_hop));
        }
        if let Some(at) = self.roa {
            put(row, at, &[if by_as.is_some() { outcome.roa } else { UNKNOWN }]);
        }
        let by_net = winner(self.nets);
        if by_net.is_some() || self.nets == Source::Routes {
            self.write_net(row, by_net, outcome.next_hop);
        }
    }

    fn write_net(&self, row: &mut [u8], route: Option<(&Shown, u8)>, next_hop: Option<&Octets>) {
        let length = route.map_or(0, |(_, length)| length);
        if let Some(at) = self.net {
            let host = row.get(self.host..).and_then(<[u8]>::first_chunk).copied().unwrap_or(address::ABSENT);
            put(row, at, &address::network(&host, length));
        }
        if let Some(at) = self.mask {
            put(row, at, &[length]);
        }
        if let Some(at) = self.next_hop {
            let of_route = route.map_or(address::ABSENT, |(shown, _)| shown.next_hop);
            put(row, at, next_hop.filter(|_| route.is_some()).unwrap_or(&of_route));
        }
    }
}

#[inline]
fn put_words(row: &mut [u8], words: &Words, route: Option<(&Shown, u8)>) {
    let shown = route.map_or(&Shown::NOTHING, |(shown, _)| shown);
    for (at, word) in words {
        put(row, *at, shown.word(*word));
    }
}

#[inline]
fn put(row: &mut [u8], at: usize, octets: &[u8]) {
    if let Some(to) = row.get_mut(at..at + octets.len()) {
        to.copy_from_slice(octets);
    }
}
