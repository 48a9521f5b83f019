//! Partial writes, which the kernel may do: a preloaded library.

use std::{fs, path::PathBuf, process::Command};

use super::skip;

/// Shortens each `pwrite` to about its half, and prints that once.
const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/types.h>
#include <unistd.h>

ssize_t pwrite64(int file, const void *bytes, size_t len, off64_t at) {
    static ssize_t (*whole)(int, const void *, size_t, off64_t);
    if (!whole) {
        whole = dlsym(RTLD_NEXT, "pwrite64");
        static const char told[] = "writes are short\n";
        if (write(2, told, sizeof told - 1) < 0) return -1;
    }
    return whole(file, bytes, len > 2 ? len / 2 : len, at);
}
"#;

/// The library; it is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct ShortWrites(tempfile::TempDir);

impl ShortWrites {
    /// The text that it prints when it works.
    pub(crate) const TOLD: &str = "writes are short";

    /// Builds it; `None` if there is no C compiler, and the calling test is counted as skipped.
    pub(crate) fn build(test: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("short_writes.c");
        fs::write(&source, SOURCE).unwrap();
        let this = Self(folder);
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .args([this.path(), source])
            .output();
        match built {
            Ok(output) if output.status.success() => Some(this),
            Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => {
                skip(test, &format!("there is no C compiler: {error}"));
                None
            }
        }
    }

    /// The library's file, to be loaded before others (`LD_PRELOAD`).
    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("short_writes.so")
    }
}
