//! Locates the elements of a template, for both directions of bidirectional flows (RFC 5103).
//!
//! A bidirectional record is decoded twice. In the reverse direction, elements of source and destination are swapped, and
//! reverse elements replace the forward ones. So everything that is compiled from a template (fields, names, sampling,
//! presence bits, custom primitives) works for both directions, and a source field needs no destination field.

use super::sources;
use netflow::template::{self, Template};

/// The location of an element in a record: its position in the template, and in fixed-length records its offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Src {
    pub(crate) field: u16,
    pub(crate) at: u16,
    pub(crate) len: u16,
}

/// A direction of a flow (RFC 5103).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the source of the record to its destination.
    Forward,
    /// From its destination to its source.
    Reverse,
}

impl Direction {
    /// How its elements are located, in order of preference.
    const fn lookups(self) -> &'static [Lookup] {
        match self {
            Self::Forward => &[Lookup::Plain],
            Self::Reverse => &[Lookup::Reverse, Lookup::Swapped],
        }
    }
}

/// How an element is located.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lookup {
    /// The element itself.
    Plain,
    /// Its reverse element; for a reverse element the forward one.
    Reverse,
    /// Its counterpart of the other endpoint, if it has one.
    Swapped,
}

impl Lookup {
    /// Returns the elements that have the value, as enterprise and number, in order of preference. Number 0 is none.
    fn substitutes(self, enterprise: u32, element: u16) -> [(u32, u16); 2] {
        const NONE: (u32, u16) = (0, 0);
        match (self, enterprise) {
            (Self::Reverse, 0) => [(sources::REVERSE, element), NONE],
            (Self::Reverse, sources::REVERSE) => [(0, element), NONE],
            (Self::Swapped, 0) => sources::counterparts(element).map(|element| (0, element)),
            (Self::Swapped, sources::REVERSE) | (Self::Reverse, _) => [NONE; 2],
            (Self::Plain | Self::Swapped, _) => [(enterprise, element), NONE],
        }
    }
}

/// A sorted index of a template's elements, so that compiling a plan does not scan all fields for each element.
pub(crate) struct Index {
    /// Sorted by element, then in the order of the record.
    entries: Vec<Entry>,
    /// A bitmap by the low bits of element numbers. It rules out most elements that a plan looks up.
    prefilter: [u64; PREFILTER / 64],
}

#[derive(Clone, Copy)]
struct Entry {
    /// Enterprise and number.
    element: u64,
    src: Src,
}

/// Bits of the prefilter: more than the largest number of the registry.
const PREFILTER: usize = 1024;

fn key(enterprise: u32, element: u16) -> u64 {
    u64::from(enterprise) << 16 | u64::from(element)
}

/// Returns the word and bit of an element in the prefilter.
fn bit(element: u16) -> (usize, u64) {
    let bit = usize::from(element) % PREFILTER;
    (bit / 64, 1 << (bit % 64))
}

impl Index {
    pub(crate) fn new(template: &Template) -> Self {
        let scopes = template.scope_fields();
        let mut end = 0u16;
        let mut index =
            Self { entries: Vec::with_capacity(template.fields.len()), prefilter: [0; PREFILTER / 64] };
        for (number, field) in template.fields.iter().enumerate() {
            let at = end;
            // No datagram can contain a record in which a fixed-length field ends beyond 65,535 octets.
            let fits = match field.length {
                template::VARIABLE => true,
                length => {
                    end = at.saturating_add(length);
                    at.checked_add(length).is_some()
                }
            };
            // Scopes of NetFlow v9 options templates are not element numbers.
            let scope = template.has_v9_scopes() && number < scopes;
            if let (true, false, 1.., Ok(number)) = (fits, scope, field.length, u16::try_from(number)) {
                let element = key(field.enterprise, field.element);
                index.entries.push(Entry { element, src: Src { field: number, at, len: field.length } });
                let (word, bit) = bit(field.element);
                if let Some(word) = index.prefilter.get_mut(word) {
                    *word |= bit;
                }
            }
        }
        index.entries.sort_unstable_by_key(|entry| (entry.element, entry.src.field));
        index
    }

    /// Returns the occurrences of exactly this element.
    #[inline]
    fn find(&self, enterprise: u32, element: u16) -> Found<'_> {
        let (word, bit) = bit(element);
        if self.prefilter.get(word).is_some_and(|word| word & bit == 0) {
            return Found(&[]);
        }
        let key = key(enterprise, element);
        let first = self.entries.partition_point(|entry| entry.element < key);
        let found = self.entries.get(first..).unwrap_or_default();
        // Few elements occur more than once.
        let count = found.partition_point(|entry| entry.element == key);
        Found(found.get(..count).unwrap_or_default())
    }
}

/// The occurrences of an element, in the order of the record.
#[derive(Clone, Copy)]
pub(crate) struct Found<'a>(&'a [Entry]);

impl<'a> Found<'a> {
    pub(crate) const NONE: Found<'static> = Found(&[]);

    pub(crate) fn iter(self) -> impl DoubleEndedIterator<Item = Src> + 'a {
        self.0.iter().map(|entry| entry.src)
    }

    pub(crate) fn first(self) -> Option<Src> {
        self.0.first().map(|entry| entry.src)
    }

    pub(crate) fn last(self) -> Option<Src> {
        self.0.last().map(|entry| entry.src)
    }

    pub(crate) fn get(self, number: usize) -> Option<Src> {
        self.0.get(number).map(|entry| entry.src)
    }

    pub(crate) fn len(self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

/// The fields of a template, seen in one direction.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    pub(crate) template: &'a Template,
    pub(crate) index: &'a Index,
    pub(crate) direction: Direction,
}

impl<'a> Fields<'a> {
    /// Returns all occurrences of an element.
    pub(crate) fn all(&self, enterprise: u32, element: u16) -> Found<'a> {
        let found = |lookup: &Lookup| self.by(*lookup, enterprise, element);
        self.direction.lookups().iter().map(found).find(|found| !found.is_empty()).unwrap_or(Found::NONE)
    }

    /// Returns the first of `elements` that the template has.
    pub(crate) fn first(&self, elements: &[u16]) -> Option<Src> {
        self.first_on(self.direction, elements)
    }

    /// Returns the same for a given direction. Of several occurrences the last one counts: headers are listed in order of
    /// encapsulation, the outermost first (RFC 7011 section 8).
    pub(crate) fn first_on(&self, direction: Direction, elements: &[u16]) -> Option<Src> {
        let last = |lookup, element: &u16| self.by(lookup, 0, *element).last();
        direction.lookups().iter().find_map(|lookup| elements.iter().find_map(|element| last(*lookup, element)))
    }

    /// Returns all of `elements` that the template has, in order of preference, with their associated values.
    pub(crate) fn choices<T: Copy>(&self, elements: &[(u16, T)]) -> impl Iterator<Item = (Src, T)> {
        let last = |lookup, (element, with): &(u16, T)| Some((self.by(lookup, 0, *element).last()?, *with));
        let by = move |lookup: &Lookup| {
            let lookup = *lookup;
            elements.iter().filter_map(move |choice| last(lookup, choice))
        };
        self.direction.lookups().iter().flat_map(by)
    }

    #[inline]
    fn by(&self, lookup: Lookup, enterprise: u32, element: u16) -> Found<'a> {
        if lookup == Lookup::Plain {
            return self.index.find(enterprise, element);
        }
        let substitutes = lookup.substitutes(enterprise, element).into_iter().filter(|(_, element)| *element > 0);
        let mut found = substitutes.map(|(enterprise, element)| self.index.find(enterprise, element));
        found.find(|found| !found.is_empty()).unwrap_or(Found::NONE)
    }
}
