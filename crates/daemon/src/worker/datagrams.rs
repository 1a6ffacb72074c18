//! Workers of the collectors: datagrams from a socket or from a capture file.

use super::{Protocol, ROWS, WAIT, Worker};
use capture::{Batch, Datagram};
use flow::output::Output;
use runtime::log::Limited;
use stats::Counter;
use std::net::IpAddr;
use std::time::Duration;
use tracing::warn;

/// Batches that are still taken from the kernel at the end; a sender that never stops must not keep the daemon alive.
const MAX_DRAIN: usize = 4096;
/// Lines about a socket that fails: one in so many seconds.
const RATE: Duration = Duration::from_secs(10);

/// A protocol whose messages are datagrams.
pub(crate) trait Datagrams: Protocol {
    /// What the datagrams hold, for the log.
    const WHAT: &'static str;

    /// Reads the datagram of that number in its batch, and adds its rows.
    fn datagram(&mut self, number: u32, datagram: &Datagram<'_>, output: &mut Output) -> Read;
}

/// What became of a datagram.
pub(crate) struct Read {
    /// Whose rows these are: who sent the datagram, or who says in it that he made it.
    pub(crate) exporter: IpAddr,
    /// The counter of its fate.
    pub(crate) outcome: Counter,
}

impl<P: Datagrams> Worker<P> {
    /// Works on a socket until the end is asked for.
    pub(crate) fn run_udp(mut self, mut receiver: capture::udp::Receiver) {
        let mut batch = Batch::new();
        let mut dropped = 0;
        let failing = Limited::new(RATE);
        while !self.stop.is_requested() {
            match receiver.receive(&mut batch, Some(WAIT)) {
                Ok(capture::udp::Received::Datagrams) => self.batch(&batch),
                Ok(_) => {}
                Err(error) => {
                    if let Some(pass) = failing.pass() {
                        warn!(held_back = pass.held_back, "receiving failed: {error}");
                    }
                    // An error that stays must not spin.
                    let _ = self.stop.pause(Duration::from_millis(100));
                }
            }
            if self.between() {
                let drops = receiver.drops().unwrap_or(dropped);
                self.tally.add(Counter::KernelDrops, u64::from(drops.wrapping_sub(dropped)));
                dropped = drops;
            }
        }
        // What the kernel holds was received before the end was asked for.
        for _ in 0..MAX_DRAIN {
            match receiver.receive(&mut batch, Some(Duration::ZERO)) {
                Ok(capture::udp::Received::Datagrams) => self.batch(&batch),
                // The bell that rang for the end.
                Ok(capture::udp::Received::Woken) => {}
                Ok(_) | Err(_) => break,
            }
        }
        self.end();
    }

    /// Works on a capture file, and then waits if the settings say so.
    #[cfg(feature = "pcap")]
    pub(crate) fn run_file(
        mut self,
        mut file: capture::pcap_file::Payloads,
        settings: &capture::pcap_file::Settings,
        wake: &crossbeam_channel::Receiver<()>,
    ) {
        use capture::pcap_file::Filled;
        let mut batch = Batch::new();
        self.be_patient();
        let stop = self.stop.clone();
        file.end_when(move || stop.is_requested());
        let path = settings.path.display().to_string();
        tracing::info!("reading {} from: {path}", P::WHAT);
        self.pause(settings.delay, wake);
        while !self.stop.is_requested() {
            match file.fill(&mut batch) {
                Ok(Filled::Datagrams) => self.batch(&batch),
                // The next round is opened first, so that who watches the file sees that it is not over.
                Ok(Filled::Ended) => match file.again() {
                    Ok(true) => self.pause(settings.delay, wake),
                    Ok(false) => break,
                    Err(error) => {
                        tracing::error!("{path}: {error}");
                        break;
                    }
                },
                Err(error) => {
                    self.batch(&batch);
                    tracing::error!("{path}: {error}");
                    break;
                }
            }
            self.between();
        }
        tracing::info!("finished reading {} from: {path}", P::WHAT);
        self.finished(settings.wait, wake);
        self.end();
    }

    fn batch(&mut self, batch: &Batch) {
        let units: Vec<&[u8]> = batch.iter().map(|datagram| datagram.payload).collect();
        for (number, datagram) in (0..).zip(batch.iter()) {
            self.tally.add(Counter::DatagramsReceived, 1);
            self.tally.add(Counter::OctetsReceived, datagram.payload.len() as u64);
            if self.allow.as_ref().is_some_and(|allow| !allow.allows(datagram.source.ip())) {
                self.tally.add(Counter::DatagramsNotAllowed, 1);
                continue;
            }
            let first = self.output.rows.len();
            let read = self.protocol.datagram(number, &datagram, &mut self.output);
            self.tally.add(read.outcome, 1);
            if self.output.rows.len() > first {
                self.enrich(first, Some(read.exporter), &units);
            }
            if self.output.rows.len() >= ROWS {
                self.aggregate(&units);
            }
        }
        self.aggregate(&units);
    }
}
