//! What rows show of a route's attributes.
//!
//! Texts are made and interned once for each attribute set, and kept with the numbers in the form of rows until the strings are
//! cleared, or another set takes their place.

use crate::patterns::Patterns;
use bgp::attribute::{AsPath, AttributeSet};
use flow::address::{self, Octets};
use flow::strings::Strings;
use rib::AttributesKey;
use std::fmt::Display;
use std::io::Write as _;
use wire::{Asn, Community, LargeCommunity};

/// How attributes are shown.
#[derive(Clone, Debug, Default)]
pub struct Shaping {
    /// `bgp_aspath_radius`: hops of a path that are shown.
    pub radius: Option<u32>,
    /// `bgp_stdcomm_pattern`.
    pub communities: Patterns,
    /// `bgp_extcomm_pattern`.
    pub extended: Patterns,
    /// `bgp_lrgcomm_pattern`.
    pub large: Patterns,
    /// `bgp_stdcomm_pattern_to_asn`.
    pub community_to_asn: Patterns,
    /// `bgp_lrgcomm_pattern_to_asn`.
    pub large_to_asn: Patterns,
    /// `bgp_peer_as_skip_subas`: the neighbour is the first AS outside of the confederation.
    pub skip_confederations: bool,
    /// `bgp_comms_num`: well-known communities are shown as numbers.
    pub numbers: bool,
}

/// A value of four octets that is shown of a route: a number in network byte order, or the id of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Path,
    Communities,
    Extended,
    Large,
    LocalPref,
    Med,
    /// The AS of the source or destination: the last of the path.
    Last,
    /// The neighbour: the first AS of the path.
    First,
}

impl Word {
    const COUNT: usize = 8;
}

/// The texts that rows need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Texts {
    path: bool,
    communities: bool,
    extended: bool,
    large: bool,
}

impl FromIterator<Word> for Texts {
    fn from_iter<I: IntoIterator<Item = Word>>(words: I) -> Self {
        let mut texts = Self::default();
        for word in words {
            match word {
                Word::Path => texts.path = true,
                Word::Communities => texts.communities = true,
                Word::Extended => texts.extended = true,
                Word::Large => texts.large = true,
                Word::LocalPref | Word::Med | Word::Last | Word::First => {}
            }
        }
        texts
    }
}

/// What is shown of the attributes of a route, in one cache line with the set that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub(crate) struct Shown {
    words: [[u8; 4]; Word::COUNT],
    pub(crate) next_hop: Octets,
    origin: u32,
    key: Option<AttributesKey>,
}

const _: () = assert!(size_of::<Shown>() == 64);

/// The AS that originated a route, for its validation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Our own: the path is empty.
    Local,
    /// This one.
    As(Asn),
    /// Unknown: the path ends with a set (RFC 6811 section 2).
    None,
}

impl Origin {
    pub(crate) fn of(path: AsPath<'_>) -> Self {
        if path.is_empty() { Self::Local } else { path.origin_asn().map_or(Self::None, Self::As) }
    }
}

impl Shown {
    /// What a row shows without a route.
    pub(crate) const NOTHING: Self =
        Self { words: [[0; 4]; Word::COUNT], next_hop: address::ABSENT, origin: 0, key: None };

    /// The AS that originated the route. Neither 0 nor 4294967295 is one (RFC 7607, RFC 7300).
    pub(crate) fn origin(&self) -> Origin {
        match self.origin {
            0 => Origin::Local,
            u32::MAX => Origin::None,
            asn => Origin::As(Asn(asn)),
        }
    }

    /// A value.
    #[inline]
    pub(crate) fn word(&self, word: Word) -> &[u8; 4] {
        self.words.get(word as usize).unwrap_or(&[0; 4])
    }

    fn set(&mut self, word: Word, value: u32) {
        if let Some(at) = self.words.get_mut(word as usize) {
            *at = value.to_be_bytes();
        }
    }

    /// Makes and interns the texts.
    fn new(
        (key, set): (AttributesKey, AttributeSet<'_>),
        shaping: &Shaping,
        texts: Texts,
        strings: &mut Strings,
        text: &mut Vec<u8>,
    ) -> Self {
        let path = set.as_path();
        let next_hop = set.next_hop().map_or(address::ABSENT, |next_hop| address::octets(next_hop.to_canonical()));
        let origin = match Origin::of(path) {
            Origin::Local => 0,
            Origin::As(asn) => asn.0,
            Origin::None => u32::MAX,
        };
        let mut shown = Self { next_hop, origin, key: Some(key), ..Self::NOTHING };
        let (mut last, mut first) = (
            path.last_asn().map_or(0, |asn| asn.0),
            path.first_asn(shaping.skip_confederations).map_or(0, |asn| asn.0),
        );
        if (last == 0 || first == 0)
            && let Some((peer, origin)) = shaping.asns(set)
        {
            last = if last == 0 { origin.0 } else { last };
            first = if first == 0 { peer.0 } else { first };
        }
        shown.set(Word::Last, last);
        shown.set(Word::First, first);
        shown.set(Word::LocalPref, set.local_pref().unwrap_or(0));
        shown.set(Word::Med, set.med().unwrap_or(0));
        if texts.path {
            text.clear();
            path.write(text, b' ');
            cut(text, shaping.radius);
            shown.set(Word::Path, strings.intern(text));
        }
        if texts.communities {
            let write = |community: &Community, text: &mut Vec<u8>| match shaping.numbers {
                true => write!(text, "{community:#}"),
                false => write!(text, "{community}"),
            };
            list(set.communities(), &shaping.communities, text, write);
            shown.set(Word::Communities, strings.intern(text));
        }
        if texts.extended {
            list(set.extended_communities(), &shaping.extended, text, |community, text| {
                write!(text, "{community}")
            });
            shown.set(Word::Extended, strings.intern(text));
        }
        if texts.large {
            list(set.large_communities(), &shaping.large, text, |community, text| write!(text, "{community}"));
            shown.set(Word::Large, strings.intern(text));
        }
        shown
    }
}

impl Shaping {
    /// Peer and origin AS by a community, for routes whose path does not tell.
    fn asns(&self, set: AttributeSet<'_>) -> Option<(Asn, Asn)> {
        let of_community = |community: Community| (Asn(community.asn().into()), Asn(community.value().into()));
        let of_large = |community: LargeCommunity| (community.global, Asn(community.local1));
        let by_community = self.community_to_asn.matching(set.communities()).next().map(of_community);
        by_community.or_else(|| self.large_to_asn.matching(set.large_communities()).next().map(of_large))
    }
}

/// Replaces a text by a list of communities, separated by blanks: all, or those that match a pattern.
fn list<C: Display + Clone>(
    communities: impl Iterator<Item = C> + Clone,
    patterns: &Patterns,
    text: &mut Vec<u8>,
    write: impl Fn(&C, &mut Vec<u8>) -> std::io::Result<()>,
) {
    text.clear();
    let mut add = |community: C| {
        if !text.is_empty() {
            text.push(b' ');
        }
        // Writing to memory does not fail.
        _ = write(&community, text);
    };
    match patterns.is_empty() {
        true => communities.for_each(add),
        false => patterns.matching(communities).for_each(&mut add),
    }
}

/// Cuts the text of a path after this many hops. A set is one hop. A confederation that is cut is closed.
fn cut(text: &mut Vec<u8>, radius: Option<u32>) {
    let Some(last) = radius.and_then(|radius| radius.checked_sub(1)) else { return };
    let mut blanks = text.iter().enumerate().filter(|(_, octet)| **octet == b' ');
    let Some((end, _)) = blanks.nth(last as usize) else { return };
    text.truncate(end);
    let last_of = |octet| text.iter().rposition(|other| *other == octet);
    if last_of(b'(') > last_of(b')') {
        text.push(b')');
    }
}

/// Entries that a cache starts with.
const FEW: usize = 1 << 10;

/// Entries that it may grow to: 16 MiB a worker. A full table of the Internet has some 200,000 sets.
const MAX_SHOWN: usize = 1 << 18;

/// What is shown of recent attribute sets, each at a place that follows from its serial number.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    shown: Vec<Shown>,
    /// Sets that took the place of another one, since the cache grew.
    displaced: usize,
    text: Vec<u8>,
}

impl Cache {
    /// Reads what is shown of sets, so that it is in the processor's cache when it is needed: these accesses to memory overlap, those
    /// between the writes to rows would not.
    pub(crate) fn prefetch(&self, keys: impl Iterator<Item = AttributesKey>) {
        let first = |key| self.shown.get(place(key, self.shown.len())).map_or(0, |shown| shown.origin);
        std::hint::black_box(keys.fold(0, |all, key| all ^ first(key)));
    }

    /// What is shown of a set, whose octets `octets` gives.
    #[inline]
    pub(crate) fn get<'a>(
        &mut self,
        key: AttributesKey,
        octets: impl FnOnce() -> &'a [u8],
        (shaping, texts): (&Shaping, Texts),
        strings: &mut Strings,
    ) -> &Shown {
        if self.shown.get(place(key, self.shown.len())).is_none_or(|shown| shown.key != Some(key)) {
            self.make((key, AttributeSet::new(octets())), (shaping, texts), strings);
        }
        self.shown.get(place(key, self.shown.len())).unwrap_or(&Shown::NOTHING)
    }

    #[cold]
    fn make(
        &mut self,
        set: (AttributesKey, AttributeSet<'_>),
        (shaping, texts): (&Shaping, Texts),
        strings: &mut Strings,
    ) {
        if self.shown.is_empty() || self.displaced > self.shown.len() / 4 {
            self.grow();
        }
        let shown = Shown::new(set, shaping, texts, strings, &mut self.text);
        self.displaced += usize::from(self.put(shown));
    }

    /// Puts a set at its place. True if that was taken.
    fn put(&mut self, shown: Shown) -> bool {
        let size = self.shown.len();
        let at = shown.key.and_then(|key| self.shown.get_mut(place(key, size)));
        at.is_some_and(|at| std::mem::replace(at, shown).key.is_some())
    }

    fn grow(&mut self) {
        self.displaced = 0;
        let size = (self.shown.len() * 2).clamp(FEW, MAX_SHOWN);
        if size == self.shown.len() {
            return;
        }
        for shown in std::mem::replace(&mut self.shown, vec![Shown::NOTHING; size]) {
            self.put(shown);
        }
    }

    /// The ids of texts are void.
    pub(crate) fn clear(&mut self) {
        self.shown.fill(Shown::NOTHING);
    }
}

/// The place of a set. Sets are numbered in their order, so that a full table collides little.
#[inline]
fn place(key: AttributesKey, size: usize) -> usize {
    key.serial as usize & size.wrapping_sub(1)
}
