//! The rows of the probes.

use super::{Running, Sink};
use crate::probe::{self, Nfprobe};
use config::{Diagnostics, Plugin};
use std::io;

pub(super) fn nfprobe(plugin: &Plugin, problems: &mut Diagnostics) -> Box<dyn Sink> {
    Box::new(Nfprobe::read(plugin, problems))
}

impl Sink for Nfprobe {
    fn be_patient(&mut self) {
        self.is_replay = true;
    }

    fn start(self: Box<Self>, running: Running) -> io::Result<()> {
        let Running { name, identity, schema, inlet, counters, threads, .. } = running;
        threads.spawn(format!("nfprobe[{name}]"), identity, move || probe::run(&self, &schema, inlet, counters))
    }
}
