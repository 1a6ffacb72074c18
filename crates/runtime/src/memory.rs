//! The memory that is available to this process.

use std::fs;
use std::path::Path;

/// Bytes that this process may use: the machine's memory, or the limit of its control group if that is lower. `None` if unknown.
#[must_use]
pub fn available() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limit = group(&groups).and_then(|group| limit(Path::new("/sys/fs/cgroup"), group));
    machine.into_iter().chain(limit).min()
}

/// The total in `/proc/meminfo`, which is in kibibytes.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1024)
}

/// The control group of version 2 in `/proc/self/cgroup`.
fn group(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::/"))
}

/// The lowest limit of a control group and its parents. A group without a limit has `max`.
fn limit(root: &Path, group: &str) -> Option<u64> {
    let group = root.join(group);
    let groups = group.ancestors().take_while(|folder| folder.starts_with(root));
    groups.filter_map(|folder| fs::read_to_string(folder.join("memory.max")).ok()?.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_memory() {
        assert!(available().is_some_and(|bytes| bytes > 1 << 20));
        assert_eq!(total("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16 << 20));
        assert_eq!(total("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn a_control_group_limits_it() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("memory.max"), "max\n").unwrap();
        assert_eq!(group("1:cpu:/x\n0::/a/b\n"), Some("a/b"));
        assert_eq!(limit(root.path(), "a/b"), None);
        fs::write(root.path().join("a/memory.max"), "5000\n").unwrap();
        assert_eq!(limit(root.path(), "a/b"), Some(5000));
    }
}
