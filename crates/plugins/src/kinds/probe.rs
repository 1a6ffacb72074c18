//! The rows of the probes.

use super::{Running, Sink};
use crate::probe::{self, Nfprobe, Sfprobe, sfprobe};
use ::probe::{Sampler, samples};
use config::{Diagnostics, Plugin};
use delivery::StoreError;
use flow::schema::Schema;
use std::io;
use tracing::warn;

pub(super) fn nfprobe(plugin: &Plugin, problems: &mut Diagnostics) -> Box<dyn Sink> {
    Box::new(Nfprobe::read(plugin, problems))
}

impl Sink for Nfprobe {
    fn check(&self) -> Result<(), StoreError> {
        self.transport.dialler().map(drop)
    }

    fn be_patient(&mut self) {
        self.is_replay = true;
    }

    fn open(&mut self) -> Result<(), String> {
        self.dialler = self.transport.dialler().map_err(|error| error.to_string())?;
        Ok(())
    }

    fn start(self: Box<Self>, running: Running) -> io::Result<()> {
        let Running { name, identity, schema, inlet, counters, threads, .. } = running;
        probe::start(&name, *self, schema, inlet, counters, (identity, &threads))
    }
}

pub(super) fn sfprobe(plugin: &Plugin, problems: &mut Diagnostics) -> Box<dyn Sink> {
    Box::new(Sfprobe::read(plugin, problems))
}

impl Sink for Sfprobe {
    fn be_patient(&mut self) {
        self.is_replay = true;
    }

    fn sampler(&self, schema: &Schema) -> Option<Sampler> {
        for name in samples::unsupported(schema) {
            warn!("aggregate: '{name}' is not exported: sFlow has no record for it.");
        }
        Some(Sampler::new(self.samples.clone(), schema))
    }

    fn start(self: Box<Self>, running: Running) -> io::Result<()> {
        let Running { name, identity, packets, counters, threads, .. } = running;
        let Some(packets) = packets else { return Err(io::ErrorKind::NotConnected.into()) };
        threads.spawn(format!("sfprobe[{name}]"), identity, move || sfprobe::run(&self, &packets, counters))
    }
}
