//! Locations of addresses: countries, postal codes and coordinates, from a MaxMind DB file.
//!
//! The database is read into memory as a whole and shared by all workers. Each worker caches locations
//! ([`Enricher`]), so a row usually costs a cache lookup, and only a new address a walk through the database's tree.
//!
//! The following fields of a record are read, as in databases named `City`, `Country` and `Enterprise`, whatever their vendor:
//!
//! | path | type |
//! |---|---|
//! | `country.iso_code` | text |
//! | `postal.code` | text |
//! | `location.latitude`, `location.longitude` | real number, degrees |
//!
//! A field that is missing, or of another type, is empty or zero; the others are still read. The format used before 2014
//! (`GeoIP.dat`) is not supported; its vendor discontinued it in 2022.
#![forbid(unsafe_code)]

mod enricher;

pub use enricher::Enricher;

use maxminddb::{LookupResult, PathElement, Reader};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// A database. Clones share it.
#[derive(Clone)]
pub struct Database {
    reader: Arc<Reader<Vec<u8>>>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

/// Why a file cannot be used.
#[derive(Debug)]
pub enum Error {
    /// It is not a valid MaxMind DB: the message of the reader.
    Broken(String),
    /// It is another known format: which one, and what to do about it.
    Other(&'static str),
    /// It is a database of another type, without locations. This is the type in its metadata.
    Kind(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(why) => write!(f, "not a valid MaxMind DB (.mmdb): {why}"),
            Self::Other(what) => write!(f, "not a MaxMind DB (.mmdb): {what}"),
            Self::Kind(name) => write!(
                f,
                "a database of type '{name}' has no countries, postal codes or coordinates; \
                 use one such as GeoLite2-City or GeoLite2-Country"
            ),
        }
    }
}

impl std::error::Error for Error {}

/// The location of an address in the database. Unknown fields are empty, unknown coordinates zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Location {
    /// ISO 3166-1 code of two letters.
    pub country: String,
    /// Postal code.
    pub pocode: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
}

const COUNTRY: [&str; 2] = ["country", "iso_code"];
const POCODE: [&str; 2] = ["postal", "code"];
const LATITUDE: [&str; 2] = ["location", "latitude"];
const LONGITUDE: [&str; 2] = ["location", "longitude"];

impl Database {
    /// Creates a database from the bytes of its file.
    ///
    /// # Errors
    /// If they are not such a database, or one without locations.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Error> {
        let other = other(&bytes);
        let reader = Reader::from_source(bytes).map_err(|error| match other {
            Some(other) => Error::Other(other),
            None => Error::Broken(error.to_string()),
        })?;
        let database = Self { reader: Arc::new(reader) };
        if database.has_no_locations() {
            return Err(Error::Kind(database.kind().to_owned()));
        }
        Ok(database)
    }

    /// The type in the database's metadata, such as `GeoLite2-City`.
    pub fn kind(&self) -> &str {
        &self.reader.metadata().database_type
    }

    /// True if many addresses from the whole address space have records, and none of these has a location. The type does not help: each
    /// vendor uses other names.
    fn has_no_locations(&self) -> bool {
        const SAMPLES: u32 = 1024;
        /// The first records of a small database may well have no locations.
        const ENOUGH: usize = 64;

        let spread = |n: u32| n.wrapping_mul(0x9e37_79b9);
        let v4 = (0..SAMPLES).map(|n| IpAddr::V4(Ipv4Addr::from_bits(spread(n))));
        // 2000::/3 is the allocated part of IPv6, at present from 2001:: to 2c0f::.
        let v6 = (0..SAMPLES).map(|n| {
            let high = 0x2000_0000 | spread(n) >> 4;
            IpAddr::V6(Ipv6Addr::from_bits(u128::from(high) << 96 | u128::from(spread(n)) << 64))
        });
        let mut found = 0;
        for address in v4.chain(v6) {
            let Ok(result) = self.reader.lookup(address) else { continue };
            if !result.has_data() {
                continue;
            }
            if location(&result) != Location::default() {
                return false;
            }
            found += 1;
        }
        found >= ENOUGH
    }

    /// The location of an address, and a number shared by all addresses of the same record; `None` if the database has
    /// no record for it.
    fn find(&self, address: IpAddr) -> Option<(usize, impl FnOnce() -> Location)> {
        let found = self.reader.lookup(address).ok()?;
        let record = found.offset()?;
        Some((record, move || location(&found)))
    }

    /// Returns the location of an address.
    pub fn location(&self, address: IpAddr) -> Location {
        self.find(address).map(|(_, read)| read()).unwrap_or_default()
    }
}

fn location(found: &LookupResult<'_, Vec<u8>>) -> Location {
    let text = |path: [&'static str; 2]| {
        let text: Option<&str> = found.decode_path(&path.map(PathElement::Key)).ok().flatten();
        text.unwrap_or_default().to_owned()
    };
    // Some vendors store it in four bytes.
    let degrees = |path: [&'static str; 2]| {
        let path = path.map(PathElement::Key);
        let single = || found.decode_path(&path).ok().flatten().map(|degrees: f32| f64::from(degrees));
        let degrees: Option<f64> = found.decode_path(&path).ok().flatten().or_else(single);
        degrees.filter(|degrees| degrees.is_finite()).unwrap_or_default()
    };
    Location {
        country: text(COUNTRY),
        pocode: text(POCODE),
        latitude: degrees(LATITUDE),
        longitude: degrees(LONGITUDE),
    }
}

/// The format of a file that is not a MaxMind DB, if it is one that users often configure by mistake.
fn other(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return Some("it is compressed with gzip; decompress it first");
    }
    // GeoIP.dat identifies itself near its end.
    let end = bytes.get(bytes.len().saturating_sub(256)..).unwrap_or_default();
    let is_old = end.windows(4).any(|bytes| bytes == b"GEO-");
    is_old.then_some(
        "it has the old format of GeoIP.dat, which is not supported; use a file such as GeoLite2-City.mmdb",
    )
}
