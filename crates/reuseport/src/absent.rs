//! A build without eBPF.

use super::{Error, Group, Transport};
use std::os::fd::BorrowedFd;
use std::path::Path;

pub(crate) fn check(_: &Path, _: Transport) -> Result<(), Error> {
    Err(Error::Absent)
}

pub(crate) fn join(_: &Group, _: Transport, _: &[BorrowedFd<'_>]) -> Result<(), Error> {
    Err(Error::Absent)
}
