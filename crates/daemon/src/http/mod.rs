//! The metrics endpoint as the service sees it, whether it was built in or not.

#[cfg_attr(feature = "http", path = "present.rs")]
#[cfg_attr(not(feature = "http"), path = "absent.rs")]
mod part;

pub(crate) use part::{Http, Settings, read};
