//! How NLRI and attributes show themselves to outputs: as members of an object, each with a name and a value.
//!
//! A decoded value implements [`Members`]: it calls the visitor once for each member, in a fixed order, and never twice
//! with one name. Outputs need no knowledge of families: they write numbers as numbers, all else as text, lists and
//! objects. Values borrow, and text is formatted straight into the output, so that showing a route allocates little.
//! [`Json`] is a complete output of this kind. docs/bgp-families.md lists all members.

use std::fmt::{self, Write as _};

/// The value of a member.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    /// A number without a sign.
    Number(u64),
    /// A number that may be negative.
    Signed(i64),
    /// A number with a fraction; never infinite or NaN, which are shown as text.
    Real(f64),
    /// True or false.
    Bool(bool),
    /// Text.
    Text(&'a str),
    /// Something that is shown as the text to which it formats: an address, a prefix, a MAC address, octets.
    Shown(&'a dyn fmt::Display),
    /// Values of one kind.
    List(&'a dyn Items),
    /// An object with members of its own.
    Object(&'a dyn Members),
}

/// Something with members.
pub trait Members {
    /// Calls `visit` for each member: its name (lower-case letters, digits and `_`), and its value.
    fn members(&self, visit: &mut dyn FnMut(&str, Value<'_>));
}

/// Something with items.
pub trait Items {
    /// Calls `visit` for each item, in order.
    fn items(&self, visit: &mut dyn FnMut(Value<'_>));
}

/// A function that visits the items of a list.
pub struct ItemsOf<F>(pub F);

impl<F: Fn(&mut dyn FnMut(Value<'_>))> Items for ItemsOf<F> {
    fn items(&self, visit: &mut dyn FnMut(Value<'_>)) {
        (self.0)(visit);
    }
}

/// A function that visits the members of an object.
pub struct MembersOf<F>(pub F);

impl<F: Fn(&mut dyn FnMut(&str, Value<'_>))> Members for MembersOf<F> {
    fn members(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        (self.0)(visit);
    }
}

/// Octets, displayed as two lower-case hexadecimal digits each, without separators; `{:#}` puts `0x` before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            f.write_str("0x")?;
        }
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// Text from the wire: UTF-8, with U+FFFD in the place of octets that are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lossy<'a>(pub &'a [u8]);

impl fmt::Display for Lossy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_char(char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(())
    }
}

/// A number of 32 bits as `0x` and hexadecimal digits without leading zeros, as flags and masks are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask(pub u32);

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// The registered name of a code point, or its number where it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: Option<&'static str>,
    /// The number.
    pub code: u32,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => f.write_str(name),
            None => self.code.fmt(f),
        }
    }
}

/// Displays members as one JSON object (RFC 8259) without blanks.
pub struct Json<'a>(pub &'a dyn Members);

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        object(self.0, f)
    }
}

fn object(members: &dyn Members, f: &mut dyn fmt::Write) -> fmt::Result {
    let (mut result, mut separator) = (Ok(()), '{');
    members.members(&mut |name, value| {
        let mut write = || {
            f.write_char(separator)?;
            string(&name, f)?;
            f.write_char(':')?;
            json(value, f)
        };
        if result.is_ok() {
            result = write();
        }
        separator = ',';
    });
    result?;
    f.write_str(if separator == '{' { "{}" } else { "}" })
}

fn list(items: &dyn Items, f: &mut dyn fmt::Write) -> fmt::Result {
    let (mut result, mut separator) = (Ok(()), '[');
    items.items(&mut |value| {
        if result.is_ok() {
            result = f.write_char(separator).and_then(|()| json(value, f));
        }
        separator = ',';
    });
    result?;
    f.write_str(if separator == '[' { "[]" } else { "]" })
}

fn json(value: Value<'_>, f: &mut dyn fmt::Write) -> fmt::Result {
    match value {
        Value::Number(number) => write!(f, "{number}"),
        Value::Signed(number) => write!(f, "{number}"),
        Value::Real(number) if number.is_finite() => write!(f, "{number}"),
        Value::Real(number) => string(&number, f),
        Value::Bool(bool) => write!(f, "{bool}"),
        Value::Text(text) => string(&text, f),
        Value::Shown(text) => string(text, f),
        Value::List(items) => list(items, f),
        Value::Object(members) => object(members, f),
    }
}

fn string(text: &dyn fmt::Display, f: &mut dyn fmt::Write) -> fmt::Result {
    f.write_char('"')?;
    write!(Escaped(f), "{text}")?;
    f.write_char('"')
}

/// Escapes what RFC 8259 section 7 requires.
struct Escaped<'a>(&'a mut dyn fmt::Write);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|char| match char {
            '"' | '\\' => write!(self.0, "\\{char}"),
            '\n' => self.0.write_str("\\n"),
            '\u{0}'..'\u{20}' => write!(self.0, "\\u{:04x}", u32::from(char)),
            _ => self.0.write_char(char),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn json_has_all_kinds_of_values() {
        let items = ItemsOf(|visit: &mut dyn FnMut(Value<'_>)| {
            visit(Value::Number(1));
            visit(Value::Signed(-1));
            visit(Value::Real(0.5));
            visit(Value::Real(f64::INFINITY));
        });
        let none = ItemsOf(|_: &mut dyn FnMut(Value<'_>)| ());
        let empty = MembersOf(|_: &mut dyn FnMut(&str, Value<'_>)| ());
        let all = MembersOf(|visit: &mut dyn FnMut(&str, Value<'_>)| {
            visit("text", Value::Text("a\"b\\\n\u{1}"));
            visit("shown", Value::Shown(&Ipv4Addr::LOCALHOST));
            visit("lossy", Value::Shown(&Lossy(b"a\xffb")));
            visit("hex", Value::Shown(&Hex(&[0xde, 0x0a])));
            visit("mask", Value::Shown(&Mask(16)));
            visit("is", Value::Bool(true));
            visit("items", Value::List(&items));
            visit("none", Value::List(&none));
            visit("empty", Value::Object(&empty));
        });
        let expected = concat!(
            r#"{"text":"a\"b\\\n\u0001","shown":"127.0.0.1","lossy":"a�b","hex":"de0a","mask":"0x10","is":true,"#,
            r#""items":[1,-1,0.5,"inf"],"none":[],"empty":{}}"#
        );
        assert_eq!(Json(&all).to_string(), expected);
    }
}
