//! AMQP 0.9.1, such as RabbitMQ.
//!
//! A message counts when the broker has confirmed it (publisher confirms). Messages that no queue takes come back
//! (`mandatory`) and count as refused: else the broker would drop them without a word. Each message has a `message_id`,
//! `RUN-NUMBER-ITEM`: what comes twice, since a confirmation was lost, has it twice.
//!
//! | module | what it is |
//! |---|---|
//! | [`link`] | frames over a socket, with or without TLS; heartbeats |
//! | [`session`] | from the socket to a channel that confirms |
//! | [`publish`] | messages out, confirmations in |
//! | [`tls`] | whom we trust, by what we are known, and what is wrong with that |
//!
//! The codec is the library's (`amq-protocol`). The rest of a client is here, since what accounting needs of one is
//! narrow and hot: one thread that writes many messages at a time and then waits for what became of them.

mod link;
mod publish;
mod session;
mod tls;

use crate::settings;
use amq_protocol::protocol::AMQPClass;
use amq_protocol::protocol::{channel, connection};
use delivery::messages::Messages;
use delivery::{Backend, Fault, Receipt, WriteBatch};
use session::Session;
use std::time::Instant;
use tracing::warn;

/// An AMQP broker.
pub struct Amqp {
    settings: settings::Amqp,
    session: Option<Session>,
}

impl Amqp {
    /// A broker that nothing is sent to yet.
    pub fn new(settings: settings::Amqp) -> Self {
        Self { settings, session: None }
    }
}

/// Whether the files that encrypt connections hold what they should. Nothing is sent.
///
/// # Errors
/// The key, and what is wrong.
pub fn check(settings: &settings::Amqp) -> Result<(), Fault> {
    settings.tls.as_ref().map_or(Ok(()), |tls| tls::config(tls).map(drop))
}

impl Backend for Amqp {
    fn open(&mut self) -> Result<(), Fault> {
        if self.session.is_none() {
            self.session = Some(Session::open(&self.settings)?);
        }
        Ok(())
    }

    fn deliver(&mut self, parcel: &WriteBatch, receipt: &mut Receipt) -> Result<(), Fault> {
        let Some(session) = &mut self.session else {
            return Err(Fault::Down("not connected".to_owned()));
        };
        let messages =
            Messages::read(&parcel.body).ok_or_else(|| Fault::Batch("it is not one of messages".to_owned()))?;
        let delivered = publish::publish(&self.settings, session, parcel, &messages, receipt);
        if delivered.is_err() {
            // Late confirmations must not meet the numbers of the next attempt.
            self.session = None;
        }
        delivered
    }

    fn idle(&mut self) {
        // A connection that broke is opened again when it is needed.
        if let Some(Err(Fault::Down(what) | Fault::Batch(what) | Fault::Configuration { what, .. })) =
            self.session.as_mut().map(Session::idle)
        {
            warn!("the connection to the broker is lost: {what}");
            self.session = None;
        }
    }

    fn close(&mut self) {
        if let Some(session) = self.session.take() {
            session.close(Instant::now() + self.settings.timeout);
        }
    }
}

/// The key that an exchange which is there differs in. Brokers name the argument of the declaration: `inequivalent arg
/// 'durable' for exchange …`.
fn differs(text: &str) -> &'static str {
    match text.split('\'').nth(1) {
        Some("durable") => "amqp_persistent_msg",
        Some("type") => "amqp_exchange_type",
        _ => "amqp_exchange",
    }
}

/// What the broker means when it closes the channel or the connection; `key` is what it is about, if it says no.
fn closed(class: &AMQPClass, key: &'static str) -> Option<Fault> {
    let (code, text) = match class {
        AMQPClass::Connection(connection::AMQPMethod::Close(close)) => (close.reply_code, &close.reply_text),
        AMQPClass::Channel(channel::AMQPMethod::Close(close)) => (close.reply_code, &close.reply_text),
        _ => return None,
    };
    let text = text.to_string();
    let what = format!("{text} ({code})");
    // Reply codes of AMQP 0.9.1, section 1.1 (constants): 403 access refused, 404 not found, 406 precondition failed,
    // 530 not allowed.
    let key = match (code, key) {
        (403, "amqp_vhost") => "amqp_passwd",
        (403, key) => key,
        (404, _) => "amqp_exchange",
        (406, _) => differs(&text),
        (530, _) => "amqp_vhost",
        _ => return Some(Fault::Down(what)),
    };
    Some(Fault::Configuration { key, what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_that_of_the_argument_that_differs() {
        let key = |argument: &str| {
            differs(&format!(
                "PRECONDITION_FAILED - inequivalent arg '{argument}' for exchange 'x' in vhost '/': …"
            ))
        };
        assert_eq!(key("durable"), "amqp_persistent_msg");
        assert_eq!(key("type"), "amqp_exchange_type");
        assert_eq!(key("auto_delete"), "amqp_exchange");
        assert_eq!(differs("PRECONDITION_FAILED"), "amqp_exchange");
    }
}
