//! Packets of a capture file that match the filter.

use super::interfaces::{check_filter, expression, known, sources_named};
use super::sorted;
use super::{bell_of, files};
use crate::flows::input::{Choice, Intake, Opened, Source};
use crate::flows::worker::{Packets, Worker};
use crate::host::part::Reading;
use capture::pcap_file::{self, Settings};
use enrich::Context;
use filter::Filter;

struct PacketFile {
    settings: Settings,
    filter: Option<String>,
}

/// What pmacctd reads when `pcap_savefile` is set.
pub(crate) fn choose(reading: &mut Reading<'_>, _: &Context) -> Choice<Packets> {
    // The intake of interfaces, which comes next, rejects several sources.
    match files::read(reading.config).filter(|_| sources_named(reading.config) == 1) {
        Some(settings) => Choice::This(Box::new(PacketFile { settings, filter: expression(reading.config) })),
        None => Choice::Other,
    }
}

impl Intake<Packets> for PacketFile {
    fn links(&self, reading: &mut Reading<'_>) -> Vec<i32> {
        let links = files::links(reading, &self.settings, true);
        check_filter(reading, self.filter.as_deref(), links.as_ref());
        links.unwrap_or_default()
    }

    fn is_finite(&self) -> bool {
        true
    }

    fn open(&self) -> Result<Vec<Opened<Packets>>, String> {
        let file = pcap_file::Source::open(&self.settings).map_err(|error| format!("pcap_savefile: {error}"))?;
        let links = file.links();
        for link in &links {
            known("pcap_savefile", &self.settings.path.display().to_string(), *link)?;
        }
        let links: Vec<i32> = links.iter().map(|link| link.0 as i32).collect();
        let compiled = |text: &String| {
            Filter::compile_for_all(&links, text).map_err(|error| format!("pcap_filter: '{text}': {error}"))
        };
        let filter = self.filter.as_ref().map(compiled).transpose()?;
        let (ring, bell) = crossbeam_channel::bounded(1);
        let source: Box<dyn Source<Packets>> =
            Box::new(Reader { file, settings: self.settings.clone(), filter, bell });
        Ok(vec![(source, bell_of(ring))])
    }
}

/// A capture file, and the bell that wakes its reader.
struct Reader {
    file: pcap_file::Source,
    settings: Settings,
    filter: Option<Filter>,
    bell: crossbeam_channel::Receiver<()>,
}

impl Source<Packets> for Reader {
    fn links(&self) -> Vec<i32> {
        sorted(self.file.links())
    }

    fn introduce(&mut self, protocol: &mut Packets) {
        protocol.reads_file(self.filter.take());
    }

    fn run(self: Box<Self>, worker: Worker<Packets>) {
        worker.run_savefile(self.file, &self.settings, &self.bell);
    }
}
