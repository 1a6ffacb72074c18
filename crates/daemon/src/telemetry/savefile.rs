//! `pcap_savefile`: telemetry of a capture file.
//!
//! What was sent to the ports of `telemetry_daemon_port_tcp`, `telemetry_daemon_port_udp` and `telemetry_daemon_udp_notif_port` is read as
//! it would be from sockets. Times are those of reading. Streams come first, then datagrams.

use super::figures::Ending;
use super::input::Input;
use super::node::Transport;
use super::service::Service;
use super::settings::savefile;
use super::tcp::{Connection, Stream};
use super::udp::{Protocol, Reader};
use crate::host::blame;
use crate::host::part::{Reading, Services};
use crate::sessions::report_ignored;
use capture::pcap_file::{Error, Payloads, Settings, StreamEvent, StreamId, Streams};
use config::keys::{input, telemetry};
use runtime::clock;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tracing::{info, warn};

/// Frames that are read before what they contained is written.
const FRAMES: usize = 256;

/// The input.
struct Savefile {
    settings: Settings,
    streams: Option<(u16, Stream)>,
    /// Until the thread starts.
    datagrams: Vec<(u16, Reader)>,
}

/// Reads a capture file, if pmtelemetryd is configured to.
pub(super) fn choose(reading: &mut Reading<'_>) -> Option<Box<dyn Input>> {
    let config = reading.config;
    let settings = savefile(config)?;
    let tcp = config.core(&telemetry::TELEMETRY_DAEMON_PORT_TCP);
    let udp = config.core(&telemetry::TELEMETRY_DAEMON_PORT_UDP);
    let notif = config.core(&telemetry::TELEMETRY_DAEMON_UDP_NOTIF_PORT);
    if [tcp, udp, notif].iter().all(Option::is_none) {
        let what = "pcap_savefile: no port of telemetry is configured.";
        let hint = "Set telemetry_daemon_port_tcp, telemetry_daemon_port_udp or telemetry_daemon_udp_notif_port to the ports to which \
                    telemetry was sent.";
        reading.problems.fatal(blame(config, &input::PCAP_SAVEFILE), what, Some(hint.to_owned()));
    }
    let streams = tcp.map(|port| (port, Stream::read(reading, &telemetry::TELEMETRY_DAEMON_PORT_TCP)));
    let mut datagrams = Vec::new();
    if let Some(port) = udp {
        let stream = Stream::read(reading, &telemetry::TELEMETRY_DAEMON_PORT_UDP);
        datagrams.push((port, Reader::new(Protocol::Plain(stream))));
    }
    if let Some(port) = notif {
        datagrams.push((port, Reader::new(Protocol::notif(reading))));
    }
    Some(Box::new(Savefile { settings, streams, datagrams }))
}

impl Input for Savefile {
    fn start(&mut self, service: &Arc<Service>, services: &Services) -> io::Result<()> {
        let mut file = File {
            settings: self.settings.clone(),
            streams: self.streams,
            datagrams: std::mem::take(&mut self.datagrams),
            connections: HashMap::new(),
        };
        service.spawn(services, "telemetry/file", move |service| {
            let complete = file.read_rounds(service);
            service.shared.incomplete.fetch_or(!complete, Ordering::AcqRel);
        })
    }

    fn is_finite(&self) -> bool {
        true
    }
}

/// The state of the thread.
struct File {
    settings: Settings,
    streams: Option<(u16, Stream)>,
    datagrams: Vec<(u16, Reader)>,
    connections: HashMap<StreamId, Connection>,
}

impl File {
    /// Reads the file as often as it is configured. False if it could not be read completely.
    fn read_rounds(&mut self, service: &Arc<Service>) -> bool {
        let path = self.settings.path.display().to_string();
        let (mut complete, mut round) = (true, 0);
        while self.settings.replay == 0 || round < self.settings.replay {
            if service.stop.pause(self.settings.delay) {
                return complete;
            }
            info!("reading telemetry data from: {path}");
            let read = self.read_streams(service).and_then(|()| self.read_datagrams(service));
            complete &= read.inspect_err(|error| warn!("pcap_savefile: {error}")).is_ok();
            info!("finished reading telemetry data from: {path}");
            round += 1;
        }
        while self.settings.wait && !service.stop.pause(super::udp::REGULAR) {
            service.idle();
        }
        complete
    }

    fn read_streams(&mut self, service: &Arc<Service>) -> Result<(), Error> {
        let Some((port, stream)) = self.streams else { return Ok(()) };
        let mut streams = Streams::open(&self.settings)?;
        let connections = &mut self.connections;
        while !service.stop.is_requested() {
            let mut more = true;
            for _ in 0..FRAMES {
                more = streams.advance(|id, _, event| {
                    if id.destination.port() == port {
                        handle(service, connections, stream, id, event);
                    }
                })?;
                if !more {
                    break;
                }
            }
            service.flush();
            if !more {
                break;
            }
        }
        report_ignored(streams.ignored());
        // What was not closed in the file goes on after it.
        connections.drain().for_each(|(_, connection)| connection.end(Ending::Shutdown));
        Ok(())
    }

    fn read_datagrams(&mut self, service: &Arc<Service>) -> Result<(), Error> {
        if self.datagrams.is_empty() {
            return Ok(());
        }
        let mut payloads = Payloads::open(&self.settings)?;
        let mut more = true;
        while more && !service.stop.is_requested() {
            let now = clock::now();
            self.datagrams.iter_mut().for_each(|(_, reader)| reader.begin());
            let result = service.batch(|collector| {
                for _ in 0..FRAMES {
                    let read = payloads.next_with(|payload| {
                        for (port, reader) in &mut self.datagrams {
                            if payload.destination.port() == *port {
                                reader.receive(collector, service, payload.source, payload.octets, now);
                            }
                        }
                    });
                    match read {
                        Ok(Some(())) => {}
                        Ok(None) => {
                            more = false;
                            break;
                        }
                        Err(error) => return Some(error),
                    }
                }
                None
            });
            self.datagrams.iter().for_each(|(_, reader)| reader.count(service));
            if let Some(error) = result {
                return Err(error);
            }
        }
        self.datagrams.iter_mut().for_each(|(_, reader)| reader.end(service));
        Ok(())
    }
}

fn handle(
    service: &Arc<Service>,
    connections: &mut HashMap<StreamId, Connection>,
    stream: Stream,
    id: StreamId,
    event: StreamEvent<'_>,
) {
    match event {
        StreamEvent::Opened { .. } => {
            let node = service.enter(|collector| collector.connect(Transport::Tcp, id.source, clock::now()));
            if let Some(node) = node {
                connections.insert(id, Connection::new(service, stream, node));
            }
        }
        StreamEvent::Data(octets) => {
            let Some(connection) = connections.get_mut(&id) else { return };
            connection.receive(octets);
            if let Some(ending) = connection.ending
                && let Some(connection) = connections.remove(&id)
            {
                connection.end(ending);
            }
        }
        // Messages cannot be found behind a gap.
        StreamEvent::Closed | StreamEvent::Missing(_) => {
            let Some(connection) = connections.remove(&id) else { return };
            if let StreamEvent::Missing(octets) = event {
                let ip = id.source.ip();
                warn!(
                    "[{ip}] {octets} octets of the connection are missing in the file; the rest of it is ignored"
                );
            }
            let ending = connection.disconnected();
            connection.end(ending);
        }
    }
}
