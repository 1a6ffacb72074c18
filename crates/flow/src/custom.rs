//! Custom primitives (`aggregate_primitives`): fields that the user defines, from information elements or from octets of the
//! packet.

use crate::kind::Kind;
use crate::pointer::Pointer;

/// The type of a custom primitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Semantics {
    /// Unsigned number, shown in decimal.
    UnsignedInt,
    /// Unsigned number, shown in hexadecimal.
    Hex,
    /// IPv4 or IPv6 address, by its length.
    Ip,
    /// MAC address.
    Mac,
    /// Text, up to the first NUL.
    Str,
    /// Octets, shown in hexadecimal with dashes.
    Raw,
}

impl Semantics {
    /// The kind of the row's field.
    pub const fn kind(self) -> Kind {
        match self {
            Self::UnsignedInt => Kind::NumberText,
            Self::Hex => Kind::HexText,
            Self::Ip => Kind::IpText,
            Self::Mac => Kind::Mac,
            Self::Str => Kind::Text,
            Self::Raw => Kind::Raw,
        }
    }
}

impl Custom {
    /// Width of a column that fits any value and the name, followed by two spaces.
    pub fn width(&self) -> usize {
        let octets = usize::from(self.length.unwrap_or(VARIABLE));
        let value = match self.semantics {
            // The width of the largest decimal number of this size.
            Semantics::UnsignedInt | Semantics::Hex => match octets {
                1 => 3,
                2 => 5,
                ..=4 => 10,
                _ => 20,
            },
            Semantics::Ip => 46,
            Semantics::Mac => 18,
            Semantics::Str => octets,
            Semantics::Raw => (octets * 3).saturating_sub(1),
        };
        value.max(self.name.chars().count()) + 2
    }
}

/// Number of octets that a column of variable length can show.
const VARIABLE: u16 = 20;

/// The information element of a custom primitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    /// Enterprise number, 0 for IANA.
    pub enterprise: u32,
    /// Element number.
    pub element: u16,
    /// Its occurrence in the template if there are several, from 0.
    pub occurrence: u16,
}

/// One custom primitive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custom {
    /// The word in `aggregate`, and the name in the outputs, converted to lower case.
    pub name: String,
    /// Information element, if it is read from flow records.
    pub element: Option<Element>,
    /// Packet pointers, tried in order.
    pub pointers: Vec<Pointer>,
    /// Length in octets; `None` for a variable length.
    pub length: Option<u16>,
    /// Its type.
    pub semantics: Semantics,
}

/// An error in a line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong, and what is expected.
    pub text: String,
}

/// Maximum length of a name.
const MAX_NAME: usize = 63;

/// Reads the file of custom primitives: one per line, as `key=value` pairs; lines that start with `!` or `#` are
/// comments. Invalid lines are ignored.
pub fn parse(text: &str) -> (Vec<Custom>, Vec<LineError>) {
    let mut customs: Vec<Custom> = Vec::new();
    let mut problems = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['!', '#']) {
            continue;
        }
        match entry(line, &customs) {
            Ok(custom) => customs.push(custom),
            Err(text) => problems.push(LineError { line: number + 1, text }),
        }
    }
    (customs, problems)
}

fn entry(line: &str, known: &[Custom]) -> Result<Custom, String> {
    let (mut name, mut element, mut pointers, mut length, mut semantics) = (None, None, Vec::new(), None, None);
    for word in line.split_whitespace() {
        let Some((key, value)) = word.split_once('=') else {
            return Err(format!("\"{word}\" is not a key=value pair"));
        };
        match key.to_ascii_lowercase().as_str() {
            "name" => name = Some(value),
            "field_type" => element = Some(field_type(value)?),
            "packet_ptr" => pointers.push(value.parse().map_err(|problem| format!("packet_ptr: {problem}"))?),
            "len" => length = Some(length_of(value)?),
            "semantics" => semantics = Some(semantics_of(value)?),
            _ => {
                return Err(format!(
                    "unknown key \"{key}\": known ones are name, field_type, packet_ptr, len, semantics"
                ));
            }
        }
    }
    let name = name.ok_or("no name=")?.to_lowercase();
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(format!("name \"{name}\" must have 1 to {MAX_NAME} characters"));
    }
    if crate::primitive::find(&name).is_some() {
        return Err(format!("name \"{name}\" is already a built-in primitive"));
    }
    if known.iter().any(|custom| custom.name == name) {
        return Err(format!("name \"{name}\" is defined twice"));
    }
    if element.is_none() && pointers.is_empty() {
        return Err(format!("{name}: field_type= or packet_ptr= is required"));
    }
    let length = length.ok_or_else(|| format!("{name}: len= is required"))?;
    let semantics = semantics.ok_or_else(|| format!("{name}: semantics= is required"))?;
    check_length(semantics, length).map_err(|problem| format!("{name}: {problem}"))?;
    let element = element.map(|(enterprise, element)| {
        // The n-th entry of an element reads its n-th occurrence in a template.
        let same =
            |custom: &&Custom| custom.element.is_some_and(|e| (e.enterprise, e.element) == (enterprise, element));
        let occurrence = u16::try_from(known.iter().filter(same).count()).unwrap_or(u16::MAX);
        Element { enterprise, element, occurrence }
    });
    Ok(Custom { name, element, pointers, length, semantics })
}

fn field_type(value: &str) -> Result<(u32, u16), String> {
    let (enterprise, element) = value.split_once(':').unwrap_or(("0", value));
    match (enterprise.parse(), element.parse()) {
        (Ok(enterprise), Ok(element)) => Ok((enterprise, element)),
        _ => Err(format!("field_type \"{value}\" is neither an element number nor enterprise:element")),
    }
}

fn length_of(value: &str) -> Result<Option<u16>, String> {
    match value.parse() {
        _ if value.eq_ignore_ascii_case("vlen") => Ok(None),
        Ok(length @ 1..=1024) => Ok(Some(length)),
        _ => Err(format!("len \"{value}\" is neither a number of octets from 1 to 1024 nor vlen")),
    }
}

fn semantics_of(value: &str) -> Result<Semantics, String> {
    Ok(match value.to_ascii_lowercase().as_str() {
        "u_int" => Semantics::UnsignedInt,
        "hex" => Semantics::Hex,
        "ip" => Semantics::Ip,
        "mac" => Semantics::Mac,
        "str" => Semantics::Str,
        "raw" => Semantics::Raw,
        _ => return Err(format!("semantics \"{value}\" is not one of u_int, hex, ip, mac, str, raw")),
    })
}

fn check_length(semantics: Semantics, length: Option<u16>) -> Result<(), &'static str> {
    match (semantics, length) {
        (Semantics::UnsignedInt | Semantics::Hex, Some(1..=8)) => Ok(()),
        (Semantics::UnsignedInt | Semantics::Hex, _) => Err("u_int and hex have a len of 1 to 8"),
        (Semantics::Ip, Some(4 | 16)) => Ok(()),
        (Semantics::Ip, _) => Err("ip has a len of 4 or 16"),
        (Semantics::Mac, Some(6)) => Ok(()),
        (Semantics::Mac, _) => Err("mac has a len of 6"),
        (Semantics::Str | Semantics::Raw, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_errors_have_line_numbers() {
        let text = "! comment\nname=vrf field_type=234 len=4 semantics=u_int\n\nname=app field_type=9:12235 len=vlen \
                    semantics=str\nname=x len=4 semantics=u_int\nname=y field_type=1 len=9 semantics=hex\nfoo\n\
                    name=vrf2 field_type=234 len=4 semantics=u_int";
        let (customs, problems) = parse(text);
        assert_eq!(customs.len(), 3);
        assert_eq!(customs[1].element, Some(Element { enterprise: 9, element: 12235, occurrence: 0 }));
        assert_eq!(customs[2].element.map(|e| e.occurrence), Some(1));
        assert_eq!(problems.iter().map(|p| p.line).collect::<Vec<_>>(), [5, 6, 7]);
    }

    #[test]
    fn names_are_converted_to_lower_case_and_unique_in_any_case() {
        let (customs, problems) = parse(
            "name=appDesc field_type=94 len=16 semantics=str\nname=APPDESC field_type=95 len=4 semantics=u_int\n\
             name=SRC_HOST field_type=8 len=4 semantics=ip",
        );
        assert_eq!(customs.iter().map(|custom| custom.name.as_str()).collect::<Vec<_>>(), ["appdesc"]);
        assert_eq!(problems.iter().map(|p| p.line).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn columns_fit_values_and_names() {
        let width = |line: &str| parse(line).0[0].width();
        for (rest, expected) in [
            ("len=1 semantics=u_int", 5),
            ("len=2 semantics=hex", 7),
            ("len=4 semantics=u_int", 12),
            ("len=8 semantics=u_int", 22),
            ("len=4 semantics=ip", 48),
            ("len=6 semantics=mac", 20),
            ("len=16 semantics=str", 18),
            ("len=6 semantics=raw", 19),
            ("len=vlen semantics=str", 22),
        ] {
            assert_eq!(width(&format!("name=x field_type=1 {rest}")), expected, "{rest}");
        }
        assert_eq!(width("name=as_long_as_it_is field_type=1 len=1 semantics=u_int"), 18);
    }
}
