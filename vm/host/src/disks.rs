//! The mounted file systems that hold files on disks or in the network: `System.disks`.
//!
//! From /proc/self/mountinfo: what is mounted over is not seen, of several mounts of one file system the first counts,
//! and file systems of the kernel (without blocks of their own) and in memory are left out.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;

use nix::sys::statvfs::{FsFlags, statvfs};

/// What is in memory and gone with it.
const IN_MEMORY: [&str; 3] = ["tmpfs", "devtmpfs", "ramfs"];

/// A file system with its sizes in bytes.
#[derive(Debug)]
pub struct Disk {
    pub path: String,
    pub device: String,
    pub kind: String,
    pub total: i64,
    pub used: i64,
    pub free: i64,
    pub available: i64,
    pub inodes: i64,
    pub inodes_free: i64,
    pub read_only: bool,
}

/// A row of mountinfo.
#[derive(Debug, PartialEq)]
struct Mount {
    /// `8:1`
    number: String,
    path: Vec<u8>,
    kind: String,
    device: String,
}

/// Blocks until each file system has answered.
pub fn all() -> io::Result<Vec<Disk>> {
    let text = fs::read("/proc/self/mountinfo")?;
    Ok(visible(&text).iter().filter_map(measure).collect())
}

fn visible(mountinfo: &[u8]) -> Vec<Mount> {
    let mounts: Vec<Mount> = mountinfo.split(|b| *b == b'\n').filter_map(parse).collect();
    let last: HashMap<&[u8], usize> =
        mounts.iter().enumerate().map(|(n, mount)| (&mount.path[..], n)).collect();
    let on_top: Vec<bool> = mounts.iter().enumerate().map(|(n, mount)| last[&mount.path[..]] == n).collect();
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    for (mount, on_top) in mounts.into_iter().zip(on_top) {
        if on_top && !IN_MEMORY.contains(&mount.kind.as_str()) && seen.insert(mount.number.clone()) {
            all.push(mount);
        }
    }
    all
}

/// `ID PARENT MAJOR:MINOR ROOT PATH OPTIONS [FIELD]... - TYPE DEVICE OPTIONS`
fn parse(line: &[u8]) -> Option<Mount> {
    let fields: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
    let end = fields.iter().position(|field| *field == b"-")?;
    let text = |field: &[u8]| String::from_utf8_lossy(&unescape(field)).into_owned();
    Some(Mount {
        number: text(fields.get(2)?),
        path: unescape(fields.get(4)?),
        kind: text(fields.get(end + 1)?),
        device: text(fields.get(end + 2)?),
    })
}

/// Spaces, tabs, line ends and backslashes are written in octal there.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let code = after
            .get(..3)
            .filter(|_| *first == b'\\')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match code {
            Some(code) => {
                out.push(code);
                rest = &after[3..];
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

fn measure(mount: &Mount) -> Option<Disk> {
    let found = statvfs(OsStr::from_bytes(&mount.path)).ok()?;
    if found.blocks() == 0 {
        return None;
    }
    let unit = found.fragment_size();
    let bytes = |blocks: u64| i64::try_from(blocks.saturating_mul(unit)).unwrap_or(i64::MAX);
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let (total, free) = (bytes(found.blocks()), bytes(found.blocks_free()));
    Some(Disk {
        path: String::from_utf8_lossy(&mount.path).into_owned(),
        device: mount.device.clone(),
        kind: mount.kind.clone(),
        total,
        used: total.saturating_sub(free),
        free,
        available: bytes(found.blocks_available()),
        inodes: count(found.files()),
        inodes_free: count(found.files_free()),
        read_only: found.flags().contains(FsFlags::ST_RDONLY),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_that_are_seen() {
        let text = b"21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
                     22 21 0:5 / /proc rw - proc proc rw\n\
                     23 21 0:30 / /run rw - tmpfs tmpfs rw,size=10%\n\
                     24 21 8:1 /srv /bind rw - ext4 /dev/sda1 rw\n\
                     25 21 8:17 / /data rw - xfs /dev/sdb1 rw\n\
                     26 25 8:33 / /data rw - xfs /dev/sdc1 rw\n\
                     27 21 0:41 / /mnt/a\\040b rw master:7 propagate_from:1 - nfs4 host:/a\\134b rw\n\
                     broken line\n";
        let found = visible(text);
        let shown: Vec<String> = found
            .iter()
            .map(|m| format!("{} {} {}", String::from_utf8_lossy(&m.path), m.kind, m.device))
            .collect();
        assert_eq!(
            shown,
            ["/ ext4 /dev/sda1", "/proc proc proc", "/data xfs /dev/sdc1", "/mnt/a b nfs4 host:/a\\b"]
        );
        assert_eq!(unescape(b"\\0409\\9\\"), b" 9\\9\\");
    }

    #[test]
    fn this_machine() {
        for disk in all().expect("/proc/self/mountinfo") {
            assert!(disk.total > 0 && disk.total >= disk.free && disk.free >= disk.available, "{disk:?}");
            assert!(disk.path.starts_with('/') && !disk.kind.is_empty(), "{disk:?}");
        }
    }
}
