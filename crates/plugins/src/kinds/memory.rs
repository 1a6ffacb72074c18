//! The row of the memory plugin.

use super::{Owned, Owning, Running, Sink};
use crate::memory::{self, Opened, Settings};
use config::keys::memory::IMT_PATH;
use config::{Diagnostics, Plugin};
use delivery::StoreError;
use runtime::confine::Access;
use std::io;

/// Maximum length of a socket's path (unix(7)).
const MAX_SOCKET_PATH: usize = 107;

struct Memory {
    settings: Settings,
    opened: Option<Opened>,
}

pub(super) fn read(plugin: &Plugin, problems: &mut Diagnostics) -> Box<dyn Sink> {
    Box::new(Memory { settings: Settings::read(plugin, problems), opened: None })
}

pub(super) fn access(plugin: &Plugin, access: &mut Access) {
    access.written_in_existing.push(plugin.get(&IMT_PATH));
}

impl Sink for Memory {
    fn check(&self) -> Result<(), StoreError> {
        if self.settings.path.as_os_str().len() <= MAX_SOCKET_PATH {
            return Ok(());
        }
        let what = format!("the name of a socket has at most {MAX_SOCKET_PATH} bytes");
        Err(StoreError::Configuration { key: "imt_path", what })
    }

    fn owns(&self) -> Vec<Owned> {
        vec![Owned { key: "imt_path", path: self.settings.path.clone(), how: Owning::Socket }]
    }

    fn open(&mut self) -> Result<(), String> {
        let opened = memory::open(&self.settings);
        self.opened = Some(opened.map_err(|error| format!("imt_path[{}]: {error}", self.settings.name))?);
        Ok(())
    }

    fn start(self: Box<Self>, running: Running) -> io::Result<()> {
        let Running { name, identity, schema, hash, inlet, counters, threads, .. } = running;
        let Some(opened) = self.opened else { return Err(io::ErrorKind::NotConnected.into()) };
        threads.spawn(format!("memory[{name}]"), identity, move || {
            memory::run(opened, schema, hash, inlet, counters);
        })
    }
}
