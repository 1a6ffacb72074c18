//! This program has no gRPC.

use super::input::Input;
use crate::host::blame;
use crate::host::part::Reading;
use config::keys::telemetry::{TELEMETRY_DAEMON_GRPC_COLLECTOR_CONF, TELEMETRY_GNMI_TARGETS};

/// Says so if it is configured.
pub(super) fn choose(reading: &mut Reading<'_>) -> Option<Box<dyn Input>> {
    for key in [&TELEMETRY_DAEMON_GRPC_COLLECTOR_CONF, &TELEMETRY_GNMI_TARGETS] {
        if reading.config.core(key).is_some() {
            let what = format!("{}: this program was built without gRPC.", key.row().name());
            reading.problems.fatal(blame(reading.config, key), what, None);
        }
    }
    None
}
