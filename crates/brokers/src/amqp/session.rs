//! From a connection to a channel that confirms what is published on it (AMQP 0.9.1, section 2.2.4).

use super::transport::{self, HangUp, Transport};
use super::{fault, gone};
use crate::settings;
use config::keys::amqp::ExchangeType;
use delivery::StoreError;
use futures_util::future::{Either, select};
use futures_util::{FutureExt, Stream, StreamExt};
use lapin::options::{ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::tcp::AsyncTcpStream;
use lapin::types::{FieldTable, ShortString};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Channel, Connection, ConnectionProperties, Event, ExchangeKind};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tracing::debug;

/// The key that a broker objects to when it refuses a login.
pub(super) const LOGIN: &str = "amqp_passwd";
/// Bytes of the smallest frame that both sides must take (section 4.2.3).
const FRAME_MIN: u32 = 4096;
/// Bytes of the largest frame that we ask for: the client keeps buffers of 64 frames.
const FRAME_MAX: u32 = 1 << 20;
/// The only channel.
const CHANNELS: u16 = 1;
/// The reply code of success.
const SUCCESS: u16 = 200;
/// How long the runtime is driven at a time while nothing is delivered: timers that are due, and what the socket has.
const TURN: Duration = Duration::from_millis(2);
/// How long the client may take to hand over the last confirmations of a connection that broke.
const SETTLE: Duration = Duration::from_millis(100);

/// An open channel. The order of fields is that of their end.
pub(super) struct Session {
    pub(super) channel: Channel,
    connection: Connection,
    events: Pin<Box<dyn Stream<Item = Event> + Send>>,
    /// Why the broker takes nothing at the moment, if so.
    blocked: Option<String>,
    _hang_up: HangUp,
    runtime: Runtime,
}

impl Session {
    /// Connects, logs in, declares the exchange, and asks for confirmations.
    pub(super) fn open(settings: &settings::Amqp) -> Result<Self, StoreError> {
        let deadline = Instant::now() + settings.timeout;
        let uri = uri(settings)?;
        let exchange = short(&settings.exchange, "amqp_exchange")?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| StoreError::Down(error.to_string()))?;
        let (transport, hang_up) = runtime.block_on(transport::connect(settings, deadline))?;
        let kit = transport::kit(runtime.handle());
        let connect = hand_over(transport);
        let connection = Connection::connector(
            uri,
            kit,
            async move |_, _| {
                connect().ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotConnected).into())
            },
            properties(),
        );
        let connection = ask(&runtime, deadline, LOGIN, connection)?;
        let channel = ask(&runtime, deadline, "amqp_host", connection.create_channel())?;
        // Exchanges of these names are the broker's own.
        if !settings.exchange.is_empty() && !settings.exchange.starts_with("amq.") {
            let kind = match settings.exchange_type {
                ExchangeType::Direct => ExchangeKind::Direct,
                ExchangeType::Fanout => ExchangeKind::Fanout,
                ExchangeType::Topic => ExchangeKind::Topic,
            };
            let options =
                ExchangeDeclareOptions { durable: settings.persistent, ..ExchangeDeclareOptions::default() };
            let declared = channel.exchange_declare(exchange, kind, options, FieldTable::default());
            ask(&runtime, deadline, "amqp_exchange", declared)?;
        }
        let confirming = channel.confirm_select(ConfirmSelectOptions::default());
        ask(&runtime, deadline, "amqp_host", confirming)?;
        let events = Box::pin(connection.events_listener());
        Ok(Self { channel, connection, events, blocked: None, _hang_up: hang_up, runtime })
    }

    /// Runs `publish` until it ends, the connection breaks, or the time is up.
    ///
    /// # Errors
    /// The last two.
    pub(super) fn run(&mut self, publish: impl Future<Output = ()>, timeout: Duration) -> Result<(), StoreError> {
        let Self { events, blocked, runtime, .. } = self;
        let broken = async {
            loop {
                match events.next().await {
                    Some(event) => {
                        if let Some(fault) = note(blocked, event) {
                            return fault;
                        }
                    }
                    None => return gone(),
                }
            }
        };
        let result = runtime.block_on(async {
            let (publish, broken) = (pin!(publish), pin!(broken));
            match tokio::time::timeout(timeout, select(publish, broken)).await {
                Ok(Either::Left(((), _))) => Ok(()),
                Ok(Either::Right((fault, publish))) => {
                    // What the broker had confirmed before is there, or will never be.
                    let _ = tokio::time::timeout(SETTLE, publish).await;
                    Err(fault)
                }
                Err(_) => Err(StoreError::Down("no answer in time".to_owned())),
            }
        });
        match (result, &self.blocked) {
            (Err(StoreError::Down(what)), Some(reason)) => {
                Err(StoreError::Down(format!("{what}: the broker takes nothing at the moment, it says: {reason}")))
            }
            (result, _) => result,
        }
    }

    /// Heartbeats, and what the broker says between deliveries.
    pub(super) fn idle(&mut self) -> Result<(), StoreError> {
        self.runtime.block_on(async { tokio::time::sleep(TURN).await });
        while let Some(Some(event)) = self.events.next().now_or_never() {
            if let Some(fault) = note(&mut self.blocked, event) {
                return Err(fault);
            }
        }
        if self.connection.status().connected() && self.channel.status().connected() {
            Ok(())
        } else {
            Err(gone())
        }
    }

    /// Says goodbye and waits for the answer, if it comes in time.
    pub(super) fn close(self, timeout: Duration) {
        let close = self.connection.close(SUCCESS, "end".into());
        if let Err(fault) = ask(&self.runtime, Instant::now() + timeout, "amqp_host", close) {
            debug!("the connection to the broker did not end well: {fault:?}");
        }
    }
}

/// Gives the connection to the first who asks: without it, there is no second attempt.
fn hand_over(transport: Transport) -> impl Fn() -> Option<AsyncTcpStream<Transport>> + Send + Sync {
    let transport = Mutex::new(Some(AsyncTcpStream::Plain(transport)));
    move || transport.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Waits for an answer of the broker; `key` is what it is about, if the broker objects.
fn ask<T>(
    runtime: &Runtime,
    deadline: Instant,
    key: &'static str,
    answer: impl Future<Output = lapin::Result<T>>,
) -> Result<T, StoreError> {
    let answer = runtime.block_on(async { tokio::time::timeout_at(deadline.into(), answer).await });
    let answer = answer.map_err(|_| StoreError::Down("no answer in time".to_owned()))?;
    answer.map_err(|error| fault(&error, key))
}

/// What an event says: that the broker takes nothing for a while, or what broke the connection.
fn note(blocked: &mut Option<String>, event: Event) -> Option<StoreError> {
    match event {
        Event::ConnectionBlocked(reason) => *blocked = Some(reason),
        Event::ConnectionUnblocked => *blocked = None,
        Event::Error(error) => return Some(fault(&error, "amqp_exchange")),
        _ => {}
    }
    None
}

fn uri(settings: &settings::Amqp) -> Result<AMQPUri, StoreError> {
    // The client makes this a short string, and panics if it is not.
    short(&settings.vhost, "amqp_vhost")?;
    let userinfo = AMQPUserInfo { username: settings.user.clone(), password: settings.password.clone() };
    Ok(AMQPUri {
        scheme: AMQPScheme::AMQP,
        authority: AMQPAuthority { userinfo, host: settings.host.clone(), port: settings.port },
        vhost: settings.vhost.clone(),
        query: AMQPQueryString {
            frame_max: Some(settings.frame_max.clamp(FRAME_MIN, FRAME_MAX)),
            channel_max: Some(CHANNELS),
            heartbeat: Some(settings.heartbeat),
            ..AMQPQueryString::default()
        },
    })
}

/// What we are, for the broker.
fn properties() -> ConnectionProperties {
    ConnectionProperties::default()
        .with_client_property("product".into(), "pmacct".into())
        .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into())
        .with_connection_name("pmacct".into())
}

/// A name for the wire, where names have at most 255 octets.
pub(super) fn short(name: &str, key: &'static str) -> Result<ShortString, StoreError> {
    ShortString::try_new(name).map_err(|error| StoreError::Configuration { key, what: error.to_string() })
}
