//! Packets that netfilter logs.

use super::{kernel_size, sorted};
use crate::flows::input::{Choice, Intake, Opened, Source};
use crate::flows::worker::{Packets, Worker};
use crate::host::part::Reading;
use capture::nflog::{Nflog, Settings};
use config::AnyKey;
use config::keys::input;
use enrich::Context;
use packet::LinkType;
use plugins::outlet::Wake;
use std::sync::Arc;

struct Log(Settings);

/// What uacctd reads.
pub(crate) fn choose(reading: &mut Reading<'_>, _: &Context) -> Choice<Packets> {
    let config = reading.config;
    Choice::This(Box::new(Log(Settings {
        group: config.core(&input::UACCTD_GROUP),
        snaplen: kernel_size(config.core(&input::SNAPLEN)),
        buffer: kernel_size(config.core(&input::UACCTD_NL_SIZE)),
        threshold: config.core(&input::UACCTD_THRESHOLD),
    })))
}

impl Intake<Packets> for Log {
    /// The log has addresses along with its packets.
    fn has_addresses(&self) -> bool {
        true
    }

    fn open(&mut self) -> Result<Vec<Opened<Packets>>, String> {
        let group = self.0.group;
        let log = Nflog::open(&self.0).map_err(|error| format!("uacctd_group: {group}: {error}"))?;
        let waker = log.waker();
        let wake: Wake = Arc::new(move || waker.wake());
        let source: Box<dyn Source<Packets>> = Box::new(Group { log, group });
        Ok(vec![(source, wake)])
    }

    fn announce(&self, _what: &str) {
        tracing::info!("waiting for packets from netfilter's log, group {}", self.0.group);
    }

    fn buffer(&self) -> Option<&'static dyn AnyKey> {
        Some(&input::UACCTD_NL_SIZE)
    }
}

struct Group {
    log: Nflog,
    group: u16,
}

impl Source<Packets> for Group {
    fn links(&self) -> Vec<i32> {
        sorted(vec![LinkType::RAW_BSD])
    }

    fn run(self: Box<Self>, worker: Worker<Packets>) {
        worker.run_nflog(self.log, self.group);
    }
}
