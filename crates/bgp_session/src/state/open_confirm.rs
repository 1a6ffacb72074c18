//! Waiting for the peer to confirm our OPEN.

use super::{Outcome, Signal, State, answer_keepalive, unexpected};
use crate::closed::Cause;
use crate::session::Core;
use bgp::message::{Message, MessageType};
use bgp::notification::ErrorCode;
use std::time::Instant;

pub(super) fn receive(core: &mut Core, message: Message<'_>, now: Instant) -> Outcome {
    match message.kind() {
        MessageType::KEEPALIVE => {
            answer_keepalive(core, now);
            core.state = State::Established;
            Outcome::Emit(Signal::Established)
        }
        // RFC 4271 wants a KEEPALIVE first. A peer that sends routes accepted our OPEN as well.
        MessageType::UPDATE | MessageType::ROUTE_REFRESH => {
            core.state = State::Established;
            Outcome::EmitAndRepeat(Signal::Established)
        }
        kind => unexpected(core, kind, ErrorCode::UNEXPECTED_IN_OPEN_CONFIRM),
    }
}

/// The hold timer; without a hold time as long as the OPEN may take, so that no peer stays here.
pub(super) fn deadline(core: &Core) -> (Instant, Cause) {
    match core.timers.hold_deadline() {
        Some(deadline) => (deadline, Cause::HoldTimer),
        None => (core.timers.started + core.config.open_wait, Cause::OpenTimer),
    }
}
