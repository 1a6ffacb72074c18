//! A session: login, and a channel with publisher confirms (AMQP 0.9.1, section 2.2.4).

use super::transport::{self, HangUp, Transport};
use super::{connection_closed, store_error};
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

/// The key to blame when a broker refuses a login.
pub(super) const LOGIN: &str = "amqp_passwd";
/// The frame size in octets that both sides must support (section 4.2.3).
const FRAME_MIN: u32 = 4096;
/// The largest frame size in octets to ask for: the client library keeps buffers of 64 frames.
const FRAME_MAX: u32 = 1 << 20;
/// The number of channels.
const CHANNELS: u16 = 1;
/// The reply code of success.
const SUCCESS: u16 = 200;
/// How long the runtime is driven at a time while idle, for expired timers and received data.
const TURN: Duration = Duration::from_millis(2);
/// How long the client library may take to deliver the last confirmations of a broken connection.
const SETTLE: Duration = Duration::from_millis(100);

/// An open channel. Fields are dropped in the order of their declaration.
pub(super) struct Session {
    pub(super) channel: Channel,
    connection: Connection,
    events: Pin<Box<dyn Stream<Item = Event> + Send>>,
    /// The reason why the broker has blocked the connection, if it has.
    blocked: Option<String>,
    _hang_up: HangUp,
    runtime: Runtime,
}

impl Session {
    /// Connects, logs in, declares the exchange, and asks for confirmations.
    pub(super) fn open(settings: &settings::Amqp) -> Result<Self, StoreError> {
        let deadline = Instant::now() + settings.timeout;
        let uri = uri(settings)?;
        let exchange = short_string(&settings.exchange, "amqp_exchange")?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| StoreError::Down(error.to_string()))?;
        let (transport, hang_up) = runtime.block_on(transport::connect(settings, deadline))?;
        let lapin_runtime = transport::lapin_runtime(runtime.handle());
        let connect = once(transport);
        let connection = Connection::connector(
            uri,
            lapin_runtime,
            async move |_, _| {
                connect().ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotConnected).into())
            },
            properties(),
        );
        let connection = wait_for(&runtime, deadline, LOGIN, connection)?;
        let channel = wait_for(&runtime, deadline, "amqp_host", connection.create_channel())?;
        // Exchanges with these names are predefined by the broker.
        if !settings.exchange.is_empty() && !settings.exchange.starts_with("amq.") {
            let kind = match settings.exchange_type {
                ExchangeType::Direct => ExchangeKind::Direct,
                ExchangeType::Fanout => ExchangeKind::Fanout,
                ExchangeType::Topic => ExchangeKind::Topic,
            };
            let options =
                ExchangeDeclareOptions { durable: settings.persistent, ..ExchangeDeclareOptions::default() };
            let declared = channel.exchange_declare(exchange, kind, options, FieldTable::default());
            wait_for(&runtime, deadline, "amqp_exchange", declared)?;
        }
        let confirming = channel.confirm_select(ConfirmSelectOptions::default());
        wait_for(&runtime, deadline, "amqp_host", confirming)?;
        let events = Box::pin(connection.events_listener());
        Ok(Self { channel, connection, events, blocked: None, _hang_up: hang_up, runtime })
    }

    /// Runs `publish` until it ends.
    ///
    /// # Errors
    /// The connection breaks, or the timeout expires.
    pub(super) fn run(&mut self, publish: impl Future<Output = ()>, timeout: Duration) -> Result<(), StoreError> {
        let Self { events, blocked, runtime, .. } = self;
        let broken = async {
            loop {
                match events.next().await {
                    Some(event) => {
                        if let Some(error) = handle_event(blocked, event) {
                            return error;
                        }
                    }
                    None => return connection_closed(),
                }
            }
        };
        let result = runtime.block_on(async {
            let (publish, broken) = (pin!(publish), pin!(broken));
            match tokio::time::timeout(timeout, select(publish, broken)).await {
                Ok(Either::Left(((), _))) => Ok(()),
                Ok(Either::Right((error, publish))) => {
                    // Earlier confirmations of the broker are delivered now or never.
                    let _ = tokio::time::timeout(SETTLE, publish).await;
                    Err(error)
                }
                Err(_) => Err(StoreError::Down("no answer in time".to_owned())),
            }
        });
        match (result, &self.blocked) {
            (Err(StoreError::Down(what)), Some(reason)) => {
                Err(StoreError::Down(format!("{what}: the broker has blocked publishing: {reason}")))
            }
            (result, _) => result,
        }
    }

    /// Sends heartbeats and handles events of the broker between deliveries.
    pub(super) fn idle(&mut self) -> Result<(), StoreError> {
        self.runtime.block_on(async { tokio::time::sleep(TURN).await });
        while let Some(Some(event)) = self.events.next().now_or_never() {
            if let Some(error) = handle_event(&mut self.blocked, event) {
                return Err(error);
            }
        }
        if self.connection.status().connected() && self.channel.status().connected() {
            Ok(())
        } else {
            Err(connection_closed())
        }
    }

    /// Closes the connection and waits for the answer, within the timeout.
    pub(super) fn close(self, timeout: Duration) {
        let close = self.connection.close(SUCCESS, "end".into());
        if let Err(error) = wait_for(&self.runtime, Instant::now() + timeout, "amqp_host", close) {
            debug!("the connection to the broker was not closed cleanly: {error:?}");
        }
    }
}

/// A function that returns the connection at the first call, and `None` after that: `lapin` must not reconnect by itself.
fn once(transport: Transport) -> impl Fn() -> Option<AsyncTcpStream<Transport>> + Send + Sync {
    let transport = Mutex::new(Some(AsyncTcpStream::Plain(transport)));
    move || transport.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Waits for an answer of the broker. `key` is the key to blame if the broker rejects the request.
fn wait_for<T>(
    runtime: &Runtime,
    deadline: Instant,
    key: &'static str,
    answer: impl Future<Output = lapin::Result<T>>,
) -> Result<T, StoreError> {
    let answer = runtime.block_on(async { tokio::time::timeout_at(deadline.into(), answer).await });
    let answer = answer.map_err(|_| StoreError::Down("no answer in time".to_owned()))?;
    answer.map_err(|error| store_error(&error, key))
}

/// Handles an event: that the broker blocks or unblocks the connection, or an error, which is returned.
fn handle_event(blocked: &mut Option<String>, event: Event) -> Option<StoreError> {
    match event {
        Event::ConnectionBlocked(reason) => *blocked = Some(reason),
        Event::ConnectionUnblocked => *blocked = None,
        Event::Error(error) => return Some(store_error(&error, "amqp_exchange")),
        _ => {}
    }
    None
}

fn uri(settings: &settings::Amqp) -> Result<AMQPUri, StoreError> {
    // The client library converts this to a short string, and panics if it is too long.
    short_string(&settings.vhost, "amqp_vhost")?;
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

/// How this client identifies itself to the broker.
fn properties() -> ConnectionProperties {
    ConnectionProperties::default()
        .with_client_property("product".into(), "pmacct".into())
        .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into())
        .with_connection_name("pmacct".into())
}

/// A short string of AMQP, which has at most 255 octets.
pub(super) fn short_string(name: &str, key: &'static str) -> Result<ShortString, StoreError> {
    ShortString::try_new(name).map_err(|error| StoreError::Configuration { key, what: error.to_string() })
}
