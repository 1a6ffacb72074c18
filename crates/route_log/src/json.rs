//! Pieces of JSON in the form of pmacct's events: a blank after each colon and comma.

use bgp::value::{Members, Value};
use encode::number::decimal;
use encode::{address, value};
use std::io::Write;
use std::net::IpAddr;
use wire::Prefix;

/// Appends `, "name": `.
#[inline]
pub(crate) fn name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b", \"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\": ");
}

/// Appends a member with a number.
#[inline]
pub(crate) fn number(out: &mut Vec<u8>, member: &str, number: u64) {
    name(out, member);
    decimal(out, number);
}

/// Appends a member with a text, which is escaped.
pub(crate) fn text(out: &mut Vec<u8>, member: &str, text: &str) {
    name(out, member);
    string(out, text.as_bytes());
}

/// Appends a string, escaped.
pub(crate) fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    value::escaped(out, text);
    out.push(b'"');
}

/// Appends an array of strings.
pub(crate) fn strings(out: &mut Vec<u8>, texts: &[String]) {
    out.push(b'[');
    let mut is_first = true;
    for text in texts {
        separate(out, &mut is_first);
        string(out, text.as_bytes());
    }
    out.push(b']');
}

/// Appends an address without quotes.
pub(crate) fn ip(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => address::v4(out, v4.octets()),
        // The mixed notation of mapped addresses.
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => {
                out.extend_from_slice(b"::ffff:");
                address::v4(out, v4.octets());
            }
            None => address::v6(out, &v6.octets()),
        },
    }
}

/// Appends a prefix without quotes.
#[inline]
pub(crate) fn prefix(out: &mut Vec<u8>, prefix: &Prefix) {
    ip(out, prefix.address());
    out.push(b'/');
    decimal(out, u64::from(prefix.length()));
}

/// Appends a label: a text, or an object of its pairs.
pub(crate) fn label(out: &mut Vec<u8>, text: &str, as_map: bool) {
    if !as_map {
        return string(out, text.as_bytes());
    }
    out.push(b'{');
    for (number, (key, of_key)) in value::label_pairs(text.as_bytes()).enumerate() {
        if number > 0 {
            out.extend_from_slice(b", ");
        }
        string(out, key);
        out.extend_from_slice(b": ");
        string(out, of_key);
    }
    out.push(b'}');
}

/// Appends members, each with a comma before it, if `is_shown` says so for their name.
pub(crate) fn members(out: &mut Vec<u8>, of: &dyn Members, is_shown: impl Fn(&str) -> bool) {
    of.members(&mut |member, shown| {
        if is_shown(member) {
            out.extend_from_slice(b", ");
            string(out, member.as_bytes());
            out.extend_from_slice(b": ");
            one(out, shown);
        }
    });
}

/// Calls `visit` for each member, with its value as text: that of a string itself, else the value in JSON.
pub(crate) fn texts(of: &dyn Members, mut visit: impl FnMut(&str, Vec<u8>)) {
    of.members(&mut |member, shown| {
        let mut text = Vec::new();
        match shown {
            Value::Text(value) => text.extend_from_slice(value.as_bytes()),
            Value::Shown(value) => drop(write!(text, "{value}")),
            shown => one(&mut text, shown),
        }
        visit(member, text);
    });
}

/// Appends a value.
fn one(out: &mut Vec<u8>, shown: Value<'_>) {
    // Writing to a `Vec` cannot fail.
    match shown {
        Value::Number(number) => decimal(out, number),
        Value::Signed(number) => drop(write!(out, "{number}")),
        Value::Real(number) => drop(write!(out, "{number:?}")),
        Value::Bool(is_true) => out.extend_from_slice(if is_true { b"true" } else { b"false" }),
        Value::Text(text) => string(out, text.as_bytes()),
        Value::Shown(text) => {
            let mut shown = Vec::new();
            drop(write!(shown, "{text}"));
            string(out, &shown);
        }
        Value::List(list) => {
            out.push(b'[');
            let mut is_first = true;
            list.items(&mut |item| {
                separate(out, &mut is_first);
                one(out, item);
            });
            out.push(b']');
        }
        Value::Object(object) => {
            out.push(b'{');
            let mut is_first = true;
            object.members(&mut |member, shown| {
                separate(out, &mut is_first);
                string(out, member.as_bytes());
                out.extend_from_slice(b": ");
                one(out, shown);
            });
            out.push(b'}');
        }
    }
}

fn separate(out: &mut Vec<u8>, is_first: &mut bool) {
    if !std::mem::take(is_first) {
        out.extend_from_slice(b", ");
    }
}
