//! Feeds the endpoint from the daemon's state.

use crate::about;
use crate::host::part::{Kind, Part, Reading, Services};
use crate::host::{Board, files_of};
use config::keys::http::{HTTP_LISTEN, HTTP_LISTEN_GROUP, HTTP_LISTEN_MODE};
use metrics::{Address, Build, Endpoint, Exporter, Handle, Interface, Monitor, Plugin, Settings};
use runtime::privileges;
use std::io;
use std::sync::Arc;
use tracing::warn;

/// The endpoint.
pub(crate) static ROW: Http = Http;

/// The kind of this part.
pub(crate) struct Http;

impl Kind for Http {
    fn read(&self, reading: &mut Reading<'_>) -> Option<Box<dyn Part>> {
        let (config, problems) = (reading.config, &mut *reading.problems);
        let text = config.core(&HTTP_LISTEN)?;
        let origin = config.core_origin(&HTTP_LISTEN).unwrap_or(config.source());
        let group = config.core(&HTTP_LISTEN_GROUP).and_then(|name| {
            let gid = privileges::gid(&name);
            if gid.is_none() {
                let origin = config.core_origin(&HTTP_LISTEN_GROUP).unwrap_or(origin);
                let what =
                    format!("http_listen_group: no such group: '{name}'. The socket keeps the daemon's group.");
                problems.warn(origin, what, None);
            }
            gid
        });
        let address = match Address::parse(&text) {
            Ok(address) => address,
            Err(error) => {
                problems.fatal(origin, format!("http_listen: '{text}' is not a valid address: {error}."), None);
                return None;
            }
        };
        let settings = Settings { address, mode: config.core(&HTTP_LISTEN_MODE), group, files: files_of(config) };
        let features = about::built_in(reading.plugins);
        let build = Build { program: config.daemon().name(), version: about::VERSION, features };
        let monitor = Arc::new(Monitor::new(build));
        Some(Box::new(Metrics { settings, monitor, endpoint: None, handle: None, board: None }))
    }
}

/// The endpoint, from its settings to its end.
struct Metrics {
    settings: Settings,
    monitor: Arc<Monitor>,
    /// Bound, until its thread starts.
    endpoint: Option<Endpoint>,
    /// Set while its thread runs.
    handle: Option<Handle>,
    board: Option<Arc<Board>>,
}

impl Part for Metrics {
    fn open(&mut self) -> Result<(), String> {
        let address = &self.settings.address;
        if address.is_public() {
            warn!("http_listen: {address}: other machines can read the metrics");
        }
        let bound = Endpoint::bind(&self.settings).map_err(|error| format!("http_listen: {address}: {error}"))?;
        self.endpoint = Some(bound);
        Ok(())
    }

    /// The other parts have started before: their counters are on the board.
    fn start(&mut self, services: &Services) -> io::Result<()> {
        let Some(endpoint) = self.endpoint.take() else { return Ok(()) };
        let readers = services.board.readers();
        self.monitor.add_workers(readers.workers);
        self.monitor.add_plugins(readers.plugins.into_iter().map(|plugin| Plugin {
            name: plugin.name,
            kind: plugin.kind,
            readers: plugin.readers,
            spools: plugin.spools,
        }));
        services.board.publish(&self.monitor);
        self.board = Some(Arc::clone(&services.board));
        let (handle, work) = endpoint.serve(Arc::clone(&self.monitor));
        self.handle = Some(handle);
        services.threads.spawn("http", services.identity.clone(), work)
    }

    fn announce(&self) {
        self.monitor.running();
    }

    fn tick(&mut self) {
        let Some(board) = &self.board else { return };
        if let Some(activity) = board.take_activity() {
            let exporters = activity.exporters.into_iter().map(|exporter| Exporter {
                address: exporter.address,
                datagrams: exporter.datagrams,
                bytes: exporter.bytes,
                records: exporter.records,
                gaps: exporter.gaps,
                lost: exporter.lost,
            });
            let interfaces = activity.interfaces.into_iter().map(|interface| Interface {
                name: interface.name,
                direction: interface.direction,
                received: interface.received,
                dropped: interface.dropped,
            });
            self.monitor.reported(exporters, interfaces);
        }
        if self.monitor.tick() {
            board.request_activity();
        }
    }

    fn stop(&mut self) {
        self.monitor.ending();
    }

    fn close(&mut self) {
        self.handle = None;
    }

    fn has_failed(&mut self, _finite: bool) -> bool {
        false
    }
}
