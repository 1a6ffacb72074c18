//! Forwards datagrams with templates to another collector, which has data of the same exporters: `nfacctd_templates_receiver`.
//!
//! They are sent from the address of their exporter, by which the other collector knows whose templates they are.

use capture::Datagram;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tee::Options;
use tee::Replicator;
use tee::limit::Limit;
use tee::pool::{Pool, Pools, Receiver};
use tee::replicator::Received;

/// What a worker forwards with.
pub(crate) struct Forward(Replicator);

impl Forward {
    /// Opens the sockets of a worker.
    ///
    /// # Errors
    /// The errors of the kernel, such as a missing privilege.
    pub(crate) fn open(receiver: SocketAddr) -> io::Result<Self> {
        let pool = Pool {
            id: 1,
            receivers: vec![Receiver::Udp(receiver)],
            tags: None,
            balance: None,
            source_port: 0,
            limit: Limit::default(),
        };
        Replicator::open(Arc::new(Pools::new(vec![pool], 0)), Options::default(), true, 0).map(Self)
    }

    /// Forwards a datagram, if it has templates.
    pub(super) fn datagram(&mut self, datagram: &Datagram<'_>) {
        if !netflow::datagram::open(datagram.payload).is_ok_and(|opened| opened.has_templates()) {
            return;
        }
        let received = Received {
            unit: 0,
            source: datagram.source,
            exporter: datagram.source.ip(),
            payload: datagram.payload,
            arrival_us: datagram.arrival_us,
        };
        // Templates come seldom, so they need not be sent in batches.
        self.0.whole(&received, Some(0));
        self.0.flush(&[datagram.payload]);
    }

    /// Datagrams that were sent, and that were not, since the last call.
    pub(super) fn take_counts(&mut self) -> [u64; 2] {
        let counts = self.0.take_counts();
        [counts.sent, counts.replicas.saturating_sub(counts.sent)]
    }
}
