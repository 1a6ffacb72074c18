//! The figures of sessions as metrics.

use super::figures::{Figures, Of, Transport};
use ::metrics::{Family, IPFIX, Sample, Source};
use std::sync::Arc;

/// Reads the figures for the metrics endpoint.
pub(super) struct Metrics(pub(super) Arc<Figures>);

impl Source for Metrics {
    fn families(&self) -> &'static [Family<'static>] {
        &IPFIX
    }

    fn samples(&self, family: usize, sample: &mut Sample<'_>) {
        let mut each = |of: &mut dyn FnMut(&Of, &'static str, &mut Sample<'_>)| {
            for transport in Transport::ALL {
                of(self.0.of(transport), transport.name(), sample);
            }
        };
        let of = |transport, reason| [("transport", transport), ("reason", reason)];
        match family {
            0 => each(&mut |figures, name, sample| sample(&[("transport", name)], figures.accepted.get())),
            1 => each(&mut |figures, name, sample| {
                figures.rejected().for_each(|(reason, count)| sample(&of(name, reason), count));
            }),
            2 => each(&mut |figures, name, sample| sample(&[("transport", name)], figures.open.get())),
            3 => each(&mut |figures, name, sample| {
                figures.closed().for_each(|(reason, count)| sample(&of(name, reason), count));
            }),
            4 => each(&mut |figures, name, sample| sample(&[("transport", name)], figures.messages.get())),
            5 => self.0.dropped().for_each(|(reason, count)| sample(&[("reason", reason)], count)),
            _ => {}
        }
    }
}
