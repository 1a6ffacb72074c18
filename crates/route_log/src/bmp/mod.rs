//! What BMP routers report, as events.
//!
//! | event | of |
//! |---|---|
//! | [`RouteEvent`](crate::RouteEvent), with the peer from [`Router::peer`] | the routes of route monitoring and route mirroring, and the routes in dumps |
//! | [`Marker`](crate::Marker), with the peer from [`Router::marker`] | begin and end of a router's session, and of its part of a dump |
//! | [`RecordEvent`] | all other messages: initiation, termination, peer up, peer down, each counter of a statistics report, each mirrored BGP message |
//! | [`RawEvent`] | any message, in the format of OpenBMP |
//!
//! | module | what it is |
//! |---|---|
//! | [`router`] | the router of events, and its monitored peers |
//! | [`record`] | messages other than route monitoring |
//! | [`stored`] | messages that are kept for the next dump |
//! | [`tlvs`] | what messages of version 4 say about single routes |
//! | [`raw`] | messages in the format of OpenBMP |
//! | [`schema`] | the Avro schemas |
//! | `member`, `monitored`, `words` | the members of records and of peers, and the words in them |
//!
//! docs/bmp-output.md lists the members.

mod member;
pub(crate) mod monitored;
pub mod raw;
pub mod record;
pub mod router;
pub mod schema;
pub mod stored;
#[cfg(test)]
mod tests;
pub mod tlvs;
mod words;

pub use raw::{Collector, RawEvent};
pub use record::{Context, Kind, MAX_RECORDS, Record, RecordEvent, log, omitted_records, records};
pub use router::{Router, Times};
pub use stored::Stored;
pub use tlvs::RouteTlvs;

use crate::LabelFilter;
use config::Config;
use config::keys::bmp::{BMP_DAEMON_MSGLOG_LABEL_FILTER, BMP_DAEMON_SET_PD};
use config::keys::maps::BMP_DAEMON_TAG_MAP;

/// Variables of the router in names of files, topics and keys.
pub const VARIABLES: &[&str] = &["bmp_router", "bmp_router_port"];

/// How values are shown in events of BMP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Format {
    /// Of routes.
    pub routes: crate::Format,
    /// `bmp_daemon_set_pd`: the peer distinguisher is `pd`, and not `rd`.
    pub set_pd: bool,
}

impl Format {
    /// The format of BMP events.
    #[must_use]
    pub fn read(config: &Config) -> Self {
        let routes = crate::Format::read(config);
        Self {
            // The keys of the other members are those of BGP.
            routes: crate::Format {
                has_peer_id: false,
                has_tags: config.core(&BMP_DAEMON_TAG_MAP).is_some(),
                ..routes
            },
            set_pd: config.core(&BMP_DAEMON_SET_PD),
        }
    }
}

/// `bmp_daemon_msglog_label_filter`: messages are logged only if the label of their router is one of these.
#[must_use]
pub fn label_filter(config: &Config) -> LabelFilter {
    LabelFilter::of_labels(config.core(&BMP_DAEMON_MSGLOG_LABEL_FILTER))
}
