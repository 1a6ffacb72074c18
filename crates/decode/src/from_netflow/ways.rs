//! Where the records of a template keep an element, for either way of a connection.
//!
//! A record that counts both ways is read twice. On the way back the elements of the two ends stand for each other, and reverse
//! elements (RFC 5103) stand for the plain ones. So whatever is compiled from a template (fields, names, sampling, facts, custom
//! primitives) holds for both ways, and a field of one end needs no field of the other.

use super::sources;
use netflow::template::{self, Field, Template};

/// Where an element lies in a record: by its number in the template, and in fixed records by its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Src {
    pub(crate) field: u16,
    pub(crate) at: u16,
    pub(crate) len: u16,
}

/// A way of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the source to the destination that the record names.
    There,
    /// From that destination to that source.
    Back,
}

impl Way {
    /// How its elements are looked for, the best first.
    const fn readings(self) -> &'static [Reading] {
        match self {
            Self::There => &[Reading::Plain],
            Self::Back => &[Reading::Reverse, Reading::Exchanged],
        }
    }
}

/// One way to look for an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// By its number.
    Plain,
    /// By its reverse element; a reverse one by the plain element.
    Reverse,
    /// By the element of the other end, where it has one.
    Exchanged,
}

impl Reading {
    /// The elements that hold the value, as enterprise and number, the best first.
    fn stand_ins(self, enterprise: u32, element: u16) -> Vec<(u32, u16)> {
        match (self, enterprise) {
            (Self::Reverse, 0) => vec![(sources::REVERSE, element)],
            (Self::Reverse, sources::REVERSE) => vec![(0, element)],
            (Self::Exchanged, 0) => sources::exchanged(element).into_iter().map(|element| (0, element)).collect(),
            (Self::Exchanged, sources::REVERSE) | (Self::Reverse, _) => Vec::new(),
            (Self::Plain | Self::Exchanged, _) => vec![(enterprise, element)],
        }
    }
}

/// The fields of a template, looked at for one way.
pub(crate) struct Fields<'a> {
    pub(crate) template: &'a Template,
    pub(crate) way: Way,
    /// Place of each field in a fixed record.
    places: Vec<u16>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(template: &'a Template, way: Way) -> Self {
        let mut end = 0u16;
        let places = template.fields.iter().map(|field| {
            let at = end;
            end = end.saturating_add(if field.length == template::VARIABLE { 0 } else { field.length });
            at
        });
        Self { places: places.collect(), template, way }
    }

    /// Every occurrence of an element, in the order of the record.
    pub(crate) fn all(&self, enterprise: u32, element: u16) -> Vec<Src> {
        let found = |reading: &Reading| self.by(*reading, enterprise, element);
        self.way.readings().iter().map(found).find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// The first of the elements that the template has.
    pub(crate) fn first(&self, elements: &[u16]) -> Option<Src> {
        self.first_on(self.way, elements)
    }

    /// The same for a way of choice. Of several occurrences the last one counts: headers are listed as packets nest them, the outermost first
    /// (RFC 7011 section 8).
    pub(crate) fn first_on(&self, way: Way, elements: &[u16]) -> Option<Src> {
        let last = |reading, element: &u16| self.by(reading, 0, *element).pop();
        way.readings().iter().find_map(|reading| elements.iter().find_map(|element| last(*reading, element)))
    }

    /// All of the elements that the template has, the best first, each with what belongs to it.
    pub(crate) fn choices<T: Copy>(&self, elements: &[(u16, T)]) -> Vec<(Src, T)> {
        let last = |reading, (element, with): &(u16, T)| Some((self.by(reading, 0, *element).pop()?, *with));
        let by =
            |reading: &Reading| elements.iter().filter_map(|choice| last(*reading, choice)).collect::<Vec<_>>();
        self.way.readings().iter().flat_map(by).collect()
    }

    fn by(&self, reading: Reading, enterprise: u32, element: u16) -> Vec<Src> {
        let stand_ins = reading.stand_ins(enterprise, element).into_iter();
        stand_ins
            .map(|(enterprise, element)| self.told(enterprise, element))
            .find(|found| !found.is_empty())
            .unwrap_or_default()
    }

    /// Where that very element lies, each time.
    fn told(&self, enterprise: u32, element: u16) -> Vec<Src> {
        let scopes = self.template.scope_fields();
        let fields = self.template.fields.iter().zip(&self.places).enumerate();
        let is_it = |number: usize, field: &Field| {
            // The scopes of NetFlow v9 options have numbers of their own.
            let scope = self.template.has_v9_scopes() && number < scopes;
            field.enterprise == enterprise && field.element == element && field.length > 0 && !scope
        };
        let place = |(number, (field, at)): (usize, (&Field, &u16))| {
            // No datagram holds a record in which a fixed field ends beyond 65,535 octets.
            let fixed = field.length != template::VARIABLE;
            at.checked_add(if fixed { field.length } else { 0 })?;
            Some(Src { field: u16::try_from(number).ok()?, at: *at, len: field.length })
        };
        fields.filter(|(number, (field, _))| is_it(*number, field)).filter_map(place).collect()
    }
}
