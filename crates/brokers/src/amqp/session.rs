//! From a socket to a channel that confirms what it is given (AMQP 0.9.1, section 2.2.4).

use super::link::Link;
use super::{closed, tls};
use crate::settings;
use amq_protocol::frame::{AMQPFrame, ProtocolVersion};
use amq_protocol::protocol::{AMQPClass, channel, confirm, connection, exchange};
use amq_protocol::types::{AMQPValue, FieldTable, LongString, ShortString};
use config::keys::amqp::ExchangeType;
use delivery::Fault;
use std::time::Instant;
use tracing::debug;

/// The only channel.
pub(super) const CHANNEL: u16 = 1;
/// Octets of the smallest frame that both sides must take (section 4.2.3).
const FRAME_MIN: u32 = 4096;
/// The reply code of success.
const SUCCESS: u16 = 200;

/// An open channel.
pub(super) struct Session {
    pub(super) link: Link,
    /// The number that the next message has at the broker.
    pub(super) tag: u64,
    /// Why the broker takes nothing at the moment, if so.
    pub(super) blocked: Option<String>,
}

impl Session {
    /// Connects, logs in, declares the exchange, and asks for confirmations.
    pub(super) fn open(settings: &settings::Amqp) -> Result<Self, Fault> {
        let deadline = Instant::now() + settings.timeout;
        let tls = settings.tls.as_ref().map(tls::config).transpose()?;
        let link = Link::connect(&settings.host, settings.port, tls, deadline)?;
        let mut session = Self { link, tag: 1, blocked: None };
        session.log_in(settings, deadline)?;
        session.ask(
            CHANNEL,
            AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {})),
            "amqp_host",
            deadline,
            |class| matches!(class, AMQPClass::Channel(channel::AMQPMethod::OpenOk(_))),
        )?;
        // Exchanges of these names are the broker's own.
        if !settings.exchange.is_empty() && !settings.exchange.starts_with("amq.") {
            let declare = exchange::Declare {
                exchange: short(&settings.exchange, "amqp_exchange")?,
                kind: match settings.exchange_type {
                    ExchangeType::Direct => "direct".into(),
                    ExchangeType::Fanout => "fanout".into(),
                    ExchangeType::Topic => "topic".into(),
                },
                durable: settings.persistent,
                ..exchange::Declare::default()
            };
            let method = AMQPClass::Exchange(exchange::AMQPMethod::Declare(declare));
            session.ask(CHANNEL, method, "amqp_exchange", deadline, |class| {
                matches!(class, AMQPClass::Exchange(exchange::AMQPMethod::DeclareOk(_)))
            })?;
        }
        let method = AMQPClass::Confirm(confirm::AMQPMethod::Select(confirm::Select { nowait: false }));
        session.ask(CHANNEL, method, "amqp_host", deadline, |class| {
            matches!(class, AMQPClass::Confirm(confirm::AMQPMethod::SelectOk(_)))
        })?;
        Ok(session)
    }

    fn log_in(&mut self, settings: &settings::Amqp, deadline: Instant) -> Result<(), Fault> {
        self.link.push(&AMQPFrame::ProtocolHeader(ProtocolVersion::amqp_0_9_1()))?;
        self.link.write(deadline)?;
        let AMQPClass::Connection(connection::AMQPMethod::Start(start)) = self.method(0, "amqp_host", deadline)?
        else {
            return Err(unexpected());
        };
        let mechanisms = start.mechanisms.to_string();
        if !mechanisms.split(' ').any(|mechanism| mechanism == "PLAIN") {
            return Err(Fault::Configuration {
                key: "amqp_user",
                what: format!("the broker wants one of '{mechanisms}' to log in; PLAIN is what we have"),
            });
        }
        let start_ok = connection::StartOk {
            client_properties: properties(),
            mechanism: "PLAIN".into(),
            // RFC 4616: authorization identity, user, password.
            response: LongString::from(format!("\0{}\0{}", settings.user, settings.password)),
            locale: "en_US".into(),
        };
        let tune = self.ask(
            0,
            AMQPClass::Connection(connection::AMQPMethod::StartOk(start_ok)),
            "amqp_passwd",
            deadline,
            |class| matches!(class, AMQPClass::Connection(connection::AMQPMethod::Tune(_))),
        )?;
        let AMQPClass::Connection(connection::AMQPMethod::Tune(tune)) = tune else { return Err(unexpected()) };
        // Nought is no bound.
        let frame_max = match tune.frame_max {
            0 => settings.frame_max,
            bound => bound.min(settings.frame_max),
        };
        let frame_max = frame_max.max(FRAME_MIN);
        let tune_ok = connection::TuneOk { channel_max: CHANNEL, frame_max, heartbeat: settings.heartbeat };
        let method = AMQPClass::Connection(connection::AMQPMethod::TuneOk(tune_ok));
        self.link.push(&AMQPFrame::Method(0, method))?;
        self.link.tune(frame_max, settings.heartbeat);
        let open = connection::Open { virtual_host: short(&settings.vhost, "amqp_vhost")? };
        self.ask(0, AMQPClass::Connection(connection::AMQPMethod::Open(open)), "amqp_vhost", deadline, |class| {
            matches!(class, AMQPClass::Connection(connection::AMQPMethod::OpenOk(_)))
        })?;
        Ok(())
    }

    /// Sends a method and waits for its answer; `key` is what it is about, if the broker says no.
    fn ask(
        &mut self,
        channel: u16,
        method: AMQPClass,
        key: &'static str,
        deadline: Instant,
        is_answer: impl Fn(&AMQPClass) -> bool,
    ) -> Result<AMQPClass, Fault> {
        self.link.push(&AMQPFrame::Method(channel, method))?;
        self.link.write(deadline)?;
        let answer = self.method(channel, key, deadline)?;
        if is_answer(&answer) { Ok(answer) } else { Err(unexpected()) }
    }

    /// The next method of a channel.
    fn method(&mut self, channel: u16, key: &'static str, deadline: Instant) -> Result<AMQPClass, Fault> {
        loop {
            match self.link.next(deadline)? {
                AMQPFrame::Method(on, class) => {
                    self.look(&class, key)?;
                    if on == channel && !matters_at_any_time(&class) {
                        return Ok(class);
                    }
                }
                _ => return Err(unexpected()),
            }
        }
    }

    /// What the broker may say at any time: that it closes, or that it takes nothing for a while.
    pub(super) fn look(&mut self, class: &AMQPClass, key: &'static str) -> Result<(), Fault> {
        match class {
            AMQPClass::Connection(connection::AMQPMethod::Blocked(blocked)) => {
                self.blocked = Some(blocked.reason.to_string());
            }
            AMQPClass::Connection(connection::AMQPMethod::Unblocked(_)) => self.blocked = None,
            class => {
                if let Some(fault) = closed(class, key) {
                    return Err(fault);
                }
            }
        }
        Ok(())
    }

    /// Heartbeats, and what the broker says between deliveries.
    pub(super) fn idle(&mut self) -> Result<(), Fault> {
        self.link.read_ready()?;
        while let Some(frame) = self.link.taken()? {
            if let AMQPFrame::Method(_, class) = frame {
                self.look(&class, "amqp_exchange")?;
            }
        }
        self.link.beat(Instant::now())
    }

    /// Says goodbye and waits for the answer, if it comes in time.
    pub(super) fn close(mut self, deadline: Instant) {
        let close = connection::Close { reply_code: SUCCESS, reply_text: "end".into(), class_id: 0, method_id: 0 };
        let method = AMQPClass::Connection(connection::AMQPMethod::Close(close));
        let closed = self.ask(0, method, "amqp_host", deadline, |class| {
            matches!(class, AMQPClass::Connection(connection::AMQPMethod::CloseOk(_)))
        });
        if let Err(fault) = closed {
            debug!("the connection to the broker did not end well: {fault:?}");
        }
    }
}

fn matters_at_any_time(class: &AMQPClass) -> bool {
    matches!(
        class,
        AMQPClass::Connection(connection::AMQPMethod::Blocked(_) | connection::AMQPMethod::Unblocked(_))
    )
}

/// What we are and can do, for the broker.
fn properties() -> FieldTable {
    let text = |text: &str| AMQPValue::LongString(LongString::from(text));
    let mut capabilities = FieldTable::default();
    for capability in ["publisher_confirms", "basic.nack", "connection.blocked", "authentication_failure_close"] {
        capabilities.insert(capability.into(), AMQPValue::Boolean(true));
    }
    let mut properties = FieldTable::default();
    properties.insert("product".into(), text("pmacct"));
    properties.insert("version".into(), text(env!("CARGO_PKG_VERSION")));
    properties.insert("connection_name".into(), text("pmacct"));
    properties.insert("capabilities".into(), AMQPValue::FieldTable(capabilities));
    properties
}

/// A name for the wire, where names have at most 255 octets.
pub(super) fn short(name: &str, key: &'static str) -> Result<ShortString, Fault> {
    ShortString::try_new(name).map_err(|error| Fault::Configuration { key, what: error.to_string() })
}

fn unexpected() -> Fault {
    Fault::Down("its answer is not what AMQP 0.9.1 provides for".to_owned())
}
