//! AMQP 0.9.1, such as RabbitMQ.
//!
//! A message counts as written when the broker has confirmed it (publisher confirms). Messages that cannot be routed to a queue
//! are returned (`mandatory`) and count as refused: otherwise the broker would drop them silently. Each message has a
//! `message_id`, `RUN-NUMBER-ITEM`: a message that is sent twice, because its confirmation was lost, has the same id both times.
//!
//! | module | what it is |
//! |---|---|
//! | [`transport`] | the connection to the broker, with or without TLS |
//! | [`session`] | login, and a channel with publisher confirms |
//! | [`publish`] | publishing, and the answers of the broker |
//! | [`tls`] | trusted authorities, client certificates, and configuration errors behind TLS errors |
//!
//! The client library is `lapin`. It reads and writes on its own thread; its timers run in a tokio runtime that the delivery
//! worker drives while it delivers, and once a second while it is idle. Each connection has its own runtime: dropping both
//! ends everything that belongs to the connection, whatever state it is in.

mod publish;
mod session;
mod tls;
mod transport;

use crate::settings;
use delivery::messages::Messages;
use delivery::{Backend, Receipt, StoreError, WriteBatch};
use lapin::ErrorKind;
use session::Session;
use std::io;
use tracing::warn;

/// An AMQP broker.
pub struct Amqp {
    settings: settings::Amqp,
    session: Option<Session>,
}

impl Amqp {
    /// A broker, not yet connected.
    pub fn new(settings: settings::Amqp) -> Self {
        Self { settings, session: None }
    }
}

/// Checks the files of TLS, without connecting.
///
/// # Errors
/// The key, and what is wrong.
pub fn check(settings: &settings::Amqp) -> Result<(), StoreError> {
    settings.tls.as_ref().map_or(Ok(()), |tls| tls::config(tls).map(drop))
}

impl Backend for Amqp {
    fn open(&mut self) -> Result<(), StoreError> {
        if self.session.is_none() {
            self.session = Some(Session::open(&self.settings)?);
        }
        Ok(())
    }

    fn deliver(&mut self, batch: &WriteBatch, receipt: &mut Receipt) -> Result<(), StoreError> {
        let Some(session) = &mut self.session else {
            return Err(StoreError::Down("not connected".to_owned()));
        };
        let messages = Messages::read(&batch.body)
            .ok_or_else(|| StoreError::Batch("the batch does not contain messages".to_owned()))?;
        let delivered = publish::publish(&self.settings, session, batch, &messages, receipt);
        if delivered.is_err() {
            // Closing the connection settles what is in flight: the next attempt begins with a new connection.
            self.session = None;
        }
        delivered
    }

    fn idle(&mut self) {
        // A broken connection is reopened when it is needed.
        if let Some(Err(
            StoreError::Down(what) | StoreError::Batch(what) | StoreError::Configuration { what, .. },
        )) = self.session.as_mut().map(Session::idle)
        {
            warn!("the connection to the broker is lost: {what}");
            self.session = None;
        }
    }

    fn close(&mut self) {
        if let Some(session) = self.session.take() {
            session.close(self.settings.timeout);
        }
    }
}

/// The key of the property in which an existing exchange differs. Brokers name the argument of the declaration:
/// `inequivalent arg 'durable' for exchange …`.
fn mismatched_key(text: &str) -> &'static str {
    match text.split('\'').nth(1) {
        Some("durable") => "amqp_persistent_msg",
        Some("type") => "amqp_exchange_type",
        _ => "amqp_exchange",
    }
}

/// Maps an error of the client library. `key` is the key to blame if the broker rejects the request.
fn store_error(error: &lapin::Error, key: &'static str) -> StoreError {
    match error.kind() {
        ErrorKind::ProtocolError(error) => close_error(error.get_id(), error.get_message().as_str(), key),
        ErrorKind::IOError(error) => io_error(error),
        ErrorKind::InvalidProtocolVersion(_) => {
            StoreError::Down("the broker does not speak AMQP 0.9.1".to_owned())
        }
        ErrorKind::ParsingError(_) => StoreError::Down("the broker sent data that is not AMQP 0.9.1".to_owned()),
        ErrorKind::MissingHeartbeatError => StoreError::Down("the broker has sent no heartbeat".to_owned()),
        ErrorKind::InvalidChannelState(..) | ErrorKind::InvalidConnectionState(_) => connection_closed(),
        _ => StoreError::Down(error.to_string()),
    }
}

/// Maps an error of the socket, or of TLS over it.
fn io_error(error: &io::Error) -> StoreError {
    if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::UnexpectedEof) {
        return connection_closed();
    }
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    inner.and_then(tls::configuration_error).unwrap_or_else(|| StoreError::Down(error.to_string()))
}

fn connection_closed() -> StoreError {
    StoreError::Down("the broker has closed the connection".to_owned())
}

/// Maps the reply code with which the broker closes the channel or the connection.
fn close_error(code: u16, text: &str, key: &'static str) -> StoreError {
    let what = format!("{text} ({code})");
    // Reply codes of AMQP 0.9.1, section 1.1 (constants): 403 access refused, 404 not found, 406 precondition failed,
    // 503 command invalid (RabbitMQ, for a login mechanism that it does not have), 530 not allowed.
    let key = match (code, key) {
        (403, key) => key,
        (404, _) => "amqp_exchange",
        (406, _) => mismatched_key(text),
        (503, session::LOGIN) => "amqp_user",
        (530, _) => "amqp_vhost",
        _ => return StoreError::Down(what),
    };
    StoreError::Configuration { key, what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn an_exchange_that_differs_names_the_key_of_the_argument() {
        let key = |argument: &str| {
            mismatched_key(&format!(
                "PRECONDITION_FAILED - inequivalent arg '{argument}' for exchange 'x' in vhost '/': …"
            ))
        };
        assert_eq!(key("durable"), "amqp_persistent_msg");
        assert_eq!(key("type"), "amqp_exchange_type");
        assert_eq!(key("auto_delete"), "amqp_exchange");
        assert_eq!(mismatched_key("PRECONDITION_FAILED"), "amqp_exchange");
    }

    #[test]
    fn reply_codes_are_mapped_to_keys() {
        let key = |code, asked| match close_error(code, "NO", asked) {
            StoreError::Configuration { key, what } => (key, what),
            error => ("", error.to_string()),
        };
        assert_eq!(key(403, session::LOGIN), ("amqp_passwd", "NO (403)".to_owned()));
        assert_eq!(key(403, "amqp_exchange").0, "amqp_exchange");
        assert_eq!(key(404, "amqp_host").0, "amqp_exchange");
        assert_eq!(key(503, session::LOGIN).0, "amqp_user");
        assert_eq!(key(503, "amqp_exchange"), ("", "NO (503)".to_owned()));
        assert_eq!(key(530, session::LOGIN).0, "amqp_vhost");
        assert_eq!(key(320, session::LOGIN).0, "");
    }

    /// The number of threads of the client library in this process.
    fn client_threads() -> usize {
        let names = std::fs::read_dir("/proc/self/task").unwrap();
        let names = names.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|name| name.starts_with("lapin")).count()
    }

    #[test]
    fn a_broker_that_does_not_answer_times_out_and_leaves_no_thread() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut amqp = Amqp::new(settings::Amqp {
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
            tls: None,
            user: "guest".to_owned(),
            password: "guest".to_owned(),
            vhost: "/".to_owned(),
            exchange: "pmacct".to_owned(),
            exchange_type: config::keys::amqp::ExchangeType::Direct,
            persistent: false,
            frame_max: 131_072,
            heartbeat: 0,
            timeout: Duration::from_millis(300),
        });
        for _ in 0..3 {
            let began = Instant::now();
            assert_eq!(amqp.open(), Err(StoreError::Down("no answer in time".to_owned())));
            assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        }
        let began = Instant::now();
        while client_threads() > 0 {
            assert!(began.elapsed() < Duration::from_secs(20), "{} threads", client_threads());
            std::thread::yield_now();
        }
        // A broker that closes the connection at once is down as well.
        drop(listener);
        assert!(matches!(amqp.open(), Err(StoreError::Down(_))));
    }
}
