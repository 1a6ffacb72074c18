//! Routes: what BGP and BMP do with them.
//!
//! | module | what it is |
//! |---|---|
//! | [`peer`] | a peer, as the RIB and outputs know it |
//! | [`table`] | changes of the RIB by UPDATEs, and the removal of what peers leave behind |
//! | [`log`] | the message log |
//! | [`dump`] | table dumps |
//! | [`tags`] | tags and labels |
//! | [`validator`] | validity by RPKI |
//! | `lookup`, `queries` | routes as JSON, and queries over HTTP |
//! | [`settings`] | settings of logs and dumps |
//! | [`figures`] | counters |

pub(crate) mod dump;
pub(crate) mod figures;
pub(crate) mod log;
#[cfg(any(feature = "http", feature = "zmq"))]
pub(crate) mod lookup;
pub(crate) mod peer;
#[cfg(feature = "http")]
pub(crate) mod queries;
pub(crate) mod settings;
pub(crate) mod table;
pub(crate) mod tags;
pub(crate) mod validator;

use crate::host::part::Services;
use event_log::Delivery;
use std::io;

/// Starts the threads that deliver events to brokers.
///
/// # Errors
/// A thread cannot be created.
pub(crate) fn deliver(services: &Services, name: &str, deliveries: Vec<Delivery>) -> io::Result<()> {
    for delivery in deliveries {
        let threads = services.threads.clone();
        services.threads.spawn_aside(format!("{name}/delivery"), services.identity.clone(), move || {
            delivery.run(|what| threads.fail(what));
        })?;
    }
    Ok(())
}
