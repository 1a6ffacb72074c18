//! Feeds the metrics endpoint ([`metrics`]) with what the parts show of themselves.

use crate::about;
use crate::host::part::{Kind, Part, Reading, Services};
use crate::host::{Board, Readers, files_of};
use config::Config;
use config::Problems;
use config::keys::http::{HTTP_LISTEN, HTTP_LISTEN_GROUP, HTTP_LISTEN_MODE};
use metrics::{Address, Build, Endpoint, Exporter, Handle, Interface, Monitor, Plugin, Settings};
use runtime::privileges;
use std::io;
use std::sync::Arc;
use tracing::warn;

/// The endpoint in the row of a daemon.
pub(crate) static ROW: Endpoints = Endpoints;

/// The kind of this part.
pub(crate) struct Endpoints;

impl Kind for Endpoints {
    fn read(&self, reading: &mut Reading<'_>) -> Option<Box<dyn Part>> {
        let settings = read(reading.config, reading.problems)?;
        let program = reading.config.daemon().name();
        let build = Build { program, version: about::VERSION, features: about::built_in(reading.plugins) };
        let monitor = Arc::new(Monitor::new(build));
        Some(Box::new(Http { settings, monitor, endpoint: None, handle: None }))
    }
}

/// Reads the keys.
fn read(config: &Config, problems: &mut Problems) -> Option<Settings> {
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
        Ok(address) => {
            Some(Settings { address, mode: config.core(&HTTP_LISTEN_MODE), group, files: files_of(config) })
        }
        Err(error) => {
            problems.fatal(origin, format!("http_listen: '{text}' is no address: {error}."), None);
            None
        }
    }
}

/// The endpoint.
struct Http {
    settings: Settings,
    monitor: Arc<Monitor>,
    /// Until its thread starts.
    endpoint: Option<Endpoint>,
    /// While its thread runs.
    handle: Option<Handle>,
}

impl Part for Http {
    fn open(&mut self) -> Result<(), String> {
        let address = &self.settings.address;
        if address.is_public() {
            warn!("http_listen: {address}: other machines may read the metrics");
        }
        let endpoint =
            Endpoint::bind(&self.settings).map_err(|error| format!("http_listen: {address}: {error}"))?;
        self.endpoint = Some(endpoint);
        Ok(())
    }

    fn start(&mut self, services: &Services) -> io::Result<()> {
        let Some(endpoint) = self.endpoint.take() else { return Ok(()) };
        let Readers { workers, plugins } = services.board.readers();
        self.monitor.add_workers(workers);
        self.monitor.add_plugins(plugins.into_iter().map(|plugin| Plugin {
            name: plugin.name,
            kind: plugin.kind,
            readers: plugin.readers,
            spools: plugin.spools,
        }));
        let (handle, work) = endpoint.serve(Arc::clone(&self.monitor));
        self.handle = Some(handle);
        services.threads.spawn("http", services.identity.clone(), work)
    }

    /// The daemon works from now on.
    fn announce(&self) {
        self.monitor.running();
    }

    /// The main loop is alive, and workers should report now and then what exporters have sent.
    fn wants_report(&mut self) -> bool {
        self.handle.is_some() && self.monitor.tick()
    }

    fn share_report(&mut self, board: &Board) {
        if self.handle.is_none() {
            return;
        }
        let reports = board.take_reports();
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
    fn stop(&mut self) {
        self.monitor.ending();
    }

    /// Ends the endpoint's thread.
    fn close(&mut self) {
        self.handle = None;
    }

    fn has_failed(&mut self, _finite: bool) -> bool {
        false
    }
}
