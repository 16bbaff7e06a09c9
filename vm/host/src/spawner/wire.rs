//! Packets between owner, guardian and keeper: both ends are the same executable, so there is no version.
//!
//! Sockets are SOCK_SEQPACKET: one packet is one message. Integers are little-endian.
//!
//! To the guardian: one byte, with the keeper's socket attached.
//!
//! To the keeper, spawn, with the child's standard streams attached:
//! ```text
//! 0  u8   1
//! 1  u8   flags: 1 do not inherit the environment, 2 a directory is given, 4 the strings are in a memory file,
//!         attached last, 8 a script is attached after the streams, for descriptor 3, 16 a session of its own
//! 2  u8   standard streams that are attached (bit n for descriptor n); the others are /dev/null
//! 3  u8   0
//! 4  u32  id of the request
//! 8  u32  number of arguments, the program included
//! 12 u32  number of NAME=VALUE strings
//! 16      arguments, environment, directory; each ended by a zero byte
//! ```
//! To the keeper, signal: u8 2, u8 signal number, u16 0, u32 pid of the group. SIGKILL reaches the descendants
//! of the child outside its group too.
//!
//! To the keeper, let go: u8 3. At its end it leaves what has a session of its own to the system.
//!
//! From the keeper, 36 bytes:
//! ```text
//! 0  u8   1 started, 2 not started, 3 ended
//! 1  u8   what failed when not started: 1 the program, 2 the directory, 3 the request
//! 2  u16  0
//! 4  u32  id of the request
//! 8  i32  pid | errno | wait status
//! 12 u64  user time in microseconds (ended)
//! 20 u64  system time in microseconds (ended)
//! 28 u64  largest resident set in bytes (ended)
//! ```

/// Requests with more string bytes than this go through a memory file.
pub const INLINE_MAX: usize = 48 << 10;
/// Larger requests are refused with E2BIG, as the kernel would.
pub const STRINGS_MAX: usize = 8 << 20;
pub const HEADER: usize = 16;
pub const REPLY: usize = 36;

pub const CLEAR_ENV: u8 = 1;
pub const HAS_DIR: u8 = 2;
pub const IN_FILE: u8 = 4;
pub const HAS_SCRIPT: u8 = 8;
pub const NEW_SESSION: u8 = 16;

/// The packet of `Request::LetGo`.
pub const LET_GO_PACKET: [u8; 1] = [LET_GO];

/// The descriptor under which a child has its script.
pub const SCRIPT_FD: i32 = 3;

const SPAWN: u8 = 1;
const SIGNAL: u8 = 2;
const LET_GO: u8 = 3;

/// The fixed part of a spawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpawnHeader {
    pub flags: u8,
    pub streams: u8,
    pub id: u32,
    pub argc: u32,
    pub envc: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Request {
    Spawn(SpawnHeader),
    Signal {
        pid: u32,
        signal: u8,
    },
    /// What has detached itself is to live on when the keeper ends.
    LetGo,
}

impl SpawnHeader {
    pub fn encode(&self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        out[0] = SPAWN;
        out[1] = self.flags;
        out[2] = self.streams;
        out[4..8].copy_from_slice(&self.id.to_le_bytes());
        out[8..12].copy_from_slice(&self.argc.to_le_bytes());
        out[12..16].copy_from_slice(&self.envc.to_le_bytes());
        out
    }
}

pub fn encode_signal(pid: u32, signal: u8) -> [u8; 8] {
    let mut out = [0; 8];
    out[0] = SIGNAL;
    out[1] = signal;
    out[4..8].copy_from_slice(&pid.to_le_bytes());
    out
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

impl Request {
    pub fn decode(packet: &[u8]) -> Option<Request> {
        match *packet.first()? {
            SPAWN => Some(Request::Spawn(SpawnHeader {
                flags: *packet.get(1)?,
                streams: *packet.get(2)?,
                id: u32_at(packet, 4)?,
                argc: u32_at(packet, 8)?,
                envc: u32_at(packet, 12)?,
            })),
            SIGNAL => Some(Request::Signal { signal: *packet.get(1)?, pid: u32_at(packet, 4)? }),
            LET_GO => Some(Request::LetGo),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Program = 1,
    Directory = 2,
    Request = 3,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reply {
    Started { id: u32, pid: u32 },
    Failed { id: u32, errno: i32, stage: Stage },
    Ended { id: u32, status: i32, user_us: u64, system_us: u64, resident_bytes: u64 },
}

impl Reply {
    pub fn encode(&self) -> [u8; REPLY] {
        let mut out = [0; REPLY];
        let (kind, id, number) = match *self {
            Reply::Started { id, pid } => (1, id, pid as i32),
            Reply::Failed { id, errno, stage } => {
                out[1] = stage as u8;
                (2, id, errno)
            }
            Reply::Ended { id, status, user_us, system_us, resident_bytes } => {
                out[12..20].copy_from_slice(&user_us.to_le_bytes());
                out[20..28].copy_from_slice(&system_us.to_le_bytes());
                out[28..36].copy_from_slice(&resident_bytes.to_le_bytes());
                (3, id, status)
            }
        };
        out[0] = kind;
        out[4..8].copy_from_slice(&id.to_le_bytes());
        out[8..12].copy_from_slice(&number.to_le_bytes());
        out
    }

    pub fn decode(packet: &[u8]) -> Option<Reply> {
        let id = u32_at(packet, 4)?;
        let number = u32_at(packet, 8)?;
        match *packet.first()? {
            1 => Some(Reply::Started { id, pid: number }),
            2 => {
                let stage = match *packet.get(1)? {
                    1 => Stage::Program,
                    2 => Stage::Directory,
                    _ => Stage::Request,
                };
                Some(Reply::Failed { id, errno: number as i32, stage })
            }
            3 => Some(Reply::Ended {
                id,
                status: number as i32,
                user_us: u64_at(packet, 12)?,
                system_us: u64_at(packet, 20)?,
                resident_bytes: u64_at(packet, 28)?,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_back_as_they_went() {
        let header = SpawnHeader { flags: 3, streams: 5, id: 7, argc: 1, envc: 70_000 };
        assert_eq!(Request::decode(&header.encode()), Some(Request::Spawn(header)));
        assert_eq!(
            Request::decode(&encode_signal(4_000_000, 15)),
            Some(Request::Signal { pid: 4_000_000, signal: 15 })
        );
        assert_eq!(Request::decode(&LET_GO_PACKET), Some(Request::LetGo));
        for reply in [
            Reply::Started { id: 1, pid: 99 },
            Reply::Failed { id: 2, errno: 13, stage: Stage::Directory },
            Reply::Ended { id: 3, status: -1, user_us: 1 << 40, system_us: 2, resident_bytes: 3 },
        ] {
            assert_eq!(Reply::decode(&reply.encode()), Some(reply));
        }
    }

    #[test]
    fn cut_packets_are_refused() {
        let whole = Reply::Ended { id: 3, status: 0, user_us: 1, system_us: 2, resident_bytes: 3 }.encode();
        for length in 0..whole.len() {
            assert_eq!(Reply::decode(&whole[..length]), None);
        }
        for length in 0..8 {
            assert_eq!(Request::decode(&encode_signal(1, 2)[..length]), None);
        }
    }
}
