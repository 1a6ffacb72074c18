//! Locations of both ends of a row.

use crate::{Database, Location};
use flow::address::{self, Octets};
use flow::field::Field;
use flow::row::{FieldSet, Layout, RowMut};
use flow::strings::Strings;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::hash::BuildHasher;

/// Addresses that are cached.
const CACHED_ADDRESSES: usize = 8192;
/// Records that are cached, some three megabytes. Databases of cities have a few hundred thousand, of which a worker's traffic
/// needs few at a time.
const CACHED_RECORDS: usize = 1 << 16;

/// A location as stored in rows.
#[derive(Clone, Copy, Debug, Default)]
struct RowLocation {
    country: u32,
    pocode: u32,
    latitude: f64,
    longitude: f64,
}

/// The fields of one end.
const ENDS: [[Field; 4]; 2] = [
    [Field::SrcHost, Field::SrcCountry, Field::SrcPocode, Field::SrcCoords],
    [Field::DstHost, Field::DstCountry, Field::DstPocode, Field::DstCoords],
];

/// Their offsets.
#[derive(Clone, Copy, Debug)]
struct End {
    host: usize,
    country: Option<usize>,
    pocode: Option<usize>,
    coordinates: Option<usize>,
}

/// Fills in the locations of a worker's rows.
#[derive(Debug)]
pub struct Enricher {
    database: Database,
    ends: Vec<End>,
    /// By a hash of the address: the address and its location. An address replaces another one in its slot.
    addresses: Vec<(Octets, RowLocation)>,
    /// By the number of a record.
    records: HashMap<usize, RowLocation>,
    // Senders choose addresses: a secret seed keeps them from choosing addresses that evict each other.
    hash: RandomState,
}

impl Enricher {
    /// Adds the fields that locations are derived from.
    pub fn require(fields: &mut FieldSet) {
        for [host, wanted @ ..] in ENDS {
            if wanted.iter().any(|field| fields.has(*field)) {
                fields.insert(host);
            }
        }
    }

    /// Compiles it for rows of this layout.
    pub fn new(database: &Database, layout: &Layout) -> Self {
        let end = |[host, country, pocode, coordinates]: [Field; 4]| {
            let at = |field| layout.offset(field);
            let end =
                End { host: at(host)?, country: at(country), pocode: at(pocode), coordinates: at(coordinates) };
            [end.country, end.pocode, end.coordinates].iter().any(Option::is_some).then_some(end)
        };
        let ends: Vec<End> = ENDS.into_iter().filter_map(end).collect();
        let (addresses, records) = (Vec::new(), HashMap::new());
        Self { database: database.clone(), ends, addresses, records, hash: RandomState::default() }
    }

    /// True if rows have no fields for locations.
    pub fn is_idle(&self) -> bool {
        self.ends.is_empty()
    }

    /// Fills in the locations of a row.
    pub fn apply(&mut self, row: &mut RowMut<'_>, strings: &mut Strings) {
        for number in 0..self.ends.len() {
            let Some(end) = self.ends.get(number).copied() else { continue };
            let octets = row.bytes();
            let Some(host) = octets.get(end.host..).and_then(|octets| octets.first_chunk::<16>()) else {
                continue;
            };
            let location = self.location(*host, strings);
            put(octets, end.country, &location.country.to_be_bytes());
            put(octets, end.pocode, &location.pocode.to_be_bytes());
            put(octets, end.coordinates, &location.latitude.to_be_bytes());
            put(octets, end.coordinates.map(|at| at + 8), &location.longitude.to_be_bytes());
        }
    }

    fn location(&mut self, host: Octets, strings: &mut Strings) -> RowLocation {
        if self.addresses.is_empty() {
            self.addresses = vec![(address::ABSENT, RowLocation::default()); CACHED_ADDRESSES];
        }
        let [high, low] =
            [0, 8].map(|at| host.get(at..).and_then(|o| o.first_chunk()).map_or(0, |o| u64::from_ne_bytes(*o)));
        let slot = self.hash.hash_one((high, low)) as usize % CACHED_ADDRESSES;
        if let Some((cached, location)) = self.addresses.get(slot)
            && *cached == host
        {
            return *location;
        }
        let location = self.find(&host, strings);
        if let Some(entry) = self.addresses.get_mut(slot) {
            *entry = (host, location);
        }
        location
    }

    #[cold]
    fn find(&mut self, host: &Octets, strings: &mut Strings) -> RowLocation {
        let Some(address) = address::address(host) else { return RowLocation::default() };
        let Some((record, read)) = self.database.find(address) else { return RowLocation::default() };
        if let Some(location) = self.records.get(&record) {
            return *location;
        }
        let Location { country, pocode, latitude, longitude } = read();
        let mut intern = |text: String| strings.intern(text.as_bytes());
        let location = RowLocation { country: intern(country), pocode: intern(pocode), latitude, longitude };
        if self.records.len() >= CACHED_RECORDS {
            self.records.clear();
        }
        self.records.insert(record, location);
        location
    }

    /// Call this after the rows' strings are cleared: cached ids are void.
    pub fn forget_strings(&mut self) {
        self.records.clear();
        self.addresses.clear();
    }
}

fn put(row: &mut [u8], at: Option<usize>, octets: &[u8]) {
    if let Some(at) = at
        && let Some(to) = row.get_mut(at..at + octets.len())
    {
        to.copy_from_slice(octets);
    }
}
