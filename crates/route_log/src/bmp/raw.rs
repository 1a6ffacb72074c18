//! Messages in the format of OpenBMP: `bmp_daemon_msglog_output: openbmp`.

use super::Router;
use config::Config;
use config::keys::bmp::BMP_DAEMON_OPENBMP_ADMIN_ID;
use event_log::{Event, Head};
use openbmp::{Message, ObjectType, Time, collector_hash, router_hash};
use std::borrow::Cow;

/// The name of a collector without a name.
const UNNAMED: &str = "pmacct";

/// This collector, as the header of each message names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector {
    admin_id: Vec<u8>,
    hash: [u8; 16],
}

impl Collector {
    /// A collector with that name.
    #[must_use]
    pub fn new(admin_id: &str) -> Self {
        Self { admin_id: admin_id.as_bytes().to_vec(), hash: collector_hash(admin_id.as_bytes()) }
    }

    /// The collector of a configuration: `bmp_daemon_openbmp_admin_id`, or the name of the host.
    #[must_use]
    pub fn read(config: &Config) -> Self {
        let host = || {
            let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            Some(name.trim().to_owned()).filter(|name| !name.is_empty())
        };
        let name = config.core(&BMP_DAEMON_OPENBMP_ADMIN_ID).or_else(host);
        Self::new(name.as_deref().unwrap_or(UNNAMED))
    }
}

/// A message of a router as it was received. It has a form in the format of OpenBMP only.
#[derive(Clone, Copy, Debug)]
pub struct RawEvent<'a> {
    /// This collector.
    pub collector: &'a Collector,
    /// The router.
    pub router: &'a Router,
    /// The label of the router by the tag map, which becomes its group.
    pub group: Option<&'a str>,
    /// The whole BMP message.
    pub octets: &'a [u8],
}

impl Event for RawEvent<'_> {
    fn variable(&self, name: &str) -> Option<Cow<'_, str>> {
        self.router.marker().variable(name).map(Cow::Borrowed)
    }

    fn json(&self, _: &Head<'_>, _: &mut Vec<u8>) {}

    fn openbmp(&self, head: &Head<'_>, out: &mut Vec<u8>) {
        let Collector { admin_id, hash } = self.collector;
        let address = self.router.address();
        let message = Message {
            object: ObjectType::BMP_RAW,
            time: Time::from_micros(head.micros),
            collector: openbmp::Collector { hash: *hash, admin_id },
            router: Some(openbmp::Router {
                hash: router_hash(address, hash),
                address,
                group: self.group.unwrap_or_default().as_bytes(),
            }),
            rows: 1,
            data: self.octets,
        };
        // Names and labels of the configuration fit, and a BMP message has a length of four octets itself.
        let _ = message.write(out);
    }
}
