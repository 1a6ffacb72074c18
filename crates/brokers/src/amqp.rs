//! AMQP 0.9.1, such as RabbitMQ.
//!
//! A message counts when the broker has confirmed it (publisher confirms). Messages that no queue takes come back
//! (`mandatory`) and count as refused: else the broker would drop them without a word. Each message has a `message_id`,
//! `RUN-NUMBER-ITEM`: what comes twice, since a confirmation was lost, has it twice.

use crate::settings;
use config::keys::amqp::ExchangeType;
use delivery::messages::Messages;
use delivery::{Backend, Fault, Parcel, Receipt, Sum};
use futures_util::future::join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions};

use lapin::types::{FieldTable, ShortString};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ErrorKind, ExchangeKind,
    PublisherConfirm,
};
use std::fmt::Write;
use std::io;
use tokio::runtime::{Builder, Runtime};
use tracing::warn;

/// Messages that may be on their way at a time.
const ON_THE_WAY: usize = 4096;
/// Messages that are handed to the client together.
const TOGETHER: usize = 512;
/// The delivery mode of messages that are to survive a restart of the broker.
const PERSISTENT: u8 = 2;

/// An AMQP broker.
pub struct Amqp {
    settings: settings::Amqp,
    runtime: Option<Runtime>,
    session: Option<Session>,
}

struct Session {
    connection: Connection,
    channel: Channel,
}

impl Amqp {
    /// A broker that nothing is sent to yet.
    pub fn new(settings: settings::Amqp) -> Self {
        Self { settings, runtime: None, session: None }
    }

    fn runtime(&mut self) -> Result<&Runtime, Fault> {
        if self.runtime.is_none() {
            let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("amqp").enable_all().build();
            self.runtime = Some(runtime.map_err(|error: io::Error| Fault::Down(error.to_string()))?);
        }
        self.runtime.as_ref().ok_or_else(|| Fault::Down("no runtime".to_owned()))
    }
}

impl Backend for Amqp {
    fn open(&mut self) -> Result<(), Fault> {
        let works =
            |session: &Session| session.connection.status().connected() && session.channel.status().connected();
        if self.session.as_ref().is_some_and(works) {
            return Ok(());
        }
        self.session = None;
        let settings = self.settings.clone();
        let timeout = settings.timeout;
        let opened = self.runtime()?.block_on(async { tokio::time::timeout(timeout, connect(&settings)).await });
        self.session =
            Some(opened.map_err(|_| Fault::Down(format!("no answer within {} s", timeout.as_secs())))??);
        Ok(())
    }

    fn deliver(&mut self, parcel: &Parcel, receipt: &mut Receipt) -> Result<(), Fault> {
        let Self { settings, runtime: Some(runtime), session: Some(session) } = self else {
            return Err(Fault::Down("not connected".to_owned()));
        };
        let messages =
            Messages::read(&parcel.body).ok_or_else(|| Fault::Parcel("it is not one of messages".to_owned()))?;
        let sent = runtime.block_on(async {
            tokio::time::timeout(settings.timeout, publish(settings, session, parcel, &messages, receipt)).await
        });
        let result = sent.unwrap_or_else(|_| {
            Err(Fault::Down(format!("no confirmation within {} s", settings.timeout.as_secs())))
        });
        if result.is_err() {
            // Late confirmations must not meet the numbers of the next attempt.
            self.session = None;
        }
        result
    }

    fn idle(&mut self) {
        // Heartbeats are the business of the client's own thread; a connection that broke is opened again when it is
        // needed.
    }

    fn close(&mut self) {
        if let (Some(runtime), Some(session)) = (&self.runtime, self.session.take()) {
            let closed = runtime.block_on(async {
                tokio::time::timeout(self.settings.timeout, session.connection.close(200, "end".into())).await
            });
            if let Ok(Err(error)) = closed {
                warn!("the connection to the broker did not end well: {error}");
            }
        }
    }
}

async fn connect(settings: &settings::Amqp) -> Result<Session, Fault> {
    let (scheme, host) = match settings.host.split_once("://") {
        Some(("amqps", host)) => (AMQPScheme::AMQPS, host),
        Some((_, host)) => (AMQPScheme::AMQP, host),
        None => (AMQPScheme::AMQP, settings.host.as_str()),
    };
    let uri = AMQPUri {
        scheme,
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo { username: settings.user.clone(), password: settings.password.clone() },
            host: host.to_owned(),
            port: settings.port,
        },
        vhost: settings.vhost.clone(),
        query: AMQPQueryString {
            frame_max: Some(settings.frame_max),
            heartbeat: Some(settings.heartbeat),
            connection_timeout: u64::try_from(settings.timeout.as_millis()).ok(),
            ..AMQPQueryString::default()
        },
    };
    let properties = ConnectionProperties::default().with_connection_name("pmacct".into());
    let connection =
        Connection::connect_uri(uri, properties).await.map_err(|error| fault(&error, "amqp_vhost"))?;
    let channel = connection.create_channel().await.map_err(|error| fault(&error, "amqp_host"))?;
    // Exchanges of these names are the broker's own.
    if !settings.exchange.is_empty() && !settings.exchange.starts_with("amq.") {
        let kind = match settings.exchange_type {
            ExchangeType::Direct => ExchangeKind::Direct,
            ExchangeType::Fanout => ExchangeKind::Fanout,
            ExchangeType::Topic => ExchangeKind::Topic,
        };
        let options = ExchangeDeclareOptions { durable: settings.persistent, ..ExchangeDeclareOptions::default() };
        channel
            .exchange_declare(settings.exchange.as_str().into(), kind, options, FieldTable::default())
            .await
            .map_err(|error| fault(&error, "amqp_exchange"))?;
    }
    channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(|error| fault(&error, "amqp_host"))?;
    Ok(Session { connection, channel })
}

async fn publish(
    settings: &settings::Amqp,
    session: &Session,
    parcel: &Parcel,
    messages: &Messages<'_>,
    receipt: &mut Receipt,
) -> Result<(), Fault> {
    let head = &messages.head;
    let exchange: ShortString = settings.exchange.as_str().into();
    let keys: Vec<ShortString> = head.topics.iter().map(|key| key.as_str().into()).collect();
    let mut properties = BasicProperties::default().with_content_type(head.content_type.as_str().into());
    if settings.persistent {
        properties = properties.with_delivery_mode(PERSISTENT);
    }
    let options = BasicPublishOptions { mandatory: true, immediate: false };
    let mut on_the_way: Vec<(u32, Sum, PublisherConfirm)> = Vec::with_capacity(ON_THE_WAY);
    // The client answers to each message when it has left: many are begun before the first answer is waited for, or
    // two threads would take turns for each.
    let mut begun = Vec::with_capacity(TOGETHER);
    let mut id = String::new();
    let mut left =
        (0u32..).zip(messages.iter()).filter(|(item, _)| !receipt.has(*item)).collect::<Vec<_>>().into_iter();
    loop {
        for (item, message) in left.by_ref().take(TOGETHER) {
            let Some(key) = keys.get(usize::from(message.topic)) else {
                return Err(Fault::Parcel("a message has no routing key".to_owned()));
            };
            id.clear();
            // Writing to a `String` cannot fail.
            let _ = write!(id, "{}-{item}", parcel.id);
            let properties = properties.clone().with_message_id(id.as_str().into());
            let publish =
                session.channel.basic_publish(exchange.clone(), key.clone(), options, message.payload, properties);
            begun.push(async move { publish.await.map(|confirm| (item, message.sum, confirm)) });
        }
        if begun.is_empty() {
            return settle(&mut on_the_way, &keys, receipt).await;
        }
        for published in join_all(begun.drain(..)).await {
            on_the_way.push(published.map_err(|error| fault(&error, "amqp_exchange"))?);
        }
        if on_the_way.len() >= ON_THE_WAY {
            settle(&mut on_the_way, &keys, receipt).await?;
        }
    }
}

/// Waits for the confirmations of what is on its way.
async fn settle(
    on_the_way: &mut Vec<(u32, Sum, PublisherConfirm)>,
    keys: &[ShortString],
    receipt: &mut Receipt,
) -> Result<(), Fault> {
    let mut nacked = 0u64;
    for (item, sum, confirm) in on_the_way.drain(..) {
        match confirm.await.map_err(|error| fault(&error, "amqp_exchange"))? {
            Confirmation::Ack(None) | Confirmation::NotRequested => receipt.confirm(item),
            Confirmation::Ack(Some(back)) => receipt.refuse(item, sum, || {
                let key = keys.iter().find(|key| **key == back.delivery.routing_key);
                let key = key.map_or("", ShortString::as_str);
                format!("no queue takes messages with the routing key '{key}' ({})", back.reply_text)
            }),
            Confirmation::Nack(_) => nacked += 1,
        }
    }
    match nacked {
        0 => Ok(()),
        count => Err(Fault::Down(format!("the broker could not take {count} messages"))),
    }
}

/// What an error means; `key` is what it is about, if the broker says no.
fn fault(error: &lapin::Error, key: &'static str) -> Fault {
    let what = error.to_string();
    let ErrorKind::ProtocolError(said) = error.kind() else { return Fault::Down(what) };
    // Reply codes of AMQP 0.9.1: 403 access refused, 404 not found, 406 precondition failed, 530 not allowed.
    match (said.get_id(), key) {
        (403, "amqp_vhost") => Fault::Configuration { key: "amqp_passwd", what },
        (403, key) => Fault::Configuration { key, what },
        (404, _) => Fault::Configuration { key: "amqp_exchange", what },
        (406, _) => Fault::Configuration { key: "amqp_exchange_type", what },
        (530, _) => Fault::Configuration { key: "amqp_vhost", what },
        _ => Fault::Down(what),
    }
}
