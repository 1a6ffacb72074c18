//! Where an address is: countries, postal codes and coordinates, from a MaxMind DB file.
//!
//! The database is read into memory as a whole and shared by all workers. Each worker remembers the places that it met
//! ([`Enricher`]), so that a row costs a look into a small cache, and only a new address a walk down the database's tree.
#![forbid(unsafe_code)]

mod enricher;

pub use enricher::Enricher;

use maxminddb::{MaxMindDbError, Reader, geoip2};
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

/// A database.
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
    /// It cannot be read.
    Io(std::io::Error),
    /// It is no MaxMind DB, or broken.
    Broken(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::Broken(why) => write!(f, "not a MaxMind DB that can be read (.mmdb): {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// What the database says of an address. What it does not know is empty, coordinates zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Place {
    /// ISO 3166-1 code of two letters.
    pub country: String,
    /// Postal code.
    pub pocode: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
}

impl Database {
    /// Reads a file. It may be replaced afterwards: nothing of it is read later.
    ///
    /// # Errors
    /// It cannot be read, or is no such database.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::from_octets(std::fs::read(path).map_err(Error::Io)?)
    }

    /// A database from its octets.
    ///
    /// # Errors
    /// They are no such database.
    pub fn from_octets(octets: Vec<u8>) -> Result<Self, Error> {
        let reader = Reader::from_source(octets).map_err(|error| Error::Broken(error.to_string()))?;
        Ok(Self { reader: Arc::new(reader) })
    }

    /// The kind that the database gives itself, such as `GeoLite2-City`.
    pub fn kind(&self) -> &str {
        &self.reader.metadata().database_type
    }

    /// The place of an address, and a number that all addresses of the same record share; `None` when the database has
    /// nothing about it.
    fn find(&self, address: IpAddr) -> Option<(usize, impl FnOnce() -> Place)> {
        let found = self.reader.lookup(address).ok()?;
        let record = found.offset()?;
        Some((record, move || place(found.decode())))
    }

    /// The place of an address.
    pub fn place(&self, address: IpAddr) -> Place {
        self.find(address).map(|(_, read)| read()).unwrap_or_default()
    }
}

/// A database of cities holds all that one of countries does. Records that cannot be read tell nothing.
fn place(record: Result<Option<geoip2::City<'_>>, MaxMindDbError>) -> Place {
    let Ok(Some(city)) = record else { return Place::default() };
    Place {
        country: city.country.iso_code.unwrap_or_default().to_owned(),
        pocode: city.postal.code.unwrap_or_default().to_owned(),
        latitude: city.location.latitude.unwrap_or_default(),
        longitude: city.location.longitude.unwrap_or_default(),
    }
}
