//! Records which counters a test run has counted.
//!
//! Only programs built with debug assertions have this. When the variable [`VARIABLE`] names a folder, each array of
//! counters adds the names of its counters that were ever above zero to a file there, as its writer ends. Tests and the
//! daemons that they start write at the same time, each process to a file of its own. `cargo run -p xtask -- counters
//! FOLDER` lists the counters that are in none of the files.

use crate::table::{COUNT, ROWS};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// The environment variable that names the folder.
const VARIABLE: &str = "PMACCT_TEST_COUNTERS";

/// A bit for each counter that was above zero at some time, a gauge that is zero at the end included.
#[derive(Debug)]
pub(crate) struct Recorded {
    bits: [AtomicU64; COUNT.div_ceil(64)],
}

impl Recorded {
    pub(crate) const fn new() -> Self {
        Self { bits: [const { AtomicU64::new(0) }; COUNT.div_ceil(64)] }
    }

    /// Notes the counter of that number.
    pub(crate) fn note(&self, number: usize, value: u64) {
        if value != 0 {
            self.bits[number / 64].fetch_or(1 << (number % 64), Ordering::Relaxed);
        }
    }

    /// Adds the counters that were noted to the file of this process.
    pub(crate) fn write(&self) {
        let Some(folder) = std::env::var_os(VARIABLE) else { return };
        let is_noted = |number: usize| self.bits[number / 64].load(Ordering::Relaxed) & 1 << (number % 64) != 0;
        let noted = ROWS.iter().enumerate().filter(|(number, _)| is_noted(*number));
        let lines: String = noted.map(|(_, row)| row.counter.key() + "\n").collect();
        let path = Path::new(&folder).join(std::process::id().to_string());
        // A confined daemon may not write there, and adds nothing.
        if let Ok(mut file) = File::options().create(true).append(true).open(path) {
            let _ = file.write_all(lines.as_bytes());
        }
    }
}
