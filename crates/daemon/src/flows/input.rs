//! The input of a flow daemon: where it comes from, and how it becomes rows.
//!
//! The row of a daemon names one [`Decoder`] and the [`Intake`]s that its messages can come from ([`InputRow`]). Both are known by their
//! types up to the worker, whose code is made for its protocol; the rest of the daemon sees an [`Input`]. What no row of a daemon names
//! is not part of its program.

use super::intake::delivery::Admission;
use super::pipeline::Require;
use super::worker::{Learned, Protocol, Worker, WorkerContext};
use crate::host::part::{Prepare, Reading, Services};
use config::{AnyKey, Names};
use enrich::Context;
use flow::needs::Needs;
use netflow::template::Template;
use packet::tunnel::Ports;
use plugins::outlet::Wake;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

/// Reads the current interfaces of a map.
#[cfg(feature = "pcap")]
pub(crate) type ReadInterfaces =
    std::sync::Arc<dyn Fn(&Context, &mut config::Diagnostics) -> Vec<capture::live::Interface> + Send + Sync>;

/// What the thread of a worker does.
pub(crate) type Work = Box<dyn FnOnce() + Send>;

/// A source that is open, and what wakes its reader.
pub(crate) type Opened<P> = (Box<dyn Source<P>>, Wake);

/// Where one worker's messages come from.
pub(crate) trait Source<P>: Send {
    /// Link types of its frames, as libpcap numbers them; empty if it has no frames.
    fn links(&self) -> Vec<i32> {
        Vec::new()
    }

    /// Passes properties of the source to the protocol.
    fn introduce(&mut self, _protocol: &mut P) {}

    /// Works until the end.
    fn run(self: Box<Self>, worker: Worker<P>);
}

/// Where messages come from, as the configuration says it.
pub(crate) trait Intake<P> {
    /// Link types of the frames, as far as they are known before anything is opened. Reports errors in the files and
    /// expressions of the configuration.
    fn links(&self, _reading: &mut Reading<'_>) -> Vec<i32> {
        Vec::new()
    }

    /// Whether it is read to its end.
    fn is_finite(&self) -> bool {
        false
    }

    /// Whether its frames have link-layer addresses, whatever the link type.
    fn has_addresses(&self) -> bool {
        false
    }

    /// Opens a source for each worker.
    ///
    /// # Errors
    /// The message, with the key.
    fn open(&mut self) -> Result<Vec<Opened<P>>, String>;

    /// Starts threads of its own, which receive for the workers.
    ///
    /// # Errors
    /// The kernel allows no more threads.
    fn start(&mut self, _services: &Services, _admission: &Admission) -> io::Result<()> {
        Ok(())
    }

    /// Asks these threads to end. They hand over what they have received.
    fn stop(&mut self) {}

    /// Files that a reload reads again, for these threads.
    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// The reload of these files.
    fn prepare_reload(&self) -> Option<Prepare> {
        None
    }

    /// A line of statistics.
    fn line(&self) -> Option<String> {
        None
    }

    /// Logs that the daemon is ready. `what`: the kind of input, in words.
    fn announce(&self, _what: &str) {}

    /// The key for the kernel's buffer.
    fn buffer(&self) -> Option<&'static dyn AnyKey> {
        None
    }

    /// Reads its map of interfaces; a reload calls it again.
    #[cfg(feature = "pcap")]
    fn interfaces(&self) -> Option<ReadInterfaces> {
        None
    }
}

/// The result of looking for an intake in the configuration.
pub(crate) enum Choice<P> {
    /// Input comes from elsewhere.
    Other,
    /// It comes from here, and its settings are invalid, which was reported.
    Invalid,
    /// It comes from here.
    This(Box<dyn Intake<P>>),
}

/// Checks whether the configuration selects an intake.
pub(crate) type Choose<P> = fn(&mut Reading<'_>, &Context) -> Choice<P>;

/// What a decoder must know of the rest of the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Some plugin counts flows.
    pub(crate) flows: bool,
    /// Networks or AS numbers come from the protocol.
    pub(crate) networks: bool,
    /// Bytes that each worker may keep of exporters.
    pub(crate) max_memory: usize,
}

/// How messages become rows, as the configuration says it. A decoder makes the [`Protocol`] of each worker.
pub(crate) trait Decoder: Sized + 'static {
    /// What workers decode with.
    type Protocol: Protocol;
    /// Whether messages are packets of the traffic itself.
    const IS_PACKETS: bool = false;
    /// The kind of input, in words.
    const WHAT: &'static str;
    /// The fields that it needs to compute others.
    const REQUIRE: Require;

    /// Reads its settings.
    fn read(reading: &mut Reading<'_>, wanted: Wanted) -> Self;

    /// Tunnels whose inner packets are counted.
    fn inside(&self) -> Option<&Ports> {
        None
    }

    /// Datagrams of other versions are not reported.
    fn is_unchecked(&self) -> bool {
        false
    }

    /// Files that it alone may write, with their keys.
    fn owned_files(&self) -> Vec<(&'static str, PathBuf)> {
        Vec::new()
    }

    /// Reads what an earlier run has left.
    ///
    /// # Errors
    /// The message, with the key.
    fn prepare(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Opens what needs the privileges of the start.
    ///
    /// # Errors
    /// The message, with the key.
    fn open(&mut self, _workers: usize) -> Result<(), String> {
        Ok(())
    }

    /// Starts threads of its own.
    ///
    /// # Errors
    /// The kernel allows no more.
    fn start(&mut self, _services: &Services) -> io::Result<()> {
        Ok(())
    }

    /// Creates the protocol of each worker.
    fn protocols(&mut self, needs: &Needs, workers: usize) -> Vec<Self::Protocol>;

    /// A worker has learned something of an exporter.
    fn learn(&mut self, _exporter: IpAddr, _learned: Learned) {}

    /// All workers have ended, with these templates.
    fn end(&mut self, _templates: Vec<(IpAddr, Template)>) {}

    /// A line of statistics.
    fn line(&self) -> Option<String> {
        None
    }
}

/// The input of a daemon, in its row.
pub(crate) struct InputRow<D: Decoder> {
    /// Where it can come from: the first that the configuration asks for is taken.
    pub(crate) intakes: &'static [Choose<D::Protocol>],
}

/// [`InputRow`], whatever its decoder.
pub(crate) trait InputKind: Sync {
    /// Whether messages are packets of the traffic itself.
    fn is_packets(&self) -> bool;

    /// Reads the settings, and sets the link types in `context`. Returns `None` only with fatal problems.
    fn read(&self, reading: &mut Reading<'_>, context: &mut Context, wanted: Wanted) -> Option<Box<dyn Input>>;
}

impl<D: Decoder> InputKind for InputRow<D> {
    fn is_packets(&self) -> bool {
        D::IS_PACKETS
    }

    fn read(&self, reading: &mut Reading<'_>, context: &mut Context, wanted: Wanted) -> Option<Box<dyn Input>> {
        let mut choices = self.intakes.iter().map(|choose| choose(reading, context));
        let intake = match choices.find(|choice| !matches!(choice, Choice::Other)) {
            Some(Choice::This(intake)) => Some(intake),
            Some(Choice::Invalid | Choice::Other) | None => None,
        };
        if let Some(intake) = &intake {
            context.links = intake.links(reading);
        }
        let decoder = D::read(reading, wanted);
        let names = reading.names.clone();
        Some(Box::new(Combined { intake: intake?, decoder, names, sources: Vec::new() }))
    }
}

/// What a flow daemon takes in, whatever the protocol.
pub(crate) trait Input {
    fn is_packets(&self) -> bool;
    fn require(&self) -> Require;
    fn inside(&self) -> Option<&Ports>;
    fn is_unchecked(&self) -> bool;
    fn is_finite(&self) -> bool;
    fn has_addresses(&self) -> bool;
    /// The key of the kernel's buffer, for messages.
    fn buffer(&self) -> &'static str;
    #[cfg(feature = "pcap")]
    fn interfaces(&self) -> Option<ReadInterfaces>;
    fn owned_files(&self) -> Vec<(&'static str, PathBuf)>;
    /// Opens the sources. Returns what wakes each.
    fn open(&mut self) -> Result<Vec<Wake>, String>;
    /// Link types of the open sources.
    fn links(&self) -> Vec<i32>;
    fn prepare(&mut self) -> Result<(), String>;
    fn start(&mut self, services: &Services, admission: &Admission) -> io::Result<()>;
    fn stop(&mut self);
    fn files(&self) -> Vec<PathBuf>;
    fn prepare_reload(&self) -> Option<Prepare>;
    /// The work of each worker.
    fn work(&mut self, needs: &Needs, context: Vec<WorkerContext>) -> Vec<Work>;
    fn announce(&self);
    fn learn(&mut self, exporter: IpAddr, learned: Learned);
    fn end(&mut self, templates: Vec<(IpAddr, Template)>);
    /// Lines of statistics.
    fn lines(&self) -> Vec<String>;
}

struct Combined<D: Decoder> {
    intake: Box<dyn Intake<D::Protocol>>,
    decoder: D,
    names: Names,
    sources: Vec<Box<dyn Source<D::Protocol>>>,
}

impl<D: Decoder> Input for Combined<D> {
    fn is_packets(&self) -> bool {
        D::IS_PACKETS
    }

    fn require(&self) -> Require {
        D::REQUIRE
    }

    fn inside(&self) -> Option<&Ports> {
        self.decoder.inside()
    }

    fn is_unchecked(&self) -> bool {
        self.decoder.is_unchecked()
    }

    fn is_finite(&self) -> bool {
        self.intake.is_finite()
    }

    fn has_addresses(&self) -> bool {
        self.intake.has_addresses()
    }

    fn buffer(&self) -> &'static str {
        self.intake.buffer().map_or("", |key| self.names.of(key))
    }

    #[cfg(feature = "pcap")]
    fn interfaces(&self) -> Option<ReadInterfaces> {
        self.intake.interfaces()
    }

    fn owned_files(&self) -> Vec<(&'static str, PathBuf)> {
        self.decoder.owned_files()
    }

    fn open(&mut self) -> Result<Vec<Wake>, String> {
        let (sources, wakes): (Vec<_>, Vec<_>) = self.intake.open()?.into_iter().unzip();
        self.decoder.open(sources.len())?;
        self.sources = sources;
        Ok(wakes)
    }

    fn links(&self) -> Vec<i32> {
        self.sources.iter().flat_map(|source| source.links()).collect()
    }

    fn prepare(&mut self) -> Result<(), String> {
        self.decoder.prepare()
    }

    fn start(&mut self, services: &Services, admission: &Admission) -> io::Result<()> {
        self.decoder.start(services)?;
        self.intake.start(services, admission)
    }

    fn stop(&mut self) {
        self.intake.stop();
    }

    fn files(&self) -> Vec<PathBuf> {
        self.intake.files()
    }

    fn prepare_reload(&self) -> Option<Prepare> {
        self.intake.prepare_reload()
    }

    fn work(&mut self, needs: &Needs, context: Vec<WorkerContext>) -> Vec<Work> {
        let sources = std::mem::take(&mut self.sources);
        let protocols = self.decoder.protocols(needs, context.len());
        let workers = sources.into_iter().zip(protocols).zip(context);
        let work = |((mut source, mut protocol), context): ((Box<dyn Source<_>>, _), _)| -> Work {
            source.introduce(&mut protocol);
            let worker = Worker::new(protocol, context);
            Box::new(move || source.run(worker))
        };
        workers.map(work).collect()
    }

    fn announce(&self) {
        self.intake.announce(D::WHAT);
    }

    fn learn(&mut self, exporter: IpAddr, learned: Learned) {
        self.decoder.learn(exporter, learned);
    }

    fn end(&mut self, templates: Vec<(IpAddr, Template)>) {
        self.decoder.end(templates);
    }

    fn lines(&self) -> Vec<String> {
        self.intake.line().into_iter().chain(self.decoder.line()).collect()
    }
}
