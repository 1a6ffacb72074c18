//! Decodes the time elements of records.

use super::{Run, SECOND};
use crate::from_netflow::sources::Clock;
use netflow::record::number;

/// Seconds from the NTP epoch (1900) to the Unix epoch (1970).
const NTP_OFFSET: u64 = 2_208_988_800;

impl Run<'_> {
    /// Decodes a time to microseconds since 1970. An absolute time of 0 is absent; uptimes and offsets may be 0.
    pub(super) fn time(&self, octets: &[u8], clock: Clock, init_ms: Option<u64>) -> Option<u64> {
        let value = number(octets);
        if octets.is_empty() {
            return None;
        }
        Some(match clock {
            Clock::Seconds | Clock::Milliseconds | Clock::Ntp if value == 0 => return None,
            Clock::Seconds => value.saturating_mul(SECOND),
            Clock::Milliseconds => value.saturating_mul(1000),
            Clock::Ntp => {
                let fraction = ((value & 0xffff_ffff) * SECOND + (1 << 31)) >> 32;
                // Seconds below the offset belong to the era that starts in 2036 (RFC 4330 section 3).
                let seconds = value >> 32;
                let seconds = if seconds < NTP_OFFSET { seconds + (1 << 32) } else { seconds } - NTP_OFFSET;
                seconds * SECOND + fraction
            }
            Clock::BeforeExport => (u64::from(self.header.export_secs) * SECOND).saturating_sub(value),
            Clock::Uptime => match self.header.uptime_ms {
                Some(uptime) => self.since_boot(uptime, value as u32),
                None => {
                    let is_set = |start: &u64| *start > 0;
                    let learned = || self.options.start_ms(self.header.domain).filter(is_set);
                    let start = init_ms.filter(is_set).or_else(learned)?;
                    start.saturating_add(value).saturating_mul(1000)
                }
            },
        })
    }

    /// Converts an uptime to a time. The uptime wraps around after 49 days, so the nearest match is used. Fractions of a
    /// second of the difference to the export time are dropped, as in the reference, unless `uptime_fractions` is set.
    fn since_boot(&self, uptime: u32, value: u32) -> u64 {
        let before = i64::from(uptime.wrapping_sub(value) as i32);
        let export = i64::from(self.header.export_secs) * SECOND as i64;
        let time = if self.settings.uptime_fractions {
            export + i64::from(self.header.export_nanos / 1000) - before * 1000
        } else {
            export - before / 1000 * SECOND as i64
        };
        u64::try_from(time).unwrap_or(0)
    }
}
