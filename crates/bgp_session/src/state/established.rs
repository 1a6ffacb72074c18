//! Exchanging routes.

use super::{Outcome, Signal, answer_keepalive, unexpected};
use crate::closed::Cause;
use crate::session::Core;
use bgp::message::{Message, MessageType};
use bgp::notification::ErrorCode;
use bgp::route_refresh::RouteRefresh;
use std::time::Instant;

#[inline]
pub(super) fn receive(core: &mut Core, message: Message<'_>, now: Instant) -> Outcome {
    match message.kind() {
        MessageType::UPDATE => Outcome::Emit(Signal::Update),
        MessageType::KEEPALIVE => {
            answer_keepalive(core, now);
            Outcome::Emit(Signal::Keepalive)
        }
        MessageType::ROUTE_REFRESH => match RouteRefresh::decode(message.body(), core.enhanced_route_refresh()) {
            Ok(_) => Outcome::Emit(Signal::RouteRefresh),
            Err(error) => Outcome::Close(error.notification(message), Cause::RouteRefresh(error)),
        },
        kind => unexpected(core, kind, ErrorCode::UNEXPECTED_IN_ESTABLISHED),
    }
}

pub(super) fn deadline(core: &Core) -> Option<(Instant, Cause)> {
    core.timers.hold_deadline().map(|deadline| (deadline, Cause::HoldTimer))
}
