//! BMP from Kafka, in the format of OpenBMP: messages that other collectors received from their routers.
//!
//! A router behind a collector has a session here as long as its collector sends its messages: it begins with the first of them, and again
//! when the router initiates a new one. It ends when nothing came for `bmp_daemon_kafka_router_timeout`: nobody says that a collector, or its
//! connection to a router, is gone. `bmp_daemon_allow_file`, `bmp_daemon_max_peers` and `bmp_daemon_batch` apply to these routers too.

use super::connection::finish;
use super::figures::Ending;
use super::service::Service;
use super::session::{Pause, RouterSession};
use crate::sessions::admission::Rejection;
use bmp_session::Config;
use openbmp::{Messages, ObjectType};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::warn;

/// Messages of the topic that wait for the thread of BMP.
#[cfg(feature = "kafka")]
const WAITING: usize = 256;
/// Position of the message type in a BMP message, and the type of initiations (RFC 7854 section 4.1).
const TYPE_AT: usize = 5;
const INITIATION: u8 = 4;
/// Octets of the common header.
const HEADER: usize = 6;
/// How often routers that were not heard of are looked for.
const EXPIRY: Duration = Duration::from_secs(1);

/// The messages of the topic.
pub(super) type Receiver = mpsc::Receiver<Vec<u8>>;

/// A router behind a collector: the collector's hash, and the address of the router.
type Key = ([u8; 16], IpAddr);

/// A router behind a collector.
struct Remote {
    session: RouterSession,
    /// When its last message was read.
    heard: Instant,
}

type Sessions = HashMap<Key, Remote>;

/// Why messages are not used, as their counters.
#[derive(Clone, Copy)]
enum Reject {
    Format = 0,
    NoRouter = 1,
    MaxPeers = 2,
    NotAllowed = 3,
}

/// Checks the settings.
///
/// # Errors
/// What is wrong, with the key.
#[cfg(feature = "kafka")]
pub(super) fn check(settings: &brokers::settings::KafkaInput) -> Result<(), String> {
    brokers::consumer::check(settings).map_err(|error| format!("bmp_daemon_{error}."))
}

/// This program has no Kafka.
#[cfg(not(feature = "kafka"))]
pub(super) fn check(_settings: &brokers::settings::KafkaInput) -> Result<(), String> {
    Err("bmp_daemon_kafka_topic: this program was built without Kafka.".to_owned())
}

/// Starts the thread that reads the topic. It ends with the daemon.
///
/// # Errors
/// The thread cannot be created, or the client library rejects an option.
#[cfg(feature = "kafka")]
pub(super) fn start(
    settings: &brokers::settings::KafkaInput,
    services: &crate::host::part::Services,
) -> std::io::Result<Receiver> {
    use brokers::consumer::{Consumer, Next};
    let consumer = Consumer::new(settings).map_err(|error| std::io::Error::other(error.to_string()))?;
    let (sender, receiver) = mpsc::channel(WAITING);
    let stop = services.stop.clone();
    services.threads.spawn("bmp/kafka", services.identity.clone(), move || {
        let next = || if stop.is_requested() { Next::Stop } else { Next::Continue };
        consumer.run(
            next,
            |received| match sender.blocking_send(received.payload.to_vec()) {
                Ok(()) => Next::Continue,
                // The thread of BMP has ended.
                Err(_) => Next::Stop,
            },
            |error, held_back| {
                let held_back = Some(held_back).filter(|count| *count > 0);
                warn!(held_back, "bmp_daemon_kafka_topic: {error}");
            },
        );
    })?;
    Ok(receiver)
}

#[cfg(not(feature = "kafka"))]
pub(super) fn start(
    _settings: &brokers::settings::KafkaInput,
    _services: &crate::host::part::Services,
) -> std::io::Result<Receiver> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// Handles the messages of the topic until the daemon stops.
pub(super) async fn receive(service: Rc<Service>, mut messages: Receiver) {
    let mut stop = service.stop.clone();
    let mut sessions = Sessions::new();
    let mut ticks = interval(EXPIRY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    service.open.set(service.open.get() + 1);
    loop {
        let payload = tokio::select! {
            _ = stop.wait_for(|stopping| *stopping) => break,
            payload = messages.recv() => match payload {
                Some(payload) => payload,
                None => break,
            },
            now = ticks.tick() => {
                expire(&service, &mut sessions, now);
                continue;
            }
        };
        let now = Instant::now();
        service.figures().kafka_messages.add(1);
        for message in Messages::new(&payload) {
            match message {
                Ok(message) => handle(&service, &mut sessions, &message, now).await,
                Err(error) => {
                    reject(&service, Reject::Format, format_args!("a message is not used: {error}"));
                    break;
                }
            }
        }
        service.collector.borrow_mut().flush();
    }
    sessions.into_values().for_each(|remote| end(&service, remote.session, Ending::Shutdown));
    service.open.set(service.open.get() - 1);
}

/// Ends a session.
fn end(service: &Service, session: RouterSession, why: Ending) {
    finish(service, session, why);
    service.admission.borrow_mut().leave();
}

/// Ends the sessions of routers that were not heard of for too long.
fn expire(service: &Service, sessions: &mut Sessions, now: Instant) {
    let Some(timeout) = service.settings.router_timeout else { return };
    let is_over = |_: &Key, remote: &mut Remote| now.saturating_duration_since(remote.heard) >= timeout;
    sessions.extract_if(is_over).for_each(|(_, remote)| end(service, remote.session, Ending::Expired));
}

/// Handles a message of a router.
async fn handle(service: &Service, sessions: &mut Sessions, message: &openbmp::Message<'_>, now: Instant) {
    let Some(router) = message.router.filter(|_| message.object == ObjectType::BMP_RAW) else {
        return reject(service, Reject::NoRouter, format_args!("a message is not of a router"));
    };
    if !is_whole(message.data) {
        return reject(service, Reject::Format, format_args!("a message does not consist of whole BMP messages"));
    }
    let address = router.address.to_canonical();
    let key = (message.collector.hash, address);
    let begins = message.data.get(TYPE_AT) == Some(&INITIATION);
    if begins
        && sessions.get(&key).is_some_and(|remote| remote.session.has_peers())
        && let Some(old) = sessions.remove(&key)
    {
        end(service, old.session, Ending::Replaced);
    }
    let remote = match sessions.entry(key) {
        Entry::Occupied(session) => session.into_mut(),
        Entry::Vacant(place) => {
            let Some(session) = begin(service, address).await else { return };
            place.insert(Remote { session, heard: now })
        }
    };
    remote.heard = now;
    let session = &mut remote.session;
    let mut input = message.data;
    loop {
        let pause = session.receive(&mut service.collector.borrow_mut(), &mut input);
        match pause {
            None => break,
            Some(Pause::Begin) => session.begin(&mut service.collector.borrow_mut()),
            Some(Pause::Leaving) => service.left(address).await,
            Some(Pause::Turn) => yield_now().await,
        }
    }
    session.count(service.figures(), message.data.len() as u64);
    if session.closed().is_some()
        && let Some(over) = sessions.remove(&key)
    {
        end(service, over.session, Ending::Disconnected);
    }
}

/// Whether octets are whole BMP messages (RFC 7854 section 4.1): what follows them in the session is of another record of the topic.
fn is_whole(mut octets: &[u8]) -> bool {
    while let Some(length) = octets.get(1..).and_then(|rest| rest.first_chunk()) {
        let Ok(length) = usize::try_from(u32::from_be_bytes(*length)) else { return false };
        match octets.get(length..) {
            Some(rest) if length >= HEADER => octets = rest,
            _ => return false,
        }
    }
    octets.is_empty()
}

/// Begins the session of a router, if it is admitted.
async fn begin(service: &Service, router: IpAddr) -> Option<RouterSession> {
    if let Err(why) = service.admit(router) {
        let what = match why {
            Rejection::NotAllowed => Reject::NotAllowed,
            _ => Reject::MaxPeers,
        };
        if let Some(figure) = service.figures().kafka_rejected.get(what as usize) {
            figure.add(1);
        }
        service.refuse(router, why);
        return None;
    }
    let config = Config { proxy_header: false, ..Config::default() };
    let mut session = RouterSession::new(config, SocketAddr::new(router, 0), true);
    service.left(router).await;
    session.begin(&mut service.collector.borrow_mut());
    Some(session)
}

fn reject(service: &Service, why: Reject, what: std::fmt::Arguments<'_>) {
    if let Some(figure) = service.figures().kafka_rejected.get(why as usize) {
        figure.add(1);
    }
    if let Some(pass) = service.limits.kafka.pass() {
        warn!(held_back = pass.held_back, "bmp_daemon_kafka_topic: {what}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_the_topic_is_whole_bmp_messages() {
        let message =
            |length: u32, octets: usize| [&[3][..], &length.to_be_bytes(), &vec![INITIATION; octets]].concat();
        assert!(is_whole(&message(6, 1)));
        assert!(is_whole(&[message(10, 5), message(6, 1)].concat()));
        assert!(is_whole(&[]));
        for part in [
            message(6, 0),
            message(7, 1),
            message(6, 2),
            message(5, 0),
            message(0, 1),
            message(u32::MAX, 1),
            vec![3],
        ] {
            assert!(!is_whole(&part), "{part:?}");
        }
    }
}
