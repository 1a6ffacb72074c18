//! Telemetry from a ZeroMQ socket: `telemetry_daemon_zmq_address`.
//!
//! The daemon connects to a socket of type PUSH, as a PULL ([`crate::pull`]).

use super::input::Input;
#[cfg(feature = "zmq")]
use super::service::Service;
use crate::host::blame;
use crate::host::part::Reading;
#[cfg(feature = "zmq")]
use crate::host::part::Services;
use config::keys::telemetry::TELEMETRY_DAEMON_ZMQ_ADDRESS;

/// Reads a socket, if one is configured.
#[cfg(feature = "zmq")]
pub(super) fn choose(reading: &mut Reading<'_>) -> Option<Box<dyn Input>> {
    let text = reading.config.core(&TELEMETRY_DAEMON_ZMQ_ADDRESS)?;
    let address = crate::pull::address(&text);
    if address.is_none() {
        let what = format!("telemetry_daemon_zmq_address: '{text}' is not HOST:PORT.");
        let hint = "For example 192.0.2.1:50000.".to_owned();
        reading.problems.fatal(blame(reading.config, &TELEMETRY_DAEMON_ZMQ_ADDRESS), what, Some(hint));
    }
    Some(Box::new(ZeroMq { address: address? }))
}

/// This program has no ZeroMQ.
#[cfg(not(feature = "zmq"))]
pub(super) fn choose(reading: &mut Reading<'_>) -> Option<Box<dyn Input>> {
    reading.config.core(&TELEMETRY_DAEMON_ZMQ_ADDRESS)?;
    let what = "telemetry_daemon_zmq_address: this program was built without ZeroMQ.";
    reading.problems.fatal(blame(reading.config, &TELEMETRY_DAEMON_ZMQ_ADDRESS), what, None);
    None
}

/// The input.
#[cfg(feature = "zmq")]
struct ZeroMq {
    address: String,
}

#[cfg(feature = "zmq")]
impl Input for ZeroMq {
    fn start(&mut self, service: &std::sync::Arc<Service>, services: &Services) -> std::io::Result<()> {
        let address = self.address.clone();
        service.spawn(services, "telemetry/zmq", move |service| client::run(&address, service))
    }

    fn announce(&self) {
        tracing::info!("reading telemetry data from ZeroMQ tcp://{}", self.address);
    }
}

#[cfg(feature = "zmq")]
mod client {
    use super::Service;
    use crate::pull::{Messages, Puller};
    use crate::telemetry::broker::Reader;
    use crate::telemetry::node::Transport;
    use runtime::clock;
    use std::fmt::Arguments;
    use std::time::Duration;

    /// Reads the socket until the daemon stops.
    pub(super) fn run(address: &str, service: &Service) {
        let reader = Reader::new(Transport::ZeroMq, "telemetry_daemon_zmq_address", service);
        crate::pull::run(address, service.settings.max_message, &mut Client { reader, service });
    }

    struct Client<'a> {
        reader: Reader,
        service: &'a Service,
    }

    impl Puller for Client<'_> {
        fn is_stopping(&self) -> bool {
            self.service.stop.is_requested()
        }

        fn pause(&mut self, time: Duration) {
            let _ = self.service.stop.pause(time);
        }

        fn idle(&mut self) {
            self.service.idle();
        }

        fn failed(&mut self, error: Arguments<'_>) {
            self.reader.fail(&error);
        }

        fn messages(&mut self, messages: Messages<'_>) {
            let Self { reader, service } = self;
            let now = clock::now();
            service.batch(|collector| messages.for_each(|octets| reader.receive(collector, service, octets, now)));
        }
    }
}
