//! Headers and sets.
//!
//! | version | header | then |
//! |---|---|---|
//! | 1 | 16 octets | records of 52 octets |
//! | 5 | 24 octets | records of 48 octets |
//! | 7 | 24 octets | records of 52 octets |
//! | 9 | 20 octets | sets; the header has a count of their records, which is not used |
//! | 10 (IPFIX) | 16 octets | sets; the header has the length of the message |

use crate::template::{self, Records as TemplateRecords};
use std::fmt;
use wire::{Reader, Truncated};

/// Version number of IPFIX.
pub const IPFIX: u16 = 10;
/// Length of a v1 header in octets.
pub const V1_HEADER: usize = 16;
/// Length of a v5 or v7 header in octets.
pub const V5_HEADER: usize = 24;
/// Length of a v9 header in octets.
pub const V9_HEADER: usize = 20;
/// Length of an IPFIX header in octets.
pub const IPFIX_HEADER: usize = 16;
/// Length of a set header in octets.
pub const SET_HEADER: usize = 4;
/// The smallest id of a data set, and so of a template.
pub const MIN_TEMPLATE_ID: u16 = 256;
/// Maximum padding of a set in octets: sets are aligned to 4 or 8 octets (RFC 7011 section 3.3.1).
const MAX_PADDING: usize = 7;

/// The header fields of all versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// 1, 5, 7, 9 or 10.
    pub version: u16,
    /// v1 to v9: number of records. IPFIX: length of the message in octets.
    pub count: u16,
    /// What was sent before this datagram. v5 and v7: flows. v9: datagrams. IPFIX: data records of the domain. v1: 0.
    pub sequence: u32,
    /// v9: source id. IPFIX: observation domain id. v5: engine id. Otherwise 0.
    pub domain: u32,
    /// v5: engine type.
    pub engine_type: u8,
    /// Export time: seconds since 1970.
    pub export_secs: u32,
    /// v1 to v7: nanoseconds of the export time.
    pub export_nanos: u32,
    /// Milliseconds since the exporter started. Not in IPFIX.
    pub uptime_ms: Option<u32>,
    /// v5: sampling interval (the low 14 bits of the field); 0 if unknown.
    pub sampling_interval: u16,
}

/// Why a whole datagram is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// The datagram is too short for the header of its version.
    TooShort(Truncated),
    /// The version does not exist or is not supported.
    Version(u16),
    /// v1, v5, v7: the datagram has fewer records than its header announces.
    Count {
        /// Announced.
        announced: u16,
        /// Present.
        present: usize,
    },
    /// The length of an IPFIX message is less than that of its header.
    Length(u16),
}

impl From<Truncated> for HeaderError {
    fn from(truncated: Truncated) -> Self {
        Self::TooShort(truncated)
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort(truncated) => write!(f, "header: {truncated}"),
            Self::Version(version) => write!(f, "version {version} is not one of 1, 5, 7, 9, 10"),
            Self::Count { announced, present } => write!(f, "{announced} records announced, {present} present"),
            Self::Length(length) => write!(f, "message length {length} is less than the header's 16"),
        }
    }
}

/// Why a set or the rest of a datagram cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetError {
    /// The set is truncated.
    Truncated(Truncated),
    /// The length of the set is less than that of its header. The second value is the offset of the set.
    SetLength(u16, usize),
    /// No version defines this set id.
    SetId(u16),
    /// A template is invalid.
    Template(template::TemplateError),
    /// This many octets follow the end of the IPFIX message, by the length in its header.
    TrailingOctets(usize),
    /// The padding of the data set with this id is not zero, where that is checked.
    Padding(u16),
}

impl From<Truncated> for SetError {
    fn from(truncated: Truncated) -> Self {
        Self::Truncated(truncated)
    }
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated(truncated) => write!(f, "{truncated}"),
            Self::SetLength(length, at) => {
                write!(f, "set at octet {at}: length {length} is less than its header's 4")
            }
            Self::SetId(id) => write!(f, "set id {id} is reserved"),
            Self::Template(error) => write!(f, "{error}"),
            Self::TrailingOctets(octets) => {
                write!(f, "ignoring {octets} octets after the end of the IPFIX message")
            }
            Self::Padding(id) => write!(f, "ignoring data set {id}: its padding is not zero"),
        }
    }
}

/// A datagram with its header decoded.
#[derive(Clone, Debug)]
pub struct Datagram<'a> {
    /// The header.
    pub header: Header,
    /// What follows the header.
    pub body: Body<'a>,
}

/// The contents of a datagram.
#[derive(Clone, Debug)]
pub enum Body<'a> {
    /// Records of v1, v5 or v7.
    Records(FixedRecords<'a>),
    /// Sets of v9 or IPFIX.
    Sets(Sets<'a>),
}

impl Datagram<'_> {
    /// Returns true if the datagram has a set of templates.
    pub fn has_templates(&self) -> bool {
        match &self.body {
            Body::Records(_) => false,
            Body::Sets(sets) => sets.clone().any(|set| matches!(set, Ok(Set::Templates(_)))),
        }
    }

    /// Returns true if the datagram contains a record or a template, as far as that can be seen without knowing templates.
    pub fn has_content(&self) -> bool {
        let defines = |record| matches!(record, Ok(template::Record::Define(_)));
        match &self.body {
            Body::Records(records) => !records.octets.is_empty(),
            Body::Sets(sets) => sets.clone().any(|set| match set {
                Ok(Set::Templates(mut records)) => records.any(defines),
                Ok(Set::Data { body, .. }) => !body.is_empty(),
                Err(_) => false,
            }),
        }
    }
}

/// Complete records of a fixed layout.
#[derive(Clone, Debug)]
pub struct FixedRecords<'a> {
    /// The records, one after the other.
    pub octets: &'a [u8],
    /// Length of one record in octets.
    pub size: usize,
}

/// Decodes the header of a datagram.
pub fn open(octets: &[u8]) -> Result<Datagram<'_>, HeaderError> {
    let mut r = Reader::new(octets);
    let version = r.u16()?;
    match version {
        1 => fixed(r, version, 0, 52),
        5 => fixed(r, version, 8, 48),
        7 => fixed(r, version, 8, 52),
        9 => {
            let header = Header {
                version,
                count: r.u16()?,
                uptime_ms: Some(r.u32()?),
                export_secs: r.u32()?,
                sequence: r.u32()?,
                domain: r.u32()?,
                ..Header::default()
            };
            let sets = Sets { r, ipfix: false, domain: header.domain, trailing: &[] };
            Ok(Datagram { header, body: Body::Sets(sets) })
        }
        IPFIX => {
            let header = Header {
                version,
                count: r.u16()?,
                export_secs: r.u32()?,
                sequence: r.u32()?,
                domain: r.u32()?,
                ..Header::default()
            };
            let Some(len) = usize::from(header.count).checked_sub(IPFIX_HEADER) else {
                return Err(HeaderError::Length(header.count));
            };
            // A truncated message is read as far as it goes: its last set reports what is missing.
            let message = r.within(len.min(r.left()))?;
            let sets = Sets { r: message, ipfix: true, domain: header.domain, trailing: r.rest() };
            Ok(Datagram { header, body: Body::Sets(sets) })
        }
        other => Err(HeaderError::Version(other)),
    }
}

/// Decodes header and records of v1 (`tail` 0), v5 and v7 (`tail` 8).
fn fixed(mut r: Reader<'_>, version: u16, tail: usize, size: usize) -> Result<Datagram<'_>, HeaderError> {
    let mut header = Header {
        version,
        count: r.u16()?,
        uptime_ms: Some(r.u32()?),
        export_secs: r.u32()?,
        export_nanos: r.u32()?,
        ..Header::default()
    };
    if tail > 0 {
        header.sequence = r.u32()?;
        let [engine_type, engine_id, high, low] = r.array()?;
        if version == 5 {
            header.engine_type = engine_type;
            header.domain = u32::from(engine_id);
            // The upper two bits are the sampling mode.
            header.sampling_interval = u16::from_be_bytes([high & 0x3f, low]);
        }
    }
    // A header that announces more records than the datagram holds is not to be trusted. Octets after the records do no
    // harm, except in v1, where nothing else distinguishes a datagram from noise.
    let present = r.left() / size;
    let announced = header.count;
    let count = usize::from(announced);
    if count > present || (version == 1 && r.left() != count * size) {
        return Err(HeaderError::Count { announced, present });
    }
    let octets = r.take(count * size)?;
    Ok(Datagram { header, body: Body::Records(FixedRecords { octets, size }) })
}

/// Iterates over the sets of a datagram. An error in the structure ends the iteration. Zeros after the last set are
/// padding: some exporters send only datagrams of one size.
#[derive(Clone, Debug)]
pub struct Sets<'a> {
    r: Reader<'a>,
    ipfix: bool,
    domain: u32,
    /// What follows the message in its datagram.
    trailing: &'a [u8],
}

/// One set.
#[derive(Clone, Debug)]
pub enum Set<'a> {
    /// Data or options templates.
    Templates(TemplateRecords<'a>),
    /// Records of a template.
    Data {
        /// Template id.
        id: u16,
        /// The records and the padding.
        body: &'a [u8],
        /// Octets by which the set exceeds the datagram or message, at most as many as padding may have. They are padding
        /// unless a record is incomplete without them.
        missing: usize,
    },
}

impl<'a> Iterator for Sets<'a> {
    type Item = Result<Set<'a>, SetError>;

    fn next(&mut self) -> Option<Self::Item> {
        // A datagram may end with up to three octets of padding.
        if self.r.left() < SET_HEADER || self.is_padding() {
            self.r = Reader::new(&[]);
            let trailing = std::mem::take(&mut self.trailing);
            return (trailing.len() >= SET_HEADER && !is_zero(trailing))
                .then_some(Err(SetError::TrailingOctets(trailing.len())));
        }
        let set = self.set();
        if matches!(set, Err(SetError::Truncated(_) | SetError::SetLength(..))) {
            self.r = Reader::new(&[]);
        }
        Some(set)
    }
}

impl<'a> Sets<'a> {
    /// Offset of the next set from the start of the datagram, in octets.
    pub fn at(&self) -> usize {
        self.r.at()
    }

    /// Returns true if only zeros are left. Set id 0 is not used in IPFIX, and in v9 a set 0 has a length.
    fn is_padding(&self) -> bool {
        let left = self.r.rest();
        left.starts_with(&[0; SET_HEADER]) && is_zero(left)
    }

    fn set(&mut self) -> Result<Set<'a>, SetError> {
        let at = self.r.at();
        let (id, length) = (self.r.u16()?, self.r.u16()?);
        let Some(len) = usize::from(length).checked_sub(SET_HEADER) else {
            return Err(SetError::SetLength(length, at));
        };
        // Some exporters count the padding of the last set in the length of the set, but do not send it.
        let missing = len.saturating_sub(self.r.left());
        let body = self.r.within(if missing <= MAX_PADDING { len - missing } else { len })?;
        let kind = match (self.ipfix, id) {
            (false, 0) => template::Format::V9Data,
            (false, 1) => template::Format::V9Options,
            (true, 2) => template::Format::IpfixData,
            (true, 3) => template::Format::IpfixOptions,
            (_, MIN_TEMPLATE_ID..) => return Ok(Set::Data { id, body: body.rest(), missing }),
            _ => return Err(SetError::SetId(id)),
        };
        Ok(Set::Templates(TemplateRecords::new(body, kind, self.domain)))
    }
}

fn is_zero(octets: &[u8]) -> bool {
    octets.iter().all(|octet| *octet == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_v5_datagram_has_its_complete_records() {
        let mut octets = vec![0, 5, 0, 2]; // version, count
        octets.extend([0, 0, 0, 9, 0, 0, 0, 8, 0, 0, 0, 7]); // uptime, seconds, nanoseconds
        octets.extend([0, 0, 0, 6, 1, 2, 0x40, 100]); // sequence, engine type and id, sampling
        octets.extend([0xaa; 2 * 48 + 20]);
        let datagram = open(&octets).unwrap();
        assert_eq!((datagram.header.domain, datagram.header.sampling_interval), (2, 100));
        let Body::Records(records) = datagram.body else { panic!("records") };
        assert_eq!(records.octets.len(), 96);
        let short = open(&octets[..24 + 95]).unwrap_err();
        assert_eq!(short, HeaderError::Count { announced: 2, present: 1 });
    }

    #[test]
    fn inconsistent_headers_are_rejected() {
        assert_eq!(open(&[0]).unwrap_err(), HeaderError::TooShort(Truncated { at: 0, wanted: 2, left: 1 }));
        assert_eq!(open(&[0, 8, 0, 0]).unwrap_err(), HeaderError::Version(8));
        let ipfix = [0, 10, 0, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(open(&ipfix).unwrap_err(), HeaderError::Length(15));
    }

    #[test]
    fn a_wrong_set_length_ends_the_datagram_with_one_error() {
        let header = [0, 10, 0, 28, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let sets = |tail: &[u8]| {
            let octets = [&header[..], tail].concat();
            let Body::Sets(sets) = open(&octets).unwrap().body else { panic!("sets") };
            sets.map(|set| set.map(|_| ())).collect::<Vec<_>>()
        };
        let good = [1, 0, 0, 4];
        assert_eq!(
            sets(&[&good[..], &[1, 0, 0, 3, 0, 0, 0, 0]].concat()),
            [Ok(()), Err(SetError::SetLength(3, 20))]
        );
        let beyond = SetError::Truncated(Truncated { at: 24, wanted: 96, left: 4 });
        assert_eq!(sets(&[&good[..], &[1, 0, 0, 100, 0, 0, 0, 0]].concat()), [Ok(()), Err(beyond)]);
    }

    /// Returns the present and the missing octets of each data set.
    fn sets_of(octets: &[u8]) -> Vec<Result<(usize, usize), SetError>> {
        let Body::Sets(sets) = open(octets).unwrap().body else { panic!("sets") };
        sets.map(|set| match set? {
            Set::Data { body, missing, .. } => Ok((body.len(), missing)),
            Set::Templates(_) => panic!("a template set"),
        })
        .collect()
    }

    fn ipfix(length: u16, sets: &[u8]) -> Vec<u8> {
        let [high, low] = length.to_be_bytes();
        [&[0, 10, high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], sets].concat()
    }

    #[test]
    fn zeros_after_the_sets_are_padding() {
        let set = [1, 0, 0, 6, 7, 7];
        for zeros in [0, 1, 3, 4, 5, 400] {
            let sets = [&set[..], &vec![0; zeros]].concat();
            // Within the message, after it, and both.
            for length in [22, 22 + zeros as u16, 22 + zeros as u16 / 2] {
                assert_eq!(sets_of(&ipfix(length, &sets)), [Ok((2, 0))], "{zeros} zeros, length {length}");
            }
            let v9 = [&[0, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], &sets[..]].concat();
            assert_eq!(sets_of(&v9), [Ok((2, 0))], "{zeros} zeros");
        }
        let other = [&set[..], &[0; 8], &[1]].concat();
        assert_eq!(sets_of(&ipfix(31, &other)), [Ok((2, 0)), Err(SetError::SetLength(0, 22))]);
    }

    #[test]
    fn octets_after_an_ipfix_message_are_reported() {
        let sets = [1, 0, 0, 6, 7, 7, 1, 0, 0, 6, 8, 8];
        assert_eq!(sets_of(&ipfix(28, &sets)), [Ok((2, 0)), Ok((2, 0))]);
        assert_eq!(sets_of(&ipfix(22, &sets)), [Ok((2, 0)), Err(SetError::TrailingOctets(6))]);
        assert_eq!(sets_of(&ipfix(16, &sets)), [Err(SetError::TrailingOctets(12))]);
    }

    #[test]
    fn a_set_may_exceed_its_message_by_its_padding() {
        let set = |length| [1, 0, 0, length, 7, 7];
        assert_eq!(sets_of(&ipfix(22, &set(8))), [Ok((2, 2))]);
        assert_eq!(sets_of(&ipfix(22, &[&set(8)[..], &[0; 2]].concat())), [Ok((2, 2))]);
        assert_eq!(sets_of(&ipfix(22, &set(13))), [Ok((2, 7))]);
        let beyond = SetError::Truncated(Truncated { at: 20, wanted: 10, left: 2 });
        assert_eq!(sets_of(&ipfix(22, &set(14))), [Err(beyond)]);
    }

    proptest! {
        #[test]
        fn reading_any_octets_terminates(octets in prop::collection::vec(any::<u8>(), 0..200), version in 0u16..11) {
            let octets = [&version.to_be_bytes()[..], &octets].concat();
            if let Ok(Datagram { body: Body::Sets(sets), .. }) = open(&octets) {
                for set in sets {
                    if let Ok(Set::Templates(records)) = set {
                        prop_assert!(records.count() <= octets.len());
                    }
                }
            }
        }
    }
}
