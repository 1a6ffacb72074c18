//! Datagrams of a capture file.

use super::{bell_of, files};
use crate::flows::input::{Choice, Intake, Opened, Source};
use crate::flows::worker::{Datagrams, Worker};
use crate::host::part::Reading;
use capture::pcap_file::{Payloads, Settings};
use enrich::Context;

struct DatagramFile(Settings);

/// What a collector reads when `pcap_savefile` is set.
pub(crate) fn choose<P: Datagrams>(reading: &mut Reading<'_>, _: &Context) -> Choice<P> {
    match files::read(reading.config) {
        Some(settings) => Choice::This(Box::new(DatagramFile(settings))),
        None => Choice::Other,
    }
}

impl<P: Datagrams> Intake<P> for DatagramFile {
    fn links(&self, reading: &mut Reading<'_>) -> Vec<i32> {
        // Filters match the packets that flows describe, not those that carry the datagrams.
        let _ = files::links(reading, &self.0, false);
        Vec::new()
    }

    fn is_finite(&self) -> bool {
        true
    }

    fn open(&mut self) -> Result<Vec<Opened<P>>, String> {
        let payloads = Payloads::open(&self.0).map_err(|error| format!("pcap_savefile: {error}"))?;
        let (ring, bell) = crossbeam_channel::bounded(1);
        let source: Box<dyn Source<P>> = Box::new(Reader { payloads, settings: self.0.clone(), bell });
        Ok(vec![(source, bell_of(ring))])
    }
}

/// A capture file, and the bell that wakes its reader.
struct Reader {
    payloads: Payloads,
    settings: Settings,
    bell: crossbeam_channel::Receiver<()>,
}

impl<P: Datagrams> Source<P> for Reader {
    fn run(self: Box<Self>, worker: Worker<P>) {
        worker.run_file(self.payloads, &self.settings, &self.bell);
    }
}
