//! `pcap_savefile`: BGP sessions of a capture file, or of an MRT file ([`mrt_file`]).
//!
//! The streams to the port of `bgp_daemon_port` are those of peers, and the streams in the other direction those of the collector that
//! was captured.

use super::mrt_file;
use super::observed::Observed;
use super::service::Service;
use crate::sessions::report_ignored;
use capture::pcap_file::{Error, Settings, StreamEvent, StreamId, Streams};
use std::collections::HashMap;
use tokio::task::yield_now;
use tokio::time::sleep;
use tracing::{info, warn};

/// Frames read before other tasks get their turn.
const FRAMES: usize = 256;

/// Reads the file to its end. False if it could not be read completely.
pub(super) async fn read(service: &Service, settings: &Settings) -> bool {
    let path = settings.path.display();
    sleep(settings.delay).await;
    info!("reading BGP data from: {path}");
    let mut sessions = HashMap::new();
    let read = match mrt_file::is_mrt(&settings.path) {
        true => mrt_file::read(service, &settings.path).await.map_err(|error| format!("{path}: {error}")),
        false => try_read(service, settings, &mut sessions).await.map_err(|error| error.to_string()),
    };
    let complete = read.inspect_err(|error| warn!("pcap_savefile: {error}")).is_ok();
    sessions.into_values().for_each(|session: Observed| session.end(&service.collector));
    info!("finished reading BGP data from: {path}");
    complete
}

async fn try_read(
    service: &Service,
    settings: &Settings,
    sessions: &mut HashMap<StreamId, Observed>,
) -> Result<(), Error> {
    let port = service.settings.address.port();
    let collector = &service.collector;
    let mut streams = Streams::open(settings)?;
    loop {
        for _ in 0..FRAMES {
            let more = streams.advance(|id, _, event| {
                let reverse = StreamId { source: id.destination, destination: id.source };
                if id.destination.port() == port {
                    match event {
                        StreamEvent::Opened { .. } => {
                            let old = sessions.insert(id, Observed::new(id.source, collector));
                            if let Some(old) = old {
                                old.end(collector);
                            }
                        }
                        StreamEvent::Data(octets) => {
                            if let Some(session) = sessions.get_mut(&id) {
                                session.peer_sent(octets, collector);
                            }
                        }
                        StreamEvent::Closed | StreamEvent::Missing(_) => {
                            if let Some(session) = sessions.remove(&id) {
                                if let StreamEvent::Missing(octets) = event {
                                    missing(id, octets);
                                }
                                session.end(collector);
                            }
                        }
                    }
                } else if let (StreamEvent::Data(octets), Some(session)) = (event, sessions.get_mut(&reverse)) {
                    session.other_sent(octets, collector);
                }
            })?;
            if !more || service.is_stopping() {
                report_ignored(streams.ignored());
                return Ok(());
            }
        }
        yield_now().await;
    }
}

/// The rest of a session cannot be read: messages cannot be found behind a gap.
fn missing(id: StreamId, octets: u64) {
    warn!(
        "[{}] {octets} octets of the BGP session are missing in the file; the rest of it is ignored",
        id.source.ip()
    );
}
