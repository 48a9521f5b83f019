//! How much memory the process may use.

use std::path::{Path, PathBuf};

/// Where control groups are mounted.
const CGROUPS: &str = "/sys/fs/cgroup";

/// The smallest memory limit, in bytes, of the control groups of the process; `None` if there is
/// none, or none that can be read.
#[must_use]
pub fn control_group_memory() -> Option<u64> {
    let groups = read("/proc/self/cgroup")?;
    groups.lines().filter_map(limit_files).flatten().filter_map(|file| limit(&file)).min()
}

/// The files that may hold a memory limit for one line of `/proc/self/cgroup`: those of the group
/// and of all groups above it. In a container the group's own path is not mounted, and its limit is
/// at the top.
fn limit_files(line: &str) -> Option<Vec<PathBuf>> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let (root, name) = match controllers {
        // Version 2.
        "" => (PathBuf::from(CGROUPS), "memory.max"),
        _ if controllers.split(',').any(|controller| controller == "memory") => {
            (Path::new(CGROUPS).join("memory"), "memory.limit_in_bytes")
        }
        _ => return None,
    };
    let own = root.join(path.trim_start_matches('/'));
    let above = own.ancestors().take_while(|folder| folder.starts_with(&root));
    Some(above.map(|folder| folder.join(name)).collect())
}

/// The number in a file; `None` for `max`, and for the huge number that means the same in version
/// 1.
fn limit(file: &Path) -> Option<u64> {
    read(file)?.trim().parse().ok().filter(|bytes| *bytes < 1 << 60)
}

#[expect(clippy::disallowed_methods, reason = "the kernel's files are not on a disk")]
fn read(file: impl AsRef<Path>) -> Option<String> {
    std::fs::read_to_string(file).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expect: &[&str]) {
        let files = limit_files(line).unwrap_or_default();
        let expect: Vec<PathBuf> =
            expect.iter().map(|file| Path::new(CGROUPS).join(file)).collect();
        assert_eq!(files, expect, "{line}");
    }

    #[test]
    fn the_limit_of_a_group_is_its_own_or_that_of_a_group_above_it() {
        check("0::/a/b", &["a/b/memory.max", "a/memory.max", "memory.max"]);
        check("0::/", &["memory.max"]);
        check(
            "7:cpu,memory:/a",
            &["memory/a/memory.limit_in_bytes", "memory/memory.limit_in_bytes"],
        );
        check("3:cpu:/a", &[]);
        check("nonsense", &[]);
    }
}
