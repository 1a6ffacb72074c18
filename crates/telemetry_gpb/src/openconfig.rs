//! `openconfig-interfaces` (revision 2018-01-05) in protobuf, as goyang numbers its fields: the rows of Huawei's routers.

use crate::schema::{Kind, Schema, many, one};

/// `Interfaces`.
pub(crate) static INTERFACES: Schema = Schema(&[many(1, "interface", Kind::Message(&INTERFACE))]);

static INTERFACE: Schema = Schema(&[
    one(1, "config", Kind::Message(&CONFIG)),
    one(2, "holdTime", Kind::Message(&HOLD_TIME)),
    one(3, "name", Kind::Text),
    one(4, "state", Kind::Message(&STATE)),
    one(5, "subinterfaces", Kind::Message(&SUBINTERFACES)),
]);

static CONFIG: Schema = Schema(&[
    one(1, "description", Kind::Text),
    one(2, "enabled", Kind::Bool),
    one(3, "loopbackMode", Kind::Bool),
    one(4, "mtu", Kind::Uint32),
    one(5, "name", Kind::Text),
    one(6, "type", Kind::Text),
]);

static HOLD_TIME: Schema =
    Schema(&[one(1, "config", Kind::Message(&TIMES)), one(2, "state", Kind::Message(&TIMES))]);

static TIMES: Schema = Schema(&[one(1, "down", Kind::Uint32), one(2, "up", Kind::Uint32)]);

static STATE: Schema = Schema(&[
    one(1, "adminStatus", Kind::Enum(ADMIN_STATUS)),
    one(2, "counters", Kind::Message(&COUNTERS)),
    one(3, "description", Kind::Text),
    one(4, "enabled", Kind::Bool),
    one(5, "ifindex", Kind::Uint32),
    one(6, "lastChange", Kind::Uint64),
    one(7, "loopbackMode", Kind::Bool),
    one(8, "mtu", Kind::Uint32),
    one(9, "name", Kind::Text),
    one(10, "operStatus", Kind::Enum(OPER_STATUS)),
    one(11, "type", Kind::Text),
]);

static SUBINTERFACES: Schema = Schema(&[many(1, "subinterface", Kind::Message(&SUBINTERFACE))]);

static SUBINTERFACE: Schema = Schema(&[
    one(1, "config", Kind::Message(&SUBINTERFACE_CONFIG)),
    one(2, "index", Kind::Uint32),
    one(3, "state", Kind::Message(&SUBINTERFACE_STATE)),
]);

static SUBINTERFACE_CONFIG: Schema =
    Schema(&[one(1, "description", Kind::Text), one(2, "enabled", Kind::Bool), one(3, "index", Kind::Uint32)]);

static SUBINTERFACE_STATE: Schema = Schema(&[
    one(1, "adminStatus", Kind::Enum(ADMIN_STATUS)),
    one(2, "counters", Kind::Message(&COUNTERS)),
    one(3, "description", Kind::Text),
    one(4, "enabled", Kind::Bool),
    one(5, "ifindex", Kind::Uint32),
    one(6, "index", Kind::Uint32),
    one(7, "lastChange", Kind::Uint64),
    one(8, "name", Kind::Text),
    one(9, "operStatus", Kind::Enum(OPER_STATUS)),
]);

static COUNTERS: Schema = Schema(&[
    one(1, "carrierTransitions", Kind::Uint64),
    one(2, "inBroadcastPkts", Kind::Uint64),
    one(3, "inDiscards", Kind::Uint64),
    one(4, "inErrors", Kind::Uint64),
    one(5, "inFcsErrors", Kind::Uint64),
    one(6, "inMulticastPkts", Kind::Uint64),
    one(7, "inOctets", Kind::Uint64),
    one(8, "inUnicastPkts", Kind::Uint64),
    one(9, "inUnknownProtos", Kind::Uint64),
    one(10, "lastClear", Kind::Uint64),
    one(11, "outBroadcastPkts", Kind::Uint64),
    one(12, "outDiscards", Kind::Uint64),
    one(13, "outErrors", Kind::Uint64),
    one(14, "outMulticastPkts", Kind::Uint64),
    one(15, "outOctets", Kind::Uint64),
    one(16, "outUnicastPkts", Kind::Uint64),
]);

static ADMIN_STATUS: &[&str] = &["AdminStatus_DOWN", "AdminStatus_TESTING", "AdminStatus_UP"];

static OPER_STATUS: &[&str] = &[
    "OperStatus_DORMANT",
    "OperStatus_DOWN",
    "OperStatus_LOWER_LAYER_DOWN",
    "OperStatus_NOT_PRESENT",
    "OperStatus_TESTING",
    "OperStatus_UNKNOWN",
    "OperStatus_UP",
];
