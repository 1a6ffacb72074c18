//! A build without eBPF.

use super::{Error, Group, Transport};
use std::os::fd::BorrowedFd;

pub(crate) fn join(_: &Group, _: Transport, _: &[BorrowedFd<'_>]) -> Result<(), Error> {
    Err(Error::Absent)
}
