//! Waiting for the peer's OPEN.
//!
//! A collector has to know the peer before it can answer: its AS number may be ours, and its capabilities are those that
//! we echo. This is RFC 4271's delayed OPEN.

use super::{Outcome, Signal, State, unexpected};
use crate::Parameters;
use crate::closed::Cause;
use crate::session::Core;
use bgp::message::{KEEPALIVE, Message, MessageType};
use bgp::notification::{ErrorCode, Notification};
use bgp::open::Open;
use std::time::Instant;

pub(super) fn receive(core: &mut Core, message: Message<'_>, now: Instant) -> Outcome {
    match message.kind() {
        MessageType::OPEN => open(core, message, now),
        // Does not extend the time to open the session.
        MessageType::KEEPALIVE => Outcome::Done,
        // RFC 6608 has no subcode for a state without our OPEN; OpenSent waits for the peer's just as well.
        kind => unexpected(core, kind, ErrorCode::UNEXPECTED_IN_OPEN_SENT),
    }
}

fn open(core: &mut Core, message: Message<'_>, now: Instant) -> Outcome {
    let open = match Open::decode(message.body()) {
        Ok(open) => open,
        Err(error) => return Outcome::Close(error.notification(), Cause::Open(error)),
    };
    let Ok(agreed) = Parameters::negotiate(&core.config, &open, message.octets()) else {
        return Outcome::Close(Notification::new(ErrorCode::OPEN, &[]), Cause::AnswerTooLong);
    };
    core.timers.hold = agreed.hold_time;
    core.timers.started = now;
    core.queue(MessageType::OPEN, &agreed.sent_open, now);
    core.queue(MessageType::KEEPALIVE, &KEEPALIVE, now);
    core.parameters = Some(Box::new(agreed));
    core.state = State::OpenConfirm;
    Outcome::Emit(Signal::Open)
}

pub(super) fn deadline(core: &Core) -> (Instant, Cause) {
    (core.timers.started + core.config.open_wait, Cause::OpenTimer)
}
