//! Where datagrams come from: opened before anything else starts, so that what arrives meanwhile waits in the kernel.

use crate::worker::{Datagrams, Worker};
use plugins::outlet::Wake;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Where datagrams come from.
#[derive(Clone, Debug)]
pub(crate) enum Intake {
    /// A UDP port.
    Udp(capture::udp::Settings),
    /// A capture file.
    #[cfg(feature = "pcap")]
    File(capture::pcap_file::Settings),
}

/// What each worker reads.
pub(crate) enum Source {
    Udp(capture::udp::Receiver),
    #[cfg(feature = "pcap")]
    File(Box<FileSource>),
}

/// A capture file, and the bell that wakes its reader.
#[cfg(feature = "pcap")]
pub(crate) struct FileSource {
    payloads: capture::pcap_file::Payloads,
    settings: capture::pcap_file::Settings,
    bell: crossbeam_channel::Receiver<()>,
}

/// A source that cannot be opened.
#[derive(Debug)]
pub(crate) struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Intake {
    /// Opens a source for each worker, and what wakes it.
    pub(crate) fn open(&self) -> Result<Vec<(Source, Wake)>, Refused> {
        match self {
            Self::Udp(settings) => {
                let receivers = capture::udp::open(settings).map_err(|error| {
                    let address = settings.address.map_or("*".to_owned(), |address| address.to_string());
                    Refused(format!(
                        "nfacctd_ip, nfacctd_port: cannot listen on {address} port {}: {error}",
                        settings.port
                    ))
                })?;
                if let (Some(asked), Some(Ok(given))) =
                    (settings.receive_buffer, receivers.first().map(capture::udp::Receiver::receive_buffer))
                {
                    tracing::info!("nfacctd_pipe_size: obtained={given} target={asked}.");
                }
                let with_wake = |receiver: capture::udp::Receiver| {
                    let waker = receiver.waker();
                    (Source::Udp(receiver), Arc::new(move || waker.wake()) as Wake)
                };
                Ok(receivers.into_iter().map(with_wake).collect())
            }
            #[cfg(feature = "pcap")]
            Self::File(settings) => {
                let payloads = capture::pcap_file::Payloads::open(settings)
                    .map_err(|error| Refused(format!("pcap_savefile: {error}")))?;
                let (ring, bell) = crossbeam_channel::bounded(1);
                let source = FileSource { payloads, settings: settings.clone(), bell };
                // A bell that rings already need not be rung again.
                let wake: Wake = Arc::new(move || _ = ring.try_send(()));
                Ok(vec![(Source::File(Box::new(source)), wake)])
            }
        }
    }

    /// The line that says that the daemon is ready.
    pub(crate) fn announce(&self) {
        match self {
            Self::Udp(settings) => {
                let interface = settings.interface.as_deref().unwrap_or("all");
                let address = settings.address.map_or("::".to_owned(), |address| address.to_string());
                let port = settings.port;
                tracing::info!(
                    "waiting for NetFlow/IPFIX data on interface={interface} ip={address} port={port}/udp"
                );
            }
            #[cfg(feature = "pcap")]
            Self::File(_) => {}
        }
    }
}

impl Source {
    /// Works on datagrams until the end.
    pub(crate) fn run<P: Datagrams>(self, worker: Worker<P>) {
        match self {
            Self::Udp(receiver) => worker.run_udp(receiver),
            #[cfg(feature = "pcap")]
            Self::File(file) => {
                let FileSource { payloads, settings, bell } = *file;
                worker.run_file(payloads, &settings, &bell);
            }
        }
    }
}

/// How many workers help on this machine: one for each core but at most this many, as the kernel spreads exporters, not
/// datagrams, and each worker has its tables.
const MAX_DEFAULT_WORKERS: usize = 8;

/// Workers when the configuration leaves the choice.
pub(crate) fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MAX_DEFAULT_WORKERS)
}

/// How long threads may take to end: workers hand out their tables, plugins write them.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);
