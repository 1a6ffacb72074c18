//! Feeds the metrics endpoint ([`metrics`]) with what the service knows.

use crate::settings::{PluginKind, PluginSettings, Settings as Whole};
use crate::statistics::PluginCounters;
use crate::worker::Report;
use crate::{Daemon, about};
use config::keys::http::{HTTP_LISTEN, HTTP_LISTEN_GROUP, HTTP_LISTEN_MODE};
use config::{Config, Problems};
use metrics::{Address, Build, Endpoint, Exporter, Handle, Interface, Monitor, Plugin};
use runtime::log::Identity;
use runtime::threads::Threads;
use runtime::{files, privileges};
use stats::Reader;
use std::io;
use std::sync::Arc;
use tracing::warn;

pub(crate) use metrics::Settings;

/// Reads the keys.
pub(crate) fn read(config: &Config, files: files::Settings, problems: &mut Problems) -> Option<Settings> {
    let text = config.core(&HTTP_LISTEN)?;
    let origin = config.core_origin(&HTTP_LISTEN).unwrap_or(config.source());
    let group = config.core(&HTTP_LISTEN_GROUP).and_then(|name| {
        let gid = privileges::gid(&name);
        if gid.is_none() {
            let origin = config.core_origin(&HTTP_LISTEN_GROUP).unwrap_or(origin);
            let what = format!("http_listen_group: no group '{name}'. The socket keeps the daemon's.");
            problems.warn(origin, what, None);
        }
        gid
    });
    match Address::parse(&text) {
        Ok(address) => Some(Settings { address, mode: config.core(&HTTP_LISTEN_MODE), group, files }),
        Err(error) => {
            problems.fatal(origin, format!("http_listen: '{text}' is no address: {error}."), None);
            None
        }
    }
}

/// The endpoint, if the configuration asks for one.
pub(crate) struct Http {
    monitor: Arc<Monitor>,
    endpoint: Option<Endpoint>,
    handle: Option<Handle>,
}

impl Http {
    /// Binds its address.
    pub(crate) fn bind(daemon: &Daemon, settings: Option<&Settings>) -> Result<Self, String> {
        let bind = |settings: &Settings| {
            if settings.address.is_public() {
                warn!("http_listen: {}: other machines may read the metrics", settings.address);
            }
            Endpoint::bind(settings).map_err(|error| format!("http_listen: {}: {error}", settings.address))
        };
        let build = Build { program: daemon.name, version: about::VERSION, features: about::built_in() };
        let endpoint = settings.map(bind).transpose()?;
        Ok(Self { monitor: Arc::new(Monitor::new(build)), endpoint, handle: None })
    }

    /// Starts its thread.
    pub(crate) fn start(
        &mut self,
        threads: &Threads,
        settings: &Whole,
        workers: &[Reader],
        plugins: &[PluginCounters],
    ) -> io::Result<()> {
        let Some(endpoint) = self.endpoint.take() else { return Ok(()) };
        self.monitor.add_workers(workers.iter().cloned());
        self.monitor.add_plugins(plugins.iter().zip(&settings.plugins).map(|(plugin, settings)| Plugin {
            name: plugin.name.clone(),
            kind: plugin.kind,
            readers: plugin.readers.clone(),
            spools: spools(settings),
        }));
        let (handle, work) = endpoint.serve(Arc::clone(&self.monitor));
        self.handle = Some(handle);
        threads.spawn("http", Identity::new(&settings.core_name, "core").debug(settings.debug), work)
    }

    /// The daemon works from now on.
    pub(crate) fn running(&self) {
        self.monitor.running();
    }

    /// The main loop is alive. True when workers should report what exporters have sent.
    pub(crate) fn tick(&self) -> bool {
        self.handle.is_some() && self.monitor.tick()
    }

    /// Takes in what all workers have reported.
    pub(crate) fn reported(&self, reports: &[Report]) {
        if self.handle.is_none() {
            return;
        }
        let exporters = reports.iter().flat_map(|report| &report.exporters).map(|exporter| Exporter {
            address: exporter.address,
            datagrams: exporter.datagrams,
            bytes: exporter.octets,
            records: exporter.records,
            gaps: exporter.forward,
            lost: exporter.lost,
        });
        let interfaces = reports.iter().flat_map(|report| &report.interfaces).map(|interface| Interface {
            name: interface.name.clone(),
            direction: interface.direction,
            received: interface.received,
            dropped: interface.dropped,
        });
        self.monitor.reported(exporters, interfaces);
    }

    /// The daemon begins to end.
    pub(crate) fn ending(&self) {
        self.monitor.ending();
    }

    /// Ends the endpoint's thread.
    pub(crate) fn stop(&mut self) {
        self.handle = None;
    }
}

/// What a plugin's store does not take waits on disk.
fn spools(plugin: &PluginSettings) -> bool {
    matches!(&plugin.kind, PluginKind::Store(store, _) if store.spool.is_some())
}
