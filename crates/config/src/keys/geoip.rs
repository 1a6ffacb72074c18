//! GeoIP databases.

use crate::key::keys;

keys! {}
