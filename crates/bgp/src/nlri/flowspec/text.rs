//! The text form.

use super::{Builder, Component, ComponentType, Flowspec, Term};
use std::fmt;
use wire::{Family, Prefix};

const TCP_FLAGS: &[&str] = &["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"];
const FRAGMENT: &[&str] = &["dont", "is", "first", "last"];

/// The names of bits, from the lowest.
fn bit_names(kind: ComponentType) -> &'static [&'static str] {
    if kind == ComponentType::FRAGMENT { FRAGMENT } else { TCP_FLAGS }
}

impl fmt::Display for Flowspec<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for component in self.components() {
            let (word, _) = component.kind().names().unwrap_or_default();
            write!(f, "{separator}{word} {component}")?;
            separator = " ";
        }
        Ok(())
    }
}

/// Displays the component without its word.
impl fmt::Display for Component<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Prefix { prefix, offset: 0, .. } => prefix.fmt(f),
            Self::Prefix { prefix, offset, .. } => write!(f, "{}/{offset}-{}", prefix.address(), prefix.length()),
            Self::Terms { kind, terms } => {
                for (number, term) in terms.enumerate() {
                    match number {
                        0 => {}
                        _ if term.operator & Term::AND != 0 => f.write_str("&")?,
                        _ => f.write_str("|")?,
                    }
                    if kind.is_bits() { bits(kind, term, f)? } else { number_term(term, f)? }
                }
                Ok(())
            }
        }
    }
}

/// The signs of the comparisons of numbers, by their bits; none and all bits are constants.
const SIGNS: &[(u8, &str)] = &[
    (Term::EQUAL, "="),
    (Term::GREATER, ">"),
    (Term::GREATER | Term::EQUAL, ">="),
    (Term::LESS, "<"),
    (Term::LESS | Term::EQUAL, "<="),
    (Term::LESS | Term::GREATER, "!="),
];

fn number_term(Term { operator, value }: Term, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let comparison = operator & Term::COMPARISON;
    match SIGNS.iter().find(|(bits, _)| *bits == comparison) {
        Some((_, sign)) => write!(f, "{sign}{value}"),
        None if comparison == 0 => f.write_str("false"),
        None => f.write_str("true"),
    }
}

fn bits(kind: ComponentType, Term { operator, value }: Term, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if operator & Term::NOT != 0 {
        f.write_str("!")?;
    }
    if operator & Term::MATCH != 0 {
        f.write_str("=")?;
    }
    let (mut left, mut separator) = (value, "");
    for (bit, name) in bit_names(kind).iter().enumerate() {
        if left >> bit & 1 != 0 {
            left &= !(1 << bit);
            write!(f, "{separator}{name}")?;
            separator = "+";
        }
    }
    if left != 0 || value == 0 { write!(f, "{separator}{left:#x}") } else { Ok(()) }
}

/// The text is not a flow specification; holds the number of the word, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowspecError(pub usize);

impl fmt::Display for FlowspecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "word {} is not part of a flow specification, such as dst 10.0.0.0/8 proto =6", self.0 + 1)
    }
}

impl std::error::Error for FlowspecError {}

impl Builder {
    /// Components from their text form.
    ///
    /// # Errors
    /// At the first word that is wrong, missing, out of order, or not of the family.
    pub fn parse(family: Family, text: &str) -> Result<Self, FlowspecError> {
        let mut builder = Self::new();
        let (mut words, mut last) = (text.split_ascii_whitespace().enumerate(), 0);
        while let Some((at, word)) = words.next() {
            let kind = ComponentType::named(word)
                .filter(|kind| kind.0 > last && (family == Family::V6 || *kind != ComponentType::FLOW_LABEL))
                .ok_or(FlowspecError(at))?;
            last = kind.0;
            let (_, value) = words.next().ok_or(FlowspecError(at + 1))?;
            let added = match kind {
                ComponentType(1 | 2) => {
                    parse_prefix(family, value).map(|(prefix, offset)| _ = builder.prefix(kind, prefix, offset))
                }
                _ => parse_terms(kind, value).map(|terms| _ = builder.terms(kind, &terms)),
            };
            added.ok_or(FlowspecError(at + 1))?;
        }
        if last == 0 { Err(FlowspecError(0)) } else { Ok(builder) }
    }
}

fn parse_prefix(family: Family, text: &str) -> Option<(Prefix, u8)> {
    let (address, lengths) = text.split_once('/')?;
    let (offset, length) = lengths.split_once('-').unwrap_or(("0", lengths));
    let (offset, length): (u8, u8) = (offset.parse().ok()?, length.parse().ok()?);
    let prefix = Prefix::new(address.parse().ok()?, length).filter(|prefix| prefix.family() == family)?;
    let is_whole = prefix.bits() & u128::MAX.checked_shr(offset.into()).unwrap_or(0) == prefix.bits();
    let is_offset = offset == 0 || family == Family::V6 && offset < length && is_whole;
    is_offset.then_some((prefix, offset))
}

fn parse_terms(kind: ComponentType, text: &str) -> Option<Vec<Term>> {
    let mut terms = Vec::new();
    for either in text.split('|') {
        for (number, text) in either.split('&').enumerate() {
            let mut term = if kind.is_bits() { parse_bits(kind, text) } else { parse_number(text) }?;
            if number > 0 {
                term.operator |= Term::AND;
            }
            terms.push(term);
        }
    }
    Some(terms)
}

fn parse_number(text: &str) -> Option<Term> {
    match text {
        "false" => return Some(Term { operator: 0, value: 0 }),
        "true" => return Some(Term { operator: Term::COMPARISON, value: 0 }),
        _ => {}
    }
    let digits = text.trim_start_matches(['=', '<', '>', '!']);
    let sign = text.strip_suffix(digits)?;
    let (operator, _) = SIGNS.iter().find(|(_, name)| *name == sign)?;
    let value = digits.parse().ok().filter(|_| !digits.starts_with('+'))?;
    Some(Term { operator: *operator, value })
}

fn parse_bits(kind: ComponentType, text: &str) -> Option<Term> {
    let (text, not) = text.strip_prefix('!').map_or((text, 0), |text| (text, Term::NOT));
    let (text, all) = text.strip_prefix('=').map_or((text, 0), |text| (text, Term::MATCH));
    let mut value = 0;
    for name in text.split('+') {
        value |= match name.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok()?,
            None => 1 << bit_names(kind).iter().position(|known| *known == name)?,
        };
    }
    Some(Term { operator: not | all, value })
}
