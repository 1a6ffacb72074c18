//! A build without the endpoint.

use crate::host::part::{Kind, Part, Reading};
use config::keys::http::HTTP_LISTEN;

/// The missing endpoint.
pub(crate) static ROW: Absent = Absent;

/// The kind of this part.
pub(crate) struct Absent;

impl Kind for Absent {
    /// A missing endpoint is reported as an error, and the daemon runs.
    fn read(&self, reading: &mut Reading<'_>) -> Option<Box<dyn Part>> {
        if let Some(origin) = reading.config.core_origin(&HTTP_LISTEN) {
            let what = "http_listen: this program was built without the metrics endpoint (-V lists its features). Ignored.";
            reading.problems.error(origin, what, None);
        }
        None
    }
}
