//! Paths (gNMI 0.10 section 2.2.2).
//!
//! ```text
//! Path      3 elem: PathElem, repeated   1 element: string, repeated (deprecated)   2 origin   4 target
//! PathElem  1 name   2 key: map, repeated { 1 key   2 value }
//! ```
//!
//! As text, an element is `/NAME[KEY=VALUE]...`, with the keys in alphabetical order; in values `]` and `\` have a `\` before them, and
//! in names `/`, `[` and `\` (gNMI Path Conventions).

use crate::fault::Fault;
use crate::fields::Fields;
use crate::json::Writer;

/// The field of a path's elements.
pub(crate) const ELEM: u32 = 3;
/// The field of its elements before gNMI 0.4, which are texts.
const ELEMENT: u32 = 1;
/// The most keys of an element. Lists in YANG models have fewer than ten.
const MAX_KEYS: usize = 64;

/// Whether a text shows the keys of elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    Shown,
    Hidden,
}

/// An element of a path.
struct Element<'a> {
    /// To walk over its keys.
    fields: Fields<'a>,
    name: &'a [u8],
    has_keys: bool,
}

/// The keys of an element, in order, each once.
struct KeyValues<'a> {
    list: [(&'a [u8], &'a [u8]); MAX_KEYS],
    length: usize,
}

impl<'a> Element<'a> {
    fn read(mut fields: Fields<'a>) -> Result<Self, Fault> {
        let mut element = Self { fields, name: b"", has_keys: false };
        while let Some(field) = fields.next()? {
            match field.number {
                1 => element.name = field.octets()?,
                2 => element.has_keys = field.octets().map(|_| true)?,
                _ => {}
            }
        }
        Ok(element)
    }

    /// The keys. Most elements have none, and need no list of them.
    fn keys(&self) -> Result<KeyValues<'a>, Fault> {
        let (mut fields, mut keys) = (self.fields, KeyValues { list: [(b"", b""); MAX_KEYS], length: 0 });
        while let Some(field) = fields.next()? {
            if field.number != 2 {
                continue;
            }
            let (mut key, mut value, mut entry) = (&b""[..], &b""[..], field.message()?);
            while let Some(field) = entry.next()? {
                match field.number {
                    1 => key = field.octets()?,
                    2 => value = field.octets()?,
                    _ => {}
                }
            }
            keys.insert(key, value).ok_or(Fault::Keys { at: field.at })?;
        }
        Ok(keys)
    }
}

impl<'a> KeyValues<'a> {
    /// Of equal keys the last one counts, as in any map of protobuf.
    fn insert(&mut self, key: &'a [u8], value: &'a [u8]) -> Option<()> {
        match self.as_slice().binary_search_by_key(&key, |(known, _)| known) {
            Ok(at) => self.list.get_mut(at)?.1 = value,
            Err(at) => {
                *self.list.get_mut(self.length)? = (key, value);
                self.length += 1;
                self.list.get_mut(at..self.length)?.rotate_right(1);
            }
        }
        Some(())
    }

    fn as_slice(&self) -> &[(&'a [u8], &'a [u8])] {
        self.list.get(..self.length).unwrap_or_default()
    }
}

/// The elements of a path as parts of a text; `/` without elements. `elem` is the number of their field.
pub(crate) fn write_parts(path: Fields<'_>, elem: u32, keys: Keys, json: &mut Writer<'_>) -> Result<(), Fault> {
    let (mut fields, mut is_empty) = (path, true);
    while let Some(field) = fields.next()? {
        if field.number != elem {
            continue;
        }
        is_empty = false;
        let element = Element::read(field.message()?)?;
        json.part(b"/")?;
        write_escaped(element.name, |octet| matches!(octet, b'/' | b'[' | b'\\'), json)?;
        if !element.has_keys || keys == Keys::Hidden {
            continue;
        }
        for (key, value) in element.keys()?.as_slice() {
            json.part(b"[")?;
            json.part(key)?;
            json.part(b"=")?;
            write_escaped(value, |octet| matches!(octet, b']' | b'\\'), json)?;
            json.part(b"]")?;
        }
    }
    if is_empty && elem == ELEM {
        let mut fields = path;
        while let Some(field) = fields.next()? {
            if field.number == ELEMENT {
                is_empty = false;
                json.part(b"/")?;
                json.part(field.octets()?)?;
            }
        }
    }
    if is_empty { json.part(b"/") } else { Ok(()) }
}

fn write_escaped(mut text: &[u8], is_special: impl Fn(u8) -> bool, json: &mut Writer<'_>) -> Result<(), Fault> {
    while let Some((plain, [octet, rest @ ..])) =
        text.iter().position(|octet| is_special(*octet)).and_then(|at| text.split_at_checked(at))
    {
        json.part(plain)?;
        json.part(&[b'\\', *octet])?;
        text = rest;
    }
    json.part(text)
}

/// The elements as values of a list: objects of `name` and, if there are keys, `filters`.
pub(crate) fn write_list(path: Fields<'_>, json: &mut Writer<'_>) -> Result<(), Fault> {
    let mut fields = path;
    while let Some(field) = fields.next()? {
        if field.number != ELEM {
            continue;
        }
        let element = Element::read(field.message()?)?;
        json.open(b'{')?;
        json.name("name")?;
        json.text(element.name)?;
        if element.has_keys {
            json.name("filters")?;
            json.open(b'{')?;
            for (key, value) in element.keys()?.as_slice() {
                json.text_name(key)?;
                json.text(value)?;
            }
            json.close(b'}')?;
        }
        json.close(b'}')?;
    }
    Ok(())
}

/// The members `origin` and `target`, unless they are empty.
pub(crate) fn write_labels(path: Fields<'_>, json: &mut Writer<'_>) -> Result<(), Fault> {
    let (mut origin, mut target, mut fields) = (&b""[..], &b""[..], path);
    while let Some(field) = fields.next()? {
        match field.number {
            2 => origin = field.octets()?,
            4 => target = field.octets()?,
            _ => {}
        }
    }
    for (name, text) in [("origin", origin), ("target", target)] {
        if !text.is_empty() {
            json.name(name)?;
            json.text(text)?;
        }
    }
    Ok(())
}
