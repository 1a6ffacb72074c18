//! The messages of dial-out services: a request id, the data, and errors.
//!
//! ```text
//! MdtDialoutArgs (Cisco)   1 ReqId int64   2 data bytes                          3 errors string
//! serviceArgs (Huawei)     1 ReqId int64   2 data bytes or 4 data_json string    3 errors string
//! ```

use crate::fault::Fault;
use crate::fields::Fields;

/// One of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Args<'a> {
    /// Identifies the request.
    pub request_id: i64,
    /// The data: a message, or JSON; empty without data.
    pub data: &'a [u8],
    /// The data is from field 4, `data_json`.
    pub is_json: bool,
    /// What went wrong at the router; empty if nothing did.
    pub errors: &'a [u8],
}

impl<'a> Args<'a> {
    /// Reads Cisco's.
    ///
    /// # Errors
    /// The message is not valid.
    pub fn cisco(octets: &'a [u8]) -> Result<Self, Fault> {
        Self::read(octets, false)
    }

    /// Reads Huawei's.
    ///
    /// # Errors
    /// The message is not valid.
    pub fn huawei(octets: &'a [u8]) -> Result<Self, Fault> {
        Self::read(octets, true)
    }

    fn read(octets: &'a [u8], has_json: bool) -> Result<Self, Fault> {
        let (mut fields, mut args) = (Fields::new(octets), Self::default());
        while let Some(field) = fields.next()? {
            match field.number {
                1 => args.request_id = field.varint()?.cast_signed(),
                2 => (args.data, args.is_json) = (field.octets()?, false),
                3 => args.errors = field.octets()?,
                4 if has_json => (args.data, args.is_json) = (field.octets()?, true),
                _ => {}
            }
        }
        Ok(args)
    }

    /// Whether the data looks like JSON: its first octet that is no blank opens an object or a list. A message may look like that too.
    #[must_use]
    pub fn looks_like_json(&self) -> bool {
        matches!(self.data.trim_ascii_start().first(), Some(b'{' | b'['))
    }

    /// Whether there is no data, or only blanks, which routers send to keep a stream alive.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.data.iter().all(|octet| *octet == b' ')
    }
}
