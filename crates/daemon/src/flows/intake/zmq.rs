//! Datagrams from a ZeroMQ socket: `nfacctd_zmq_address`.
//!
//! The daemon connects to a socket of type PUSH, such as that of a tee plugin, as a PULL.

use crate::flows::input::Choice;
use crate::flows::worker::Datagrams;
use crate::host::blame;
use crate::host::part::Reading;
use config::keys::input;
use enrich::Context;

/// The socket, if one is configured.
pub(crate) fn choose<P: Datagrams>(reading: &mut Reading<'_>, _: &Context) -> Choice<P> {
    match reading.config.core(&input::NFACCTD_ZMQ_ADDRESS) {
        Some(address) => select(reading, &address),
        None => Choice::Other,
    }
}

#[cfg(not(feature = "zmq"))]
fn select<P>(reading: &mut Reading<'_>, _address: &str) -> Choice<P> {
    let key = reading.names.of(&input::NFACCTD_ZMQ_ADDRESS);
    let what = format!("{key}: this program was built without ZeroMQ.");
    reading.problems.fatal(blame(reading.config, &input::NFACCTD_ZMQ_ADDRESS), what, None);
    Choice::Invalid
}

#[cfg(feature = "zmq")]
use with_zmq::select;

#[cfg(feature = "zmq")]
mod with_zmq {
    use super::super::broker::{self, BUSY, Figures, Misfits, Waiting};
    use super::super::delivery::Admission;
    use super::super::feed::{Feeder, Unsent};
    use super::super::workers;
    use super::{Choice, Datagrams, Reading, blame, input};
    use crate::flows::input::{Intake, Opened};
    use crate::host::part::Services;
    use crate::pull::{self, Messages, Puller};
    use ::tee::message::MAX_MESSAGE;
    use runtime::events::Stop;
    use runtime::log::Limited;
    use std::fmt::Arguments;
    use std::io;
    use std::sync::Arc;
    use std::time::Duration;
    use tracing::{info, warn};

    struct ZeroMq {
        address: String,
        workers: usize,
        key: &'static str,
        waiting: Waiting,
    }

    /// Checks the settings.
    pub(super) fn select<P: Datagrams>(reading: &mut Reading<'_>, text: &str) -> Choice<P> {
        if !broker::check(reading, "ZeroMQ") {
            return Choice::Invalid;
        }
        let key = reading.names.of(&input::NFACCTD_ZMQ_ADDRESS);
        let Some(address) = pull::address(text) else {
            let what = format!("{key}: '{text}' is not HOST:PORT.");
            let hint = "For example 192.0.2.1:50000.".to_owned();
            reading.problems.fatal(blame(reading.config, &input::NFACCTD_ZMQ_ADDRESS), what, Some(hint));
            return Choice::Invalid;
        };
        let workers = workers(reading.config);
        Choice::This(Box::new(ZeroMq { address, workers, key, waiting: Waiting::default() }))
    }

    impl<P: Datagrams> Intake<P> for ZeroMq {
        fn open(&mut self) -> Result<Vec<Opened<P>>, String> {
            Ok(self.waiting.open(self.workers))
        }

        fn start(&mut self, services: &Services, _: &Admission) -> io::Result<()> {
            let Some(feeder) = self.waiting.take() else { return Err(io::ErrorKind::NotConnected.into()) };
            let what = format!("{}: tcp://{}", self.key, self.address);
            let figures = Arc::new(Figures { what, ..Figures::default() });
            figures.show(services);
            let mut reader = Reader {
                feeder,
                stop: services.stop.clone(),
                figures,
                misfits: Misfits::new(self.key),
                failures: Limited::new(broker::RATE),
                key: self.key,
                has_ended: false,
            };
            let (name, address) = (format!("{}/zmq", services.daemon), self.address.clone());
            services.threads.spawn(name, services.identity.clone(), move || {
                pull::run(&address, MAX_MESSAGE, &mut reader);
                let _ = reader.feeder.send(Duration::from_secs(5));
            })
        }

        fn announce(&self, what: &str) {
            info!("reading {what} from ZeroMQ tcp://{}", self.address);
        }
    }

    struct Reader {
        feeder: Feeder,
        stop: Stop,
        figures: Arc<Figures>,
        misfits: Misfits,
        failures: Limited,
        key: &'static str,
        /// A worker has ended.
        has_ended: bool,
    }

    impl Reader {
        fn send(&mut self) {
            while let Err(unsent) = self.feeder.send(BUSY) {
                self.has_ended |= unsent == Unsent::Gone;
                if self.is_stopping() {
                    return;
                }
            }
        }
    }

    impl Puller for Reader {
        fn is_stopping(&self) -> bool {
            self.has_ended || self.stop.is_requested()
        }

        fn pause(&mut self, time: Duration) {
            let _ = self.stop.pause(time);
        }

        fn connected(&mut self) {
            self.figures.up.set(1);
            self.figures.connections.add(1);
            info!("{}: connected", self.key);
        }

        fn failed(&mut self, error: Arguments<'_>) {
            self.figures.up.set(0);
            self.figures.errors.add(1);
            if let Some(pass) = self.failures.pass() {
                warn!(held_back = pass.held_back, "{}: {error}", self.key);
            }
        }

        fn messages(&mut self, messages: Messages<'_>) {
            messages.for_each(|octets| {
                if let Err(fault) = self.feeder.add(octets) {
                    self.misfits.report(fault);
                }
                if self.feeder.is_full() {
                    self.send();
                }
            });
            self.send();
        }
    }
}
