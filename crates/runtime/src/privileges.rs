//! Privileges: file mask, owner, user and group, priority.

use nix::unistd::{Gid, Group, Uid, User};
use std::ffi::CString;
use std::{fmt, io};

/// A mask for new files and directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Umask(u32);

impl Umask {
    /// Permissions for the owner only.
    pub const DEFAULT: Self = Self(0o077);

    /// A mask from the configuration. `None` for one that would make files writable for everybody (less than 002). Execute bits
    /// are cleared, so that directories can be entered.
    #[must_use]
    pub fn new(mask: u32) -> Option<Self> {
        (0o002..=0o777).contains(&mask).then_some(Self(mask & 0o666))
    }

    /// Sets it for the whole process.
    pub fn apply(self) {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(self.0));
    }

    /// Permissions of a new file.
    #[must_use]
    pub fn file_mode(self) -> u32 {
        0o666 & !self.0
    }

    /// Permissions of a new directory.
    #[must_use]
    pub fn directory_mode(self) -> u32 {
        0o777 & !self.0
    }
}

/// Id of a user, given by name or number.
#[must_use]
pub fn uid(text: &str) -> Option<u32> {
    user(text).map(|user| user.uid.as_raw())
}

/// Id of a group, given by name or number.
#[must_use]
pub fn gid(text: &str) -> Option<u32> {
    group(text).map(Gid::as_raw)
}

struct Account {
    /// The name, if the system knows the user: its supplementary groups are set, too.
    name: Option<CString>,
    uid: Uid,
    gid: Option<Gid>,
}

fn user(text: &str) -> Option<Account> {
    let number = text.parse().ok().map(Uid::from_raw);
    let known = match number {
        Some(uid) => User::from_uid(uid),
        None => User::from_name(text),
    };
    match (known, number) {
        (Ok(Some(user)), _) => {
            Some(Account { name: CString::new(user.name).ok(), uid: user.uid, gid: Some(user.gid) })
        }
        (_, Some(uid)) => Some(Account { name: None, uid, gid: None }),
        _ => None,
    }
}

fn group(text: &str) -> Option<Gid> {
    match text.parse() {
        Ok(number) => Some(Gid::from_raw(number)),
        Err(_) => Group::from_name(text).ok().flatten().map(|group| group.gid),
    }
}

/// Why privileges were not dropped.
#[derive(Debug)]
pub enum Error {
    /// No such user.
    User(String),
    /// No such group, or a user by number without a group of its own and none given.
    Group(String),
    /// The kernel denied this step.
    Kernel(&'static str, io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "no such user: {name}"),
            Self::Group(name) => write!(f, "no such group: {name}"),
            Self::Kernel(step, error) => write!(f, "{step}: {error}"),
        }
    }
}

impl std::error::Error for Error {}

/// The account of a user, and its group: the user's own unless one is given. `None`: nothing changes.
fn accounts(user_text: Option<&str>, group_text: Option<&str>) -> Result<(Option<Account>, Option<Gid>), Error> {
    let account = match user_text {
        Some(text) => Some(user(text).ok_or_else(|| Error::User(text.to_owned()))?),
        None => None,
    };
    let own = account.as_ref().and_then(|account| account.gid);
    let gid = match (group_text, own, &account) {
        (Some(text), _, _) => Some(group(text).ok_or_else(|| Error::Group(text.to_owned()))?),
        (None, None, Some(account)) => {
            return Err(Error::Group(format!("none found for user {}", account.uid)));
        }
        (None, own, _) => own,
    };
    Ok((account, gid))
}

/// Checks that the user and the group for [`drop_to`] exist.
///
/// # Errors
/// The one that does not.
pub fn check(user_text: Option<&str>, group_text: Option<&str>) -> Result<(), Error> {
    accounts(user_text, group_text).map(drop)
}

/// Drops privileges: changes user and group of all threads, for good; to be called after sockets and devices are open. The group
/// is the user's own unless one is given; the supplementary groups are the user's.
///
/// # Errors
/// After an error the change may be incomplete: the process should end.
pub fn drop_to(user_text: Option<&str>, group_text: Option<&str>) -> Result<(), Error> {
    let denied = |step| move |errno: nix::Error| Error::Kernel(step, errno.into());
    let (account, gid) = accounts(user_text, group_text)?;
    let Some(gid) = gid else { return Ok(()) };
    // The user goes last: all other steps need root.
    match account.as_ref().and_then(|account| account.name.as_ref()) {
        Some(name) => nix::unistd::initgroups(name, gid).map_err(denied("initgroups"))?,
        None => nix::unistd::setgroups(&[gid]).map_err(denied("setgroups"))?,
    }
    nix::unistd::setgid(gid).map_err(denied("setgid"))?;
    let Some(account) = account else {
        return Ok(());
    };
    nix::unistd::setuid(account.uid).map_err(denied("setuid"))?;
    if !account.uid.is_root() && nix::unistd::setuid(Uid::from_raw(0)).is_ok() {
        return Err(Error::Kernel("setuid", io::Error::other("root can be regained")));
    }
    Ok(())
}

/// True when the process runs as root.
#[must_use]
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Sets the scheduling priority, -20 (highest) to 19 (lowest), of this thread and of those that it starts afterwards.
///
/// # Errors
/// Only root may raise the priority.
pub fn set_priority(nice: i32) -> io::Result<()> {
    rustix::process::setpriority_process(None, nice).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_have_no_execute_bits_and_reject_world_writable_files() {
        assert_eq!(Umask::new(0o001), None);
        assert_eq!(Umask::new(0), None);
        assert_eq!(Umask::new(0o1000), None);
        let mask = Umask::new(0o077).unwrap();
        assert_eq!((mask.file_mode(), mask.directory_mode()), (0o600, 0o711));
        let mask = Umask::new(0o022).unwrap();
        assert_eq!((mask.file_mode(), mask.directory_mode()), (0o644, 0o755));
        assert_eq!((Umask::DEFAULT.file_mode(), Umask::DEFAULT.directory_mode()), (0o600, 0o700));
    }

    #[test]
    fn users_and_groups_are_found_by_name_or_number() {
        assert_eq!(uid("root"), Some(0));
        assert_eq!(uid("0"), Some(0));
        assert_eq!(uid("123456789"), Some(123_456_789), "numbers need no account");
        assert_eq!(uid("no-such-user"), None);
        assert_eq!(gid("root"), Some(0));
        assert_eq!(gid("42424242"), Some(42_424_242));
        assert_eq!(gid("no-such-group"), None);
    }

    #[test]
    fn unknown_accounts_are_errors_before_anything_is_changed() {
        assert!(matches!(drop_to(Some("no-such-user"), None), Err(Error::User(_))));
        assert!(matches!(drop_to(Some("root"), Some("no-such-group")), Err(Error::Group(_))));
        assert!(matches!(drop_to(Some("123456789"), None), Err(Error::Group(_))));
        assert!(drop_to(None, None).is_ok());
        assert!(check(Some("root"), Some("42424242")).is_ok() && check(None, None).is_ok());
        for (user, group) in
            [(Some("no-such-user"), None), (None, Some("no-such-group")), (Some("123456789"), None)]
        {
            assert!(check(user, group).is_err(), "{user:?} {group:?}");
        }
    }

    #[test]
    fn a_thread_may_be_made_less_urgent() {
        std::thread::spawn(|| {
            set_priority(19).unwrap();
            assert_eq!(rustix::process::getpriority_process(None).unwrap(), 19);
        })
        .join()
        .unwrap();
    }
}
