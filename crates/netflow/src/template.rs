//! Template records.
//!
//! A template record consists of an id, a field count and the fields. Options templates also have the number of scope
//! fields (IPFIX), or the lengths in octets of the scope and option specifiers (v9).

use std::fmt;
use wire::{Reader, Truncated};

/// The field length of variable-length fields: each record has the length (RFC 7011 section 7).
pub const VARIABLE: u16 = 65535;
/// Maximum number of fields of a template. A UDP datagram could hold records with more fields of one octet, but no
/// exporter sends them, and each field costs memory.
pub const MAX_FIELDS: usize = 4096;

/// One field of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    /// Enterprise number; 0 for IANA's elements. NetFlow v9 has none.
    pub enterprise: u32,
    /// Element number, without the enterprise bit.
    pub element: u16,
    /// Length in octets, or [`VARIABLE`].
    pub length: u16,
}

/// What the records of a template describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Flows.
    Data,
    /// The exporter (options data). The first fields are the scope.
    Options {
        /// Number of scope fields.
        scopes: u16,
    },
}

/// A template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Source id or observation domain.
    pub domain: u32,
    /// Template id, 256 or more.
    pub id: u16,
    /// Data or options template.
    pub kind: Kind,
    /// Announced by IPFIX, else by v9. The two number their templates independently.
    pub ipfix: bool,
    /// Fields in the order of the record.
    pub fields: Box<[Field]>,
    /// Length of a record in octets; with variable-length fields the minimum.
    pub min_length: usize,
    /// At least one field has a variable length.
    pub is_variable: bool,
}

impl Template {
    /// Creates an IPFIX template.
    pub fn new(domain: u32, id: u16, kind: Kind, fields: Vec<Field>) -> Self {
        let min = |field: &Field| if field.length == VARIABLE { 1 } else { usize::from(field.length) };
        Self {
            domain,
            id,
            kind,
            ipfix: true,
            min_length: fields.iter().map(min).sum(),
            is_variable: fields.iter().any(|field| field.length == VARIABLE),
            fields: fields.into_boxed_slice(),
        }
    }

    /// Returns true if scope fields have v9 numbers: 1 system, 2 interface, 3 line card, 4 cache, 5 template.
    pub fn has_v9_scopes(&self) -> bool {
        !self.ipfix && self.kind != Kind::Data
    }

    /// Returns the number of scope fields.
    pub fn scope_fields(&self) -> usize {
        match self.kind {
            Kind::Data => 0,
            Kind::Options { scopes } => usize::from(scopes).min(self.fields.len()),
        }
    }
}

/// Why a template is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// The set ends within the template.
    Truncated(Truncated),
    /// The id is below 256.
    Id(u16),
    /// All fields have length 0, so its records would be empty.
    NoLength(u16),
    /// The template has more fields than [`MAX_FIELDS`] or than its set can hold, or more scopes than fields.
    Fields(u16),
    /// v9: the length of the scopes or options is not a multiple of a specifier's four octets.
    Specifiers(u16),
}

impl From<Truncated> for TemplateError {
    fn from(truncated: Truncated) -> Self {
        Self::Truncated(truncated)
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated(truncated) => write!(f, "template: {truncated}"),
            Self::Id(id) => write!(f, "template id {id} is below 256"),
            Self::NoLength(id) => write!(f, "template {id}: all its fields have length 0"),
            Self::Fields(id) => write!(f, "template {id}: invalid number of fields or scopes"),
            Self::Specifiers(id) => write!(f, "template {id}: invalid length of scopes or options"),
        }
    }
}

/// One record of a template set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A template.
    Define(Template),
    /// The template with this id is withdrawn.
    Withdraw(u16),
    /// All data or options templates of the domain are withdrawn.
    WithdrawAll {
        /// Options templates, else data templates.
        options: bool,
    },
}

/// The formats of template records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    V9Data,
    V9Options,
    IpfixData,
    IpfixOptions,
}

/// Iterates over the records of a template set. Invalid records are errors. The iteration goes on after them if their
/// end is known.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    r: Reader<'a>,
    format: Format,
    domain: u32,
}

impl<'a> Records<'a> {
    pub(crate) fn new(r: Reader<'a>, format: Format, domain: u32) -> Self {
        Self { r, format, domain }
    }

    fn record(&mut self) -> Result<Option<Record>, TemplateError> {
        let id = self.r.u16()?;
        let count = self.r.u16()?;
        if id == 0 && count == 0 {
            // Overlong padding.
            self.r = Reader::new(&[]);
            return Ok(None);
        }
        let (fields, scopes, options) = match self.format {
            Format::V9Data => (usize::from(count), 0, false),
            Format::V9Options => {
                let (scopes, options) = (count, self.r.u16()?);
                if scopes % 4 != 0 || options % 4 != 0 {
                    // The lengths still tell where the next template starts.
                    let skipped = self.r.take(usize::from(scopes) + usize::from(options));
                    return Err(match skipped {
                        Ok(_) => TemplateError::Specifiers(id),
                        Err(_) => self.abort(TemplateError::Specifiers(id)),
                    });
                }
                (usize::from(scopes / 4) + usize::from(options / 4), scopes / 4, true)
            }
            Format::IpfixData | Format::IpfixOptions if count == 0 => {
                return Ok(Some(match id {
                    2 => Record::WithdrawAll { options: false },
                    3 => Record::WithdrawAll { options: true },
                    id => Record::Withdraw(id),
                }));
            }
            Format::IpfixData => (usize::from(count), 0, false),
            Format::IpfixOptions => (usize::from(count), self.r.u16()?, true),
        };
        // A count never sizes an allocation beyond what the remaining octets can hold.
        if fields > MAX_FIELDS || fields * 4 > self.r.left() {
            return Err(self.abort(TemplateError::Fields(id)));
        }
        // The fields fit into the remaining octets, so their count may size the allocation.
        let count = fields;
        let mut fields = Vec::with_capacity(count);
        for _ in 0..count {
            fields.push(self.field()?);
        }
        if usize::from(scopes) > fields.len() {
            return Err(TemplateError::Fields(id));
        }
        if id < crate::datagram::MIN_TEMPLATE_ID {
            return Err(TemplateError::Id(id));
        }
        let kind = if options { Kind::Options { scopes } } else { Kind::Data };
        let mut template = Template::new(self.domain, id, kind, fields);
        template.ipfix = matches!(self.format, Format::IpfixData | Format::IpfixOptions);
        if template.min_length == 0 {
            return Err(TemplateError::NoLength(id));
        }
        Ok(Some(Record::Define(template)))
    }

    fn field(&mut self) -> Result<Field, Truncated> {
        let (element, length) = (self.r.u16()?, self.r.u16()?);
        let ipfix = matches!(self.format, Format::IpfixData | Format::IpfixOptions);
        if ipfix && element & 0x8000 != 0 {
            return Ok(Field { enterprise: self.r.u32()?, element: element & 0x7fff, length });
        }
        Ok(Field { enterprise: 0, element, length })
    }

    /// Ends the iteration: after a wrong length the position of the next record is unknown.
    fn abort(&mut self, error: TemplateError) -> TemplateError {
        self.r = Reader::new(&[]);
        error
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, TemplateError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.r.left() < 4 {
            return None;
        }
        match self.record() {
            Ok(record) => record.map(Ok),
            Err(error) => {
                if let TemplateError::Truncated(_) = error {
                    self.r = Reader::new(&[]);
                }
                Some(Err(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(octets: &[u8], format: Format) -> Vec<Result<Record, TemplateError>> {
        Records::new(Reader::new(octets), format, 7).collect()
    }

    #[test]
    fn enterprise_fields_and_withdrawals_are_read() {
        let octets = [
            1, 0, 0, 2, // template 256, 2 fields
            0, 8, 0, 4, // sourceIPv4Address
            0x80, 1, 0xff, 0xff, 0, 0, 0, 9, // enterprise 9, element 1, variable
            1, 1, 0, 0, // 257 is withdrawn
            0, 2, 0, 0, // all are
        ];
        let found = records(&octets, Format::IpfixData);
        let fields = vec![
            Field { enterprise: 0, element: 8, length: 4 },
            Field { enterprise: 9, element: 1, length: VARIABLE },
        ];
        let template = Template::new(7, 256, Kind::Data, fields);
        assert_eq!((template.min_length, template.is_variable), (5, true));
        let all = Record::WithdrawAll { options: false };
        assert_eq!(found, [Ok(Record::Define(template)), Ok(Record::Withdraw(257)), Ok(all)]);
    }

    #[test]
    fn templates_after_an_invalid_one_are_read_if_its_end_is_known() {
        let octets = [
            0, 200, 0, 1, 0, 8, 0, 4, // id below 256
            1, 0, 0, 1, 0, 8, 0, 0, // no length
            1, 1, 0, 1, 0, 8, 0, 4, // good
            1, 2, 0xff, 0xff, 0, 8, 0, 4, // absurd count
        ];
        let found = records(&octets, Format::V9Data);
        assert_eq!(found[..2], [Err(TemplateError::Id(200)), Err(TemplateError::NoLength(256))]);
        assert!(matches!(found[2], Ok(Record::Define(_))));
        assert_eq!(found[3..], [Err(TemplateError::Fields(258))]);
    }

    #[test]
    fn v9_options_templates_have_lengths_in_octets() {
        let octets = [1, 0, 0, 4, 0, 4, 0, 2, 0, 4, 0, 82, 0, 16];
        let found = records(&octets, Format::V9Options);
        let Ok(Record::Define(template)) = &found[0] else { panic!("{found:?}") };
        assert_eq!(template.kind, Kind::Options { scopes: 1 });
        assert_eq!(
            records(&[1, 0, 0, 3, 0, 4, 0, 2, 0, 4], Format::V9Options),
            [Err(TemplateError::Specifiers(256))]
        );
    }

    #[test]
    fn options_templates_after_an_invalid_one_are_used() {
        let good = [1, 1, 0, 4, 0, 4, 0, 1, 0, 4, 0, 34, 0, 4];
        for (scopes, options) in [(4, 5), (3, 4), (1, 2), (6, 6), (0, 1)] {
            let bad = [&[1, 0, 0, scopes, 0, options], &vec![0xaa; usize::from(scopes + options)][..]].concat();
            let found = records(&[&bad[..], &good].concat(), Format::V9Options);
            assert_eq!(found[0], Err(TemplateError::Specifiers(256)), "{scopes} and {options}");
            assert!(matches!(&found[1..], [Ok(Record::Define(Template { id: 257, .. }))]), "{found:?}");
        }
        // IPFIX: more scopes than fields.
        let bad = [1, 0, 0, 1, 0, 2, 0, 34, 0, 4];
        let good = [1, 1, 0, 2, 0, 1, 0, 149, 0, 4, 0, 34, 0, 4];
        let found = records(&[&bad[..], &good].concat(), Format::IpfixOptions);
        assert_eq!(found[0], Err(TemplateError::Fields(256)));
        assert!(matches!(&found[1..], [Ok(Record::Define(Template { id: 257, .. }))]), "{found:?}");
        // Lengths beyond the end of the set end the iteration.
        let beyond = records(&[1, 0, 0, 5, 0, 200, 0, 1, 0, 4], Format::V9Options);
        assert_eq!(beyond, [Err(TemplateError::Specifiers(256))]);
    }
}
