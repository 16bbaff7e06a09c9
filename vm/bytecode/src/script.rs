//! Scripts that a program embeds: what runs one, as its first line says, and the capability of running it.
//!
//! The first line is read as the kernel reads it: `#!`, the absolute path of a program, and what follows up to the
//! end of the line as one argument.

use crate::capability::Capability;
use crate::image::Script;

/// Of the first line; the kernel reads no more either.
const LINE_BYTES_MAX: usize = 255;

/// What a script's first line names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interpreter<'a> {
    pub program: &'a str,
    pub argument: Option<&'a str>,
}

/// The interpreter of a script, or what is wrong with its first line.
pub fn interpreter(bytes: &[u8]) -> Result<Interpreter<'_>, &'static str> {
    let Some(rest) = bytes.strip_prefix(b"#!") else {
        return Err("its first line does not name what runs it, as `#!/bin/sh` does");
    };
    let line = rest.split(|b| *b == b'\n').next().unwrap_or_default();
    if line.len() + 2 > LINE_BYTES_MAX {
        return Err("its first line is longer than 255 bytes");
    }
    if line.ends_with(b"\r") {
        return Err(
            "its first line ends in a carriage return, which would be part of the interpreter's name",
        );
    }
    let line = match std::str::from_utf8(line) {
        Ok(line) if !line.contains('\0') => line.trim_matches([' ', '\t']),
        _ => return Err("its first line is not text"),
    };
    let (program, argument) = match line.split_once([' ', '\t']) {
        Some((program, argument)) => (program, Some(argument.trim_start_matches([' ', '\t']))),
        None => (line, None),
    };
    if !program.starts_with('/') {
        return Err(
            "its first line must name a program by an absolute path, as in `#!/bin/sh` or `#!/usr/bin/env python3`",
        );
    }
    Ok(Interpreter { program, argument })
}

impl Script {
    /// BLAKE3 of its bytes.
    pub fn hash(&self) -> [u8; 32] {
        blake3::hash(&self.bytes).into()
    }

    /// The capability of running just this text under this name: `script:fix.sh@HASH`.
    pub fn capability(&self) -> Capability {
        let hash = blake3::hash(&self.bytes).to_hex();
        Capability::exact("script", &[&format!("{}@{hash}", self.name)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines() {
        let good = |text: &str, program: &str, argument: Option<&str>| {
            assert_eq!(interpreter(text.as_bytes()), Ok(Interpreter { program, argument }), "{text:?}");
        };
        good("#!/bin/sh", "/bin/sh", None);
        good("#! /bin/sh \nexit 0\n", "/bin/sh", None);
        good("#!/usr/bin/env\tpython3 -u \nprint(1)\n", "/usr/bin/env", Some("python3 -u"));
        let bad = |text: &[u8], what: &str| {
            let why = interpreter(text).expect_err("it names no interpreter");
            assert!(why.contains(what), "{why}");
        };
        bad(b"", "does not name");
        bad(b"echo\n#!/bin/sh\n", "does not name");
        bad(b"\xef\xbb\xbf#!/bin/sh\n", "does not name");
        bad(b"#!\n", "absolute path");
        bad(b"#!sh\n", "absolute path");
        bad(b"#!/bin/sh\r\n", "carriage return");
        bad(b"#!/bin/s\0h\n", "not text");
        bad(b"#!/bin/\xff\n", "not text");
        bad(format!("#!/{}", "x".repeat(255)).as_bytes(), "longer");
    }

    #[test]
    fn capabilities_name_the_text() {
        let script = Script { name: "a:b.sh".into(), bytes: b"#!/bin/sh\n".to_vec() };
        let text = script.capability().to_string();
        let hash: String = script.hash().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(text, format!("script:a\\:b.sh@{hash}"));
        let pattern = Capability::parse("script:*.sh@*").expect("a good pattern");
        assert!(pattern.covers(&script.capability()));
    }
}
