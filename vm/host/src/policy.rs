//! What a policy makes of capabilities: those that an image declares, and the concrete ones natives ask for.

//!
//! One thing can be written in several ways; both sides are brought to one form before they are compared:
//! - `file:read:data/x`, `file:write:...`: paths are made absolute, `.` and `..` are resolved by the text;
//! - `service:read:ssh.service`, `service:control:...`: without `.service`;
//! - `net:connect:Host.:80`, `net:resolve:...`: hosts in lower case, without the closing dot;
//! - `http:get:HTTPS\://Host\:443`: the method in upper case, scheme and host in lower case, no port where it is the
//!   scheme's own, and `/` where there is no path.

use std::borrow::Cow;

use dscript_bytecode::capability::{Capability, CapabilityError, escape};

use crate::run::Policy;

/// A policy with its patterns read.
pub struct Rules {
    allow: Option<Vec<Capability>>,
    deny: Vec<Capability>,
}

impl Rules {
    /// What is wrong with a pattern, where one is.
    pub fn new(policy: &Policy) -> Result<Rules, String> {
        let read = |patterns: &[String]| -> Result<Vec<Capability>, String> {
            patterns.iter().map(|text| canonical(text).map_err(|why| why.to_string())).collect()
        };
        let allow = if policy.allow.is_empty() { None } else { Some(read(&policy.allow)?) };
        Ok(Rules { allow, deny: read(&policy.deny)? })
    }

    /// Whether just this may be done.
    pub fn allows(&self, capability: &str) -> bool {
        canonical(capability).is_ok_and(|wanted| {
            self.allow.as_ref().is_none_or(|allow| allow.iter().any(|pattern| pattern.covers(&wanted)))
                && !self.deny.iter().any(|pattern| pattern.covers(&wanted))
        })
    }

    /// Those of the declared capabilities of which nothing at all may be done: a program that declares them is
    /// refused. One that is allowed in part is refused, in the rest, when it comes to it.
    pub fn refused<'a>(&self, declared: &'a [String]) -> Vec<&'a str> {
        let refused = |text: &&String| {
            let Ok(declared) = canonical(text) else { return true };
            let none_allowed = self.allow.as_ref().is_some_and(|allow| {
                // A declared pattern may lie within a pattern that is allowed, or hold one; where the two only
                // overlap, the concrete capability decides.
                let covered = allow.iter().any(|pattern| pattern.covers(&declared));
                let alike = |pattern: &Capability| pattern.kind() == declared.kind() || pattern.kind() == "*";
                let may_overlap = declared.kind() == "*" || allow.iter().any(alike);
                !covered && (declared.is_exact() || !may_overlap)
            });
            none_allowed || self.deny.iter().any(|pattern| pattern.covers(&declared))
        };
        declared.iter().filter(refused).map(String::as_str).collect()
    }
}

/// A capability or a pattern in the one form that the head comment tells.
fn canonical(text: &str) -> Result<Capability, CapabilityError> {
    let given = Capability::parse(text)?;
    if !matches!(given.kind().as_str(), "file" | "service" | "net" | "http") {
        return Ok(given);
    }
    let text = given.to_string();
    let Some((kind, rest)) = text.split_once(':') else { return Ok(given) };
    let changed = match (kind, rest.split_once(':')) {
        ("file", Some((what @ ("read" | "write"), path))) => format!("file:{what}:{}", whole_path(path)),
        ("service", Some((what, unit))) => {
            format!("service:{what}:{}", unit.strip_suffix(".service").unwrap_or(unit))
        }
        ("net", Some(("connect", target))) => match target.rsplit_once(':') {
            Some((host, port)) => format!("net:connect:{}:{port}", host_name(host)),
            None => return Ok(given),
        },
        ("net", Some(("resolve", host))) => format!("net:resolve:{}", host_name(host)),
        ("http", Some((method, url))) => format!("http:{}:{}", method.to_ascii_uppercase(), whole_url(url)),
        _ => return Ok(given),
    };
    // What is left of an odd one, such as `service:read:.service`, may be no capability.
    Ok(Capability::parse(&changed).unwrap_or(given))
}

/// An escaped path, absolute and without `.` and `..`, in the escaped form too.
fn whole_path(path: &str) -> String {
    let path = match path {
        _ if path.starts_with(['/', '*']) => Cow::Borrowed(path),
        "\\e" => return path.into(),
        // Without a folder, relative paths lead nowhere.
        _ => match std::env::current_dir() {
            Ok(folder) => Cow::Owned(format!("{}/{path}", escape(&folder.to_string_lossy()))),
            Err(_) => Cow::Borrowed(path),
        },
    };
    resolved(&path)
}

/// A path with `.`, `..` and doubled slashes taken out by its text alone. A `*` that `..` would take away stays.
pub fn resolved(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match (part, parts.last()) {
            ("" | ".", _) => {}
            ("..", None) if path.starts_with('/') => {}
            ("..", Some(last)) if *last != ".." && !last.contains('*') => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    let start = if path.starts_with('/') { "/" } else { "" };
    format!("{start}{}", parts.join("/"))
}

fn host_name(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    match host.strip_suffix('.') {
        Some(name) if !name.is_empty() => name.into(),
        _ => host,
    }
}

/// An escaped URL or the pattern of one.
fn whole_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("\\://") else { return url.into() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
    let own_port = match scheme.as_str() {
        "https" => "\\:443",
        _ => "\\:80",
    };
    let host = host_name(host.strip_suffix(own_port).unwrap_or(&host));
    // `https\://*` stands for paths too.
    let slash = if path.starts_with('/') || path.is_empty() && host.ends_with('*') { "" } else { "/" };
    format!("{scheme}\\://{host}{slash}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(allow: &[&str], deny: &[&str], declared: &[&str], refused: &[&str]) {
        let texts = |all: &[&str]| all.iter().map(|text| text.to_string()).collect::<Vec<_>>();
        let rules = Rules::new(&Policy { allow: texts(allow), deny: texts(deny), refuse_early: true })
            .expect("good patterns");
        assert_eq!(rules.refused(&texts(declared)), refused);
    }

    #[test]
    fn programs_are_refused_for_what_they_may_never_do() {
        let declared = ["exec:vmstat", "logpool:write:memcached"];
        check(&[], &[], &declared, &[]);
        check(&[], &["exec:*"], &declared, &["exec:vmstat"]);
        check(&[], &["exec:ls"], &declared, &[]);
        check(&["exec:*"], &[], &declared, &["logpool:write:memcached"]);
        check(&["exec:vm*", "logpool:*"], &[], &declared, &[]);
        check(&["*"], &[], &declared, &[]);
        check(&["exec:ls"], &[], &["exec:*"], &[]);
        check(&["exec:ls"], &[], &["env:read:*"], &["env:read:*"]);
        check(&[], &["exec:ls"], &["exec:*"], &[]);
    }

    #[test]
    fn concrete_ones_need_an_allow_and_no_deny() {
        let texts = |all: &[&str]| all.iter().map(|text| text.to_string()).collect::<Vec<_>>();
        let rules =
            Rules::new(&Policy { allow: texts(&["exec:*"]), deny: texts(&["exec:rm"]), refuse_early: true })
                .expect("good");
        assert!(rules.allows("exec:ls"));
        assert!(!rules.allows("exec:rm"));
        assert!(!rules.allows("env:read:X"));
        assert!(!rules.allows(":"));
        assert!(
            Rules::new(&Policy { allow: texts(&["exec"]), deny: Vec::new(), refuse_early: true }).is_err()
        );
    }

    #[test]
    fn one_thing_has_one_form() {
        let same = |a: &str, b: &str| {
            let form = |text| canonical(text).expect("a good one").to_string();
            assert_eq!(form(a), b);
            assert_eq!(form(b), b, "it stays");
        };
        same("file:read:/proc/../etc//passwd", "file:read:/etc/passwd");
        same("file:write:/../..", "file:write:/");
        same("file:read:/a/*/../b", "file:read:/a/*/../b");
        same("file:read:*", "file:read:*");
        same("file:*", "file:*");
        same("file:temp", "file:temp");
        let here = std::env::current_dir().expect("a folder").to_string_lossy().into_owned();
        same("file:read:./x", &format!("file:read:{}/x", escape(&here)));
        same("service:control:ssh.service", "service:control:ssh");
        same("net:connect:Example.COM.:80", "net:connect:example.com:80");
        same("net:connect:*", "net:connect:*");
        same("net:resolve:A.b", "net:resolve:a.b");
        same(r"http:get:HTTPS\://Example.com\:443?q=A", r"http:GET:https\://example.com/?q=A");
        same(r"http:GET:http\://h\:8080/A/b", r"http:GET:http\://h\:8080/A/b");
        same(r"http:*:https\://*", r"http:*:https\://*");
        same("exec:/bin/../LS", "exec:/bin/../LS");
    }

    #[test]
    fn a_fence_holds_however_a_path_is_written() {
        let texts = |all: &[&str]| all.iter().map(|text| text.to_string()).collect::<Vec<_>>();
        let policy = Policy {
            allow: texts(&["file:read:/proc/*"]),
            deny: texts(&["file:read:/proc/1/*"]),
            refuse_early: true,
        };
        let rules = Rules::new(&policy).expect("good");
        assert!(rules.allows("file:read:/proc/stat") && rules.allows("file:read:/proc//./stat"));
        assert!(!rules.allows("file:read:/proc/../etc/passwd"));
        assert!(!rules.allows("file:read:/proc/2/../1/environ"));
        assert!(!rules.allows("file:read:proc/stat"));
    }
}
