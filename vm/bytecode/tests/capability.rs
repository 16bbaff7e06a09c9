//! The grammar of capabilities and what covers what.

use dscript_bytecode::capability::{Capability, covers, escape};

fn parse(text: &str) -> Capability {
    Capability::parse(text).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn canonical_forms() {
    for text in [
        "*",
        "exec:*",
        "exec:systemctl",
        "exec:/usr/lib/checks/*",
        "snmp:set:10.0.*",
        "file:read:/proc/*",
        "logpool:write:memcached",
        "script:fix.sh@9f86d081",
        "env:read:HOME",
        "system:read",
        "http:get:https\\://example.org\\:8080/*",
        "exec:a b\\*c\\\\d",
        "exec:line\\nend\\t\\r\\u{1B}\\u{202E}",
        "exec:\\e",
        "env:read:é漢",
    ] {
        assert_eq!(parse(text).to_string(), text);
    }
    for (text, canonical) in [("exec:**", "exec:*"), ("exec:\\u{41}", "exec:A"), ("exec:\\u{a}", "exec:\\n")]
    {
        assert_eq!(parse(text).to_string(), canonical);
    }
}

#[test]
fn bad_ones() {
    for (text, byte, what) in [
        ("", 0, "a part is empty"),
        ("exec", 4, "after its kind it needs `:`"),
        ("exec:", 5, "a part is empty"),
        ("exec::x", 5, "a part is empty"),
        (":x", 0, "a part is empty"),
        ("Exec:x", 0, "its kind must be a word"),
        ("ex*:x", 0, "its kind must be a word"),
        ("*:x", 0, "its kind must be a word"),
        ("exec:\\q", 5, "after `\\` only"),
        ("exec:x\\", 6, "after `\\` only"),
        ("exec:\\u41", 5, "`\\u` needs the hexadecimal code"),
        ("exec:\\u{}", 5, "`\\u` needs the hexadecimal code"),
        ("exec:\\u{+41}", 5, "`\\u` needs the hexadecimal code"),
        ("exec:\\u{D800}", 5, "`\\u` needs the hexadecimal code"),
        ("exec:\\u{41", 5, "`\\u` needs the hexadecimal code"),
        ("exec:x\\e", 6, "`\\e` stands alone"),
        ("exec:\\ex", 7, "`\\e` stands alone"),
        ("exec:\\e\\e", 7, "`\\e` stands alone"),
        ("exec:a\nb", 6, "must be escaped"),
        ("exec:a\u{202e}b", 6, "must be escaped"),
    ] {
        let error = Capability::parse(text).expect_err(text);
        assert_eq!(error.byte, byte, "{error}");
        assert!(error.what.contains(what), "{text}: {error}");
    }
    let long = format!("exec:{}", "x".repeat(5000));
    assert!(Capability::parse(&long).unwrap_err().to_string().len() < 300);
}

/// What people write by hand must be of a kind that there is.
#[test]
fn kinds() {
    for good in [
        "*",
        "exec:ls",
        "file:*",
        "file:r*:/x",
        "file:read:/x",
        "http:GET:*",
        "snmp:set:10.0.*",
        "system:read",
    ] {
        assert!(Capability::parse_known(good).is_ok(), "{good}");
    }
    for (bad, byte, what) in [
        ("flie:*", 0, "there is no kind `flie`; did you mean `file`?"),
        ("exce:ls", 0, "did you mean `exec`?"),
        (
            "disk:read",
            0,
            "there is env, exec, file, http, logpool, net, process, script, service, snmp, system",
        ),
        ("file:raed:/x", 5, "`file` has no `raed`; did you mean `read`?"),
        ("net:listen:*", 4, "there is connect, resolve"),
        ("file:x*:/y", 5, "`file` has no `x*`"),
        ("exec", 4, "after its kind it needs `:`"),
    ] {
        let error = Capability::parse_known(bad).expect_err(bad);
        assert_eq!(error.byte, byte, "{error}");
        assert!(error.what.contains(what), "{bad}: {error}");
        assert!(bad == "exec" || Capability::parse(bad).is_ok(), "an image may hold {bad}");
    }
}

#[test]
fn covering() {
    for (pattern, wanted, expected) in [
        ("*", "exec:ls", true),
        ("*", "*", true),
        ("exec:*", "*", false),
        ("exec:*", "exec:ls", true),
        ("exec:*", "exec:/usr/lib/checks/*", true),
        ("exec:*", "exec:*", true),
        ("exec:*", "exec:\\e", true),
        ("exec:ls", "exec:*", false),
        ("exec:ls", "exec:ls", true),
        ("exec:ls", "exec:lsof", false),
        ("exec:ls", "file:ls", false),
        ("exec:/usr/lib/checks/*", "exec:/usr/lib/checks/disk", true),
        ("exec:/usr/lib/checks/*", "exec:/usr/lib/checks/", true),
        ("exec:/usr/lib/checks/*", "exec:/usr/lib/*", false),
        ("exec:/usr/*/checks/*", "exec:/usr/lib/checks/*", true),
        ("snmp:set:10.0.*", "snmp:set:10.0.0.1", true),
        ("snmp:set:10.0.*", "snmp:set:10.0.*.7", true),
        ("snmp:set:10.0.*", "snmp:set:10.01", false),
        ("snmp:set:10.0.*", "snmp:get:10.0.0.1", false),
        // A closing `*` takes in all parts from there on.
        ("file:*", "file:read:/proc/1", true),
        ("file:*", "file:*", true),
        ("file:*", "file:read:*", true),
        ("file:read:*", "file:*", false),
        ("file:read:/*", "file:read:*", false),
        ("file:*:/proc/*", "file:read:/proc/1", true),
        ("file:*:/proc/*", "file:*", false),
        ("file:r*", "file:read:/proc/1", false),
        ("file:read:*:x", "file:read:x", false),
        ("logpool:write", "logpool:write:a", false),
        ("logpool:write:a", "logpool:write", false),
        ("logpool:write:*", "logpool:write", false),
        ("exec:a\\*", "exec:a*", false),
        ("exec:a*", "exec:a\\*", true),
        ("exec:*a*b", "exec:aab", true),
        ("exec:*a*b", "exec:aba", false),
        ("exec:*ab", "exec:aab", true),
        ("exec:a*b*c", "exec:a*c", false),
        ("exec:a*c", "exec:a*b*c", true),
        ("exec:a*a", "exec:a", false),
        ("script:fix.sh@*", "script:fix.sh@12ab", true),
    ] {
        assert_eq!(covers(&parse(pattern), &parse(wanted)), expected, "{pattern} covers {wanted}");
    }
}

#[test]
fn escaped_text_means_itself() {
    for text in ["", "a", "*", "a:b", "\\", "\\e", "a\nb\u{0}", "\u{202e}", "/bin/[ -x *", "漢"] {
        let exact = Capability::exact("exec", &[text]);
        let parsed = parse(&format!("exec:{}", escape(text)));
        assert_eq!(parsed, exact);
        assert_eq!(parsed.to_string(), exact.to_string());
        assert!(exact.is_exact() && covers(&exact, &parsed) && covers(&parse("exec:*"), &exact));
        assert!(text == "x" || !covers(&parse("exec:x"), &exact));
    }
    assert_eq!(parse("exec:ls").kind(), "exec");
    assert!(!parse("exec:l*").is_exact());
}

#[test]
fn long_globs_end_in_time() {
    let pattern = parse(&format!("exec:{}", "*a".repeat(2000)));
    let wanted = parse(&format!("exec:{}b", "a".repeat(4000)));
    assert!(!covers(&pattern, &wanted));
}
