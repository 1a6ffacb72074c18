//! Workers of pmacctd and uacctd: packets from interfaces, from netfilter's log or from a capture file.

use super::datagrams::LAST;
use super::report::InterfaceReport;
use super::{Protocol, ROWS, Report, Snapshot, WAIT, Worker};
use capture::{Frames, nflog};
use decode::from_packet::{Decoder, Frame, Settings};
use filter::{Filter, PacketView};
use flow::needs::Needs;
use flow::output::Output;
use runtime::log::Limited;
use stats::{Counter, Tally};
use std::time::{Duration, Instant};
use tracing::warn;
#[cfg(feature = "pcap")]
use tracing::{error, info};

/// Minimum time between two lines about a failing source.
const RATE: Duration = Duration::from_secs(10);

/// The decoder of one worker, and the state of its source.
pub(crate) struct Packets {
    decoder: Decoder,
    /// Packets arrive in real time.
    live: bool,
    /// The filter for packets of a file.
    filter: Option<Filter>,
    interfaces: Vec<InterfaceReport>,
    /// Packets dropped by the kernel and by interfaces so far.
    dropped: [u64; 2],
    #[cfg(feature = "pcap")]
    wanted: Option<Vec<capture::live::Interface>>,
}

impl Packets {
    /// Creates a decoder of packets that arrive in real time.
    pub(crate) fn new(needs: &Needs, settings: Settings) -> Self {
        Self {
            decoder: Decoder::new(needs, settings),
            live: true,
            filter: None,
            interfaces: Vec::new(),
            dropped: [0; 2],
            #[cfg(feature = "pcap")]
            wanted: None,
        }
    }

    /// Switches to packets of a file that match the filter.
    #[cfg(feature = "pcap")]
    pub(crate) fn reads_file(&mut self, filter: Option<Filter>) {
        self.live = false;
        self.filter = filter;
    }
}

impl Protocol for Packets {
    const REPLICATES: bool = false;

    fn change_needs(&mut self, needs: Needs) {
        self.decoder.change_needs(&needs);
    }

    fn count(&mut self, tally: &mut Tally) {
        let counts = self.decoder.take_counts();
        for (counter, count) in [
            (Counter::PacketsDecoded, counts.packets),
            (Counter::RecordsDecoded, counts.packets),
            (Counter::PacketsNotIp, counts.not_ip),
            (Counter::PacketsShort, counts.truncated),
            (Counter::PacketsBadLength, counts.bad_length),
            (Counter::FragmentsJoined, counts.fragments_joined),
            (Counter::FragmentsOrphaned, counts.fragments_orphaned),
            (Counter::FlowsEvicted, counts.flows_evicted),
        ] {
            tally.add(counter, count);
        }
        tally.set(Counter::FragmentsWaiting, self.decoder.waiting());
    }

    fn expire(&mut self, now: u64, output: &mut Output) {
        if self.live {
            self.decoder.expire(now, output);
        }
    }

    fn release(&mut self, output: &mut Output) {
        self.decoder.release(output);
    }

    fn apply_snapshot(&mut self, snapshot: &Snapshot) {
        #[cfg(feature = "pcap")]
        {
            self.wanted = snapshot.interfaces.clone();
        }
        #[cfg(not(feature = "pcap"))]
        let _ = snapshot;
    }

    fn report(&self) -> Report {
        Report { interfaces: self.interfaces.clone(), ..Report::default() }
    }
}

/// The time for packets still in the kernel at shutdown.
#[derive(Default)]
struct Last(Option<Instant>);

impl Last {
    /// True when the time is over; it begins with the first call.
    fn is_over(&mut self) -> bool {
        let over = Instant::now() >= *self.0.get_or_insert_with(|| Instant::now() + LAST);
        if over {
            warn!(
                "packets arrived faster than they could be read at shutdown: those still in the kernel's buffer are not counted"
            );
        }
        over
    }
}

impl Worker<Packets> {
    /// Captures on interfaces until shutdown, or until none is left.
    #[cfg(feature = "pcap")]
    pub(crate) fn run_live(mut self, mut live: capture::live::Live) {
        use capture::live::Filled;
        let mut frames = Frames::new();
        let failing = Limited::new(RATE);
        let mut last = Last::default();
        loop {
            let stopping = self.stop.is_requested();
            if stopping && last.is_over() {
                break;
            }
            let patience = if stopping { Duration::ZERO } else { WAIT };
            match live.fill(&mut frames, patience) {
                Ok(Filled::Frames) => self.frames(&frames),
                Ok(Filled::Nothing) if stopping => break,
                Ok(Filled::Nothing) => {}
                Ok(Filled::Lost(lost)) => {
                    self.frames(&frames);
                    if !live.is_alive() {
                        error!("{lost}; no interface is left");
                        self.failed = true;
                        break;
                    }
                    warn!("{lost}; retrying");
                }
                Err(error) => {
                    if let Some(pass) = failing.pass() {
                        warn!(held_back = pass.held_back, "capturing failed: {error}");
                    }
                    // A persistent error must not cause a busy loop.
                    let _ = self.stop.pause(Duration::from_millis(100));
                }
            }
            if !stopping && self.between() {
                self.update_drops(&mut live);
            }
            if let Some(wanted) = self.protocol.wanted.take() {
                live.change(wanted).iter().for_each(|error| error!("pcap_interfaces_map: {error}"));
            }
        }
        self.update_drops(&mut live);
        self.end();
    }

    /// Updates the drop counters from libpcap's.
    #[cfg(feature = "pcap")]
    fn update_drops(&mut self, live: &mut capture::live::Live) {
        let now = live.statistics();
        let sum = |of: fn(&capture::live::Statistics) -> u64| now.iter().map(of).sum();
        self.drops([sum(|s| s.dropped), sum(|s| s.interface_dropped)]);
        let report = |s: &capture::live::Statistics| InterfaceReport {
            name: s.interface.name.clone(),
            index: s.interface.index,
            direction: s.interface.direction.map(capture::live::Direction::name),
            received: s.received,
            dropped: s.dropped,
        };
        self.protocol.interfaces = now.iter().map(report).collect();
        self.counters.publish(&mut self.tally);
    }

    /// Counts drops since the last call. `now`: the sums so far.
    fn drops(&mut self, now: [u64; 2]) {
        let last = std::mem::replace(&mut self.protocol.dropped, now);
        let counters = [Counter::KernelDrops, Counter::InterfaceDrops];
        for ((counter, now), last) in counters.into_iter().zip(now).zip(last) {
            self.tally.add(counter, now.saturating_sub(last));
        }
    }

    /// Reads netfilter's log until shutdown.
    pub(crate) fn run_nflog(mut self, mut log: nflog::Nflog, group: u16) {
        let mut frames = Frames::new();
        let failing = Limited::new(RATE);
        let mut last = Last::default();
        loop {
            let stopping = self.stop.is_requested();
            if stopping && last.is_over() {
                break;
            }
            let patience = if stopping { Duration::ZERO } else { WAIT };
            match log.fill(&mut frames, runtime::clock::now, patience) {
                Ok(()) if frames.is_empty() && stopping => break,
                Ok(()) => self.frames(&frames),
                Err(error) => {
                    if let Some(pass) = failing.pass() {
                        warn!(held_back = pass.held_back, "netfilter's log: {error}");
                    }
                    if stopping {
                        break;
                    }
                    let _ = self.stop.pause(Duration::from_millis(100));
                }
            }
            if !stopping {
                self.between();
            }
            let nflog::Statistics { received, lost, unreadable } = log.statistics();
            self.drops([lost + unreadable, 0]);
            let name = format!("nflog:{group}");
            self.protocol.interfaces =
                vec![InterfaceReport { name, index: 0, direction: None, received, dropped: lost }];
        }
        self.end();
    }

    /// Reads a capture file, and then waits if the settings say so.
    #[cfg(feature = "pcap")]
    pub(crate) fn run_savefile(
        mut self,
        mut file: capture::pcap_file::Source,
        settings: &capture::pcap_file::Settings,
        wake: &crossbeam_channel::Receiver<()>,
    ) {
        let mut frames = Frames::new();
        self.be_patient();
        let stop = self.stop.clone();
        file.end_when(move || stop.is_requested());
        let path = settings.path.display().to_string();
        if !settings.delay.is_zero() {
            info!("PCAP capture file, sleeping for {} seconds", settings.delay.as_secs());
        }
        self.pause(settings.delay, wake);
        while !self.stop.is_requested() {
            let filled = file.fill(&mut frames);
            self.frames(&frames);
            if let Err(error) = filled {
                error!("pcap_savefile: {error}");
                break;
            }
            if frames.is_empty() {
                // The next round is opened first, so that a program that watches the file sees that reading goes on.
                match file.next_round() {
                    Ok(true) => self.pause(settings.delay, wake),
                    Ok(false) => break,
                    Err(error) => {
                        error!("pcap_savefile: {error}");
                        break;
                    }
                }
            }
            self.between();
        }
        info!("finished reading PCAP capture file {path}");
        self.finished(settings.wait, wake);
        self.end();
    }

    fn frames(&mut self, frames: &Frames) {
        let units: Vec<&[u8]> = frames.iter().map(|frame| frame.octets).collect();
        let mut bytes = 0;
        for (number, frame) in (0..).zip(frames.iter()) {
            let meta = frame.meta;
            bytes += u64::from(meta.length);
            if let Some(filter) = &self.protocol.filter {
                let link = meta.link.0 as i32;
                if !filter.matches_view(PacketView {
                    link,
                    octets: frame.octets,
                    length: meta.length,
                    untagged: None,
                }) {
                    self.tally.add(Counter::PacketsFiltered, 1);
                    continue;
                }
            }
            let frame = Frame {
                number,
                link: meta.link,
                time_us: meta.time_us,
                length: meta.length,
                octets: frame.octets,
                ingress: meta.ingress,
                egress: meta.egress,
                macs: [meta.src_mac, meta.dst_mac],
            };
            self.protocol.decoder.frame(&frame, &mut self.output);
            if self.output.rows.len() >= ROWS {
                self.enrich(0, None, &units);
                self.add(&units);
            }
        }
        self.tally.add(Counter::PacketsReceived, frames.len() as u64);
        self.tally.add(Counter::PacketBytes, bytes);
        if !self.output.rows.is_empty() {
            self.enrich(0, None, &units);
        }
        self.aggregate(&units);
    }
}
