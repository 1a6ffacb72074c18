//! `pcap_savefile`: BMP sessions of a capture file.
//!
//! The streams to the port of `bmp_daemon_port` are those of routers. Their segments are put in order, so that messages may lie in several.
//! The end of a connection in the file does not end its session, so that dumps and queries show what was captured: all sessions end with
//! the file, or with the daemon if it goes on after the file (`pcap_savefile_wait`).

use super::connection::finish;
use super::figures::Ending;
use super::service::Service;
use super::session::{Pause, RouterSession};
use crate::sessions::report_ignored;
use bmp_session::Config;
use capture::pcap_file::{Error, Settings, StreamEvent, StreamId, Streams};
use std::collections::HashMap;
use tokio::task::yield_now;
use tokio::time::sleep;
use tracing::{info, warn};

/// Frames read before other tasks get their turn.
const FRAMES: usize = 256;

type Sessions = HashMap<StreamId, RouterSession>;

/// Reads the file to its end. False if it could not be read completely.
pub(super) async fn read(service: &Service, settings: &Settings) -> bool {
    let path = settings.path.display();
    let (mut sessions, mut complete, mut round) = (Sessions::new(), true, 0);
    while !service.is_stopping() && (settings.replay == 0 || round < settings.replay) {
        tokio::select! {
            () = sleep(settings.delay) => {}
            () = service.stopped() => break,
        }
        info!("reading BMP data from: {path}");
        sessions.drain().for_each(|(_, session)| finish(service, session, Ending::Replaced));
        let read = try_read(service, settings, &mut sessions).await;
        complete &= read.inspect_err(|error| warn!("pcap_savefile: {error}")).is_ok();
        info!("finished reading BMP data from: {path}");
        round += 1;
    }
    if settings.wait {
        service.stopped().await;
    }
    let is_shutdown = settings.wait || service.is_stopping();
    for (_, mut session) in sessions {
        if !is_shutdown {
            session.disconnected();
        }
        finish(service, session, Ending::Shutdown);
    }
    complete
}

async fn try_read(service: &Service, settings: &Settings, sessions: &mut Sessions) -> Result<(), Error> {
    let port = service.settings.address.port();
    let mut streams = Streams::open(settings)?;
    loop {
        for _ in 0..FRAMES {
            let more = streams.advance(|id, _, event| {
                if id.destination.port() == port {
                    handle(service, sessions, id, event);
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

fn handle(service: &Service, sessions: &mut Sessions, id: StreamId, event: StreamEvent<'_>) {
    match event {
        StreamEvent::Opened { .. } => {
            let config = Config { proxy_header: service.settings.proxy_header, ..Config::default() };
            let mut session = RouterSession::new(config, id.source, false);
            if !service.settings.proxy_header {
                begin(service, &mut session);
            }
            if let Some(old) = sessions.insert(id, session) {
                finish(service, old, Ending::Replaced);
            }
        }
        StreamEvent::Data(octets) => {
            let Some(session) = sessions.get_mut(&id) else { return };
            let mut input = octets;
            loop {
                let pause = session.receive(&mut service.collector.borrow_mut(), &mut input);
                match pause {
                    None => break,
                    // The file waits for nobody.
                    Some(Pause::Turn) => {}
                    Some(Pause::Begin) => begin(service, session),
                    Some(Pause::Leaving) => while service.collector.borrow_mut().work_in_background() {},
                }
            }
            session.count(service.figures(), octets.len() as u64);
            service.collector.borrow_mut().flush();
            if session.closed().is_some()
                && let Some(session) = sessions.remove(&id)
            {
                finish(service, session, Ending::Disconnected);
            }
        }
        StreamEvent::Closed => {}
        // Messages cannot be found behind a gap.
        StreamEvent::Missing(octets) => {
            if let Some(session) = sessions.remove(&id) {
                let ip = id.source.ip();
                warn!(
                    "[{ip}] {octets} octets of the BMP session are missing in the file; the rest of it is ignored"
                );
                finish(service, session, Ending::Disconnected);
            }
        }
    }
}

/// A session begins, after the end of what was before.
fn begin(service: &Service, session: &mut RouterSession) {
    let mut collector = service.collector.borrow_mut();
    if collector.is_leaving(session.ip()) {
        while collector.work_in_background() {}
    }
    session.begin(&mut collector);
}
