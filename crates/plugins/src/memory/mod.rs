//! The memory plugin: aggregates stay in memory, and clients ask for them.

use crate::outlet::{Event, Inlet};
use aggregate::Table;
use encode::Style;
use flow::schema::Schema;
use foldhash::fast::RandomState;
use runtime::files;
use stats::Counters;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Settings of one memory plugin.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The plugin's name.
    pub name: String,
    /// `imt_path`.
    pub path: PathBuf,
    /// `imt_passwd`.
    pub password: Option<String>,
    /// `imt_memory`.
    pub max_octets: usize,
    /// The look of values.
    pub style: Style,
    /// Mask and owners of the socket.
    pub files: files::Settings,
}

/// A plugin that listens.
pub struct Opened {
    settings: Settings,
}

/// Listens.
pub fn open(settings: &Settings) -> io::Result<Opened> {
    Ok(Opened { settings: settings.clone() })
}

/// The plugin's thread.
pub fn run(opened: Opened, schema: Arc<Schema>, hash: RandomState, mut inlet: Inlet, _counters: Counters) {
    let _ = &opened.settings;
    let mut table = Table::new(schema, hash, 0);
    loop {
        match inlet.wait(Instant::now() + Duration::from_secs(5)) {
            Event::Early(early) => table.absorb(early),
            Event::Due => {
                if let Some(new) = inlet.collect(Duration::from_secs(1)) {
                    table.absorb(new);
                }
            }
            Event::Ended => return,
        }
    }
}
