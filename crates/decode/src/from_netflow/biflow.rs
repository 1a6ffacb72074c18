//! Where the records of a template keep an element, for either way of a connection.
//!
//! A record that counts both ways is read twice. On the way back the elements of the two ends stand for each other, and reverse
//! elements (RFC 5103) stand for the plain ones. So whatever is compiled from a template (fields, names, sampling, facts, custom
//! primitives) holds for both ways, and a field of one end needs no field of the other.

use super::sources;
use netflow::template::{self, Template};

/// Where an element lies in a record: by its number in the template, and in fixed records by its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Src {
    pub(crate) field: u16,
    pub(crate) at: u16,
    pub(crate) len: u16,
}

/// A way of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the source to the destination that the record names.
    Forward,
    /// From that destination to that source.
    Reverse,
}

impl Direction {
    /// How its elements are looked for, the best first.
    const fn lookups(self) -> &'static [Lookup] {
        match self {
            Self::Forward => &[Lookup::Plain],
            Self::Reverse => &[Lookup::Reverse, Lookup::Swapped],
        }
    }
}

/// One way to look for an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lookup {
    /// By its number.
    Plain,
    /// By its reverse element; a reverse one by the plain element.
    Reverse,
    /// By the element of the other end, where it has one.
    Swapped,
}

impl Lookup {
    /// The elements that hold the value, as enterprise and number, the best first. Number 0 stands for none.
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

/// Where each element of a template lies: sorted, so that a plan is compiled without a walk over all fields for each element that it looks
/// for.
pub(crate) struct Index {
    /// By element, then in the order of the record.
    entries: Vec<Entry>,
    /// Elements that may be there, by the low bits of their numbers: of those that a plan looks for most are not.
    prefilter: [u64; PREFILTER / 64],
}

#[derive(Clone, Copy)]
struct Entry {
    /// Enterprise and number.
    element: u64,
    src: Src,
}

/// Bits of the prefilter. The registry's numbers are less.
const PREFILTER: usize = 1024;

fn key(enterprise: u32, element: u16) -> u64 {
    u64::from(enterprise) << 16 | u64::from(element)
}

/// Word and bit of an element in the prefilter.
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
            // No datagram holds a record in which a fixed field ends beyond 65,535 octets.
            let fits = match field.length {
                template::VARIABLE => true,
                length => {
                    end = at.saturating_add(length);
                    at.checked_add(length).is_some()
                }
            };
            // The scopes of NetFlow v9 options have numbers of their own.
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

    /// Where that very element lies, each time.
    #[inline]
    fn find(&self, enterprise: u32, element: u16) -> Found<'_> {
        let (word, bit) = bit(element);
        if self.prefilter.get(word).is_some_and(|word| word & bit == 0) {
            return Found(&[]);
        }
        let key = key(enterprise, element);
        let first = self.entries.partition_point(|entry| entry.element < key);
        let found = self.entries.get(first..).unwrap_or_default();
        // Few elements occur twice, and the occurrences that a template has are read once for each of them at most.
        let count = found.partition_point(|entry| entry.element == key);
        Found(found.get(..count).unwrap_or_default())
    }
}

/// Occurrences of an element, in the order of the record.
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

/// The fields of a template, looked at for one way.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    pub(crate) template: &'a Template,
    pub(crate) index: &'a Index,
    pub(crate) direction: Direction,
}

impl<'a> Fields<'a> {
    /// Every occurrence of an element.
    pub(crate) fn all(&self, enterprise: u32, element: u16) -> Found<'a> {
        let found = |lookup: &Lookup| self.by(*lookup, enterprise, element);
        self.direction.lookups().iter().map(found).find(|found| !found.is_empty()).unwrap_or(Found::NONE)
    }

    /// The first of the elements that the template has.
    pub(crate) fn first(&self, elements: &[u16]) -> Option<Src> {
        self.first_on(self.direction, elements)
    }

    /// The same for a way of choice. Of several occurrences the last one counts: headers are listed as packets nest them, the outermost first
    /// (RFC 7011 section 8).
    pub(crate) fn first_on(&self, direction: Direction, elements: &[u16]) -> Option<Src> {
        let last = |lookup, element: &u16| self.by(lookup, 0, *element).last();
        direction.lookups().iter().find_map(|lookup| elements.iter().find_map(|element| last(*lookup, element)))
    }

    /// All of the elements that the template has, the best first, each with what belongs to it.
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
