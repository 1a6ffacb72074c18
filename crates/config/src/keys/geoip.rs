//! Geographic location of addresses.

use crate::daemons::*;
use crate::key::*;
use std::path::PathBuf;

keys! {
    /// Database in MaxMind's format, for the primitives for countries, postal codes and coordinates.
    GEOIPV2_FILE: Option<PathBuf> = path(&["geoipv2_file"]).daemons(FLOW).usr2().acts();
}
