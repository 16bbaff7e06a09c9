//! Whole manuals: the library's own, and one of a hostile author.

use dscript_doc::{Manual, Source, manual};
use dscript_grammar::span::Interner;
use dscript_grammar::{SourceMap, parse};
use std::collections::BTreeSet;

fn of(files: &[(&str, &str)], prelude: bool) -> Manual {
    let (mut map, mut interner) = (SourceMap::default(), Interner::default());
    let source = |&(path, text): &(&str, &str)| {
        let parsed = parse(map.add(path, text), text, &mut interner);
        assert!(parsed.diagnostics.is_empty(), "{path}: {:?}", parsed.diagnostics);
        Source {
            path: path.into(),
            text: text.into(),
            parsed,
            prelude,
            capabilities: vec!["exec:<b>".into()],
        }
    };
    let sources: Vec<Source> = files.iter().map(source).collect();
    manual("It <is>", &sources, &interner)
}

fn library() -> Vec<(&'static str, &'static str)> {
    dscript_std::FILES.iter().map(|file| (file.path.trim_end_matches(".ds"), file.text)).collect()
}

/// Every value of an attribute.
fn values<'t>(html: &'t str, attribute: &str) -> Vec<&'t str> {
    let start = format!(" {attribute}=\"");
    html.split(&start).skip(1).filter_map(|rest| rest.split_once('"')).map(|(value, _)| value).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let made = of(&library(), true);
    let mut count = 0;
    for (name, html) in made.files.iter().filter(|(name, _)| name.ends_with(".html")) {
        let ids: Vec<&str> = values(html, "id");
        let distinct: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(distinct.len(), ids.len(), "{name} has an id twice");
        for address in values(html, "href").into_iter().chain(values(html, "src")) {
            if address.starts_with("https://") {
                continue;
            }
            let (page, id) = address.split_once('#').unwrap_or((address, ""));
            let page = if page.is_empty() { name } else { page };
            let target = made.files.get(page).unwrap_or_else(|| panic!("{name} links to {page}"));
            assert!(id.is_empty() || values(target, "id").contains(&id), "{name} links to {address}");
            count += 1;
        }
    }
    assert!(count > 1_000, "{count} links");
    let list = &made.files["std~2flist.html"];
    assert!(list.contains("<a class=\"ty\" href=\"std~2flist.html#List\">List</a>"), "types are linked");
    assert!(!list.contains("nextIndex"), "what is private is left out");
}

#[test]
fn pages_load_nothing_from_elsewhere() {
    for (name, html) in &of(&library(), true).files {
        for source in values(html, "src") {
            assert!(!source.contains(':') && !source.starts_with("//"), "{name} loads {source}");
        }
        assert!(!html.contains("@import") && !html.contains("url("), "{name} loads something");
    }
}

#[test]
fn the_order_of_the_files_does_not_matter() {
    let mut files = library();
    let first = of(&files, true);
    files.reverse();
    let second = of(&files, true);
    assert_eq!((first.files, first.undocumented), (second.files, second.undocumented));
}

const HOSTILE: &str = r#"
/** <script>alert(1)</script> </section>
 *
 * [a](javascript:alert(2)) ![b](https://evil.example/x.png)
 */
@DCase("<script>alert(3)</script>")
monitor task look(
    /** <img src=x onerror=alert(4)> */ String text = "<script>alert(5)</script>",
    String other = "</pre><script>alert(6)</script>") {
    return text == other;
}

/** <iframe src="https://evil.example"></iframe> */
@Needs("exec:<script>alert(7)</script>")
lowlevel void! reach(String text) { try new Command(text).run(); }

enum Color { /** <b onclick=alert(8)> */ RED }

scenario Care(String a = "<script>alert(9)</script>") on nodes("role=<script>") {
    initial state Up {
        monitor look("<script>alert(10)</script>") every 1s;
        when log "<script>" count() over 1s > 2 go Up;
        on failure go Up;
    }
}

/** Not shown. */
private int secret() { return 1; }
"#;

#[test]
fn a_hostile_author_runs_nothing() {
    let made = of(&[("care.<script>\"", HOSTILE)], false);
    for (name, html) in made.files.iter().filter(|(name, _)| name.ends_with(".html")) {
        let tags: BTreeSet<&str> = html
            .split('<')
            .skip(1)
            .map(|rest| rest.split([' ', '>', '\n']).next().unwrap_or_default().trim_start_matches('/'))
            .collect();
        for bad in ["iframe", "img", "b onclick", "svg", "object", "style", "form"] {
            assert!(!tags.contains(bad), "{name} has a tag {bad}");
        }
        // The two scripts of the frame, and no other.
        assert_eq!(html.matches("<script").count(), 2, "{name}");
        for address in values(html, "href") {
            assert!(!address.contains("script:"), "{name} links to {address}");
        }
        for handler in ["onerror", "onclick"] {
            assert!(!html.contains(&format!("<{handler}")) && values(html, handler).is_empty(), "{name}");
        }
        assert!(!html.contains("secret"), "{name} shows what is private");
    }
    assert_eq!(made.undocumented, ["care.<script>\".Color", "care.<script>\".Care"]);
    assert_eq!(made.declarations, 4);
}

#[test]
fn a_page_shows_what_there_is_to_know() {
    let checks = "import care.types.*;\n/** Asks. See `Sample.free`. */\nlowlevel Sample! ask(int free) { fail \"no\"; }\n\
        /** Well. */\n@DCase(\"G1\") monitor task well(int n = 4KiB) { return n > 1; }\n\
        test \"t\" { assert true; }\nprint(1);\n";
    let types = "/** One. */\nrecord Sample(/** Bytes. */ int free) { /** A text. */ String text() { return \"\"; }\n\
        String toString() { return text(); } }\n";
    let made = of(&[("care.types", types), ("care.checks", checks)], false);
    let page = &made.files["care.checks.html"];
    for part in [
        "<a class=\"ty\" href=\"care.types.html#Sample\">Sample</a>!",
        "<a href=\"care.types.html#Sample\"><code>Sample.free</code></a>",
        "<span class=\"badge lowlevel\">reaches outside</span>",
        "<span class=\"badge monitor\">monitor task</span>",
        "int</span> n = <span class=\"num\">4KiB</span>)",
        "D-Case <code class=\"chip\">G1</code>",
        "<code class=\"chip\">exec:&lt;b&gt;</code>",
        "<span class=\"badge script\">script</span>",
        "<title>care.checks - It &lt;is&gt;</title>",
    ] {
        assert!(page.contains(part), "{part} is in\n{page}");
    }
    assert!(made.files["index.html"].contains("<a href=\"care.checks.html#well\"><code>well</code></a>"));
    assert!(
        made.files["search.js"]
            .contains(r#"["Sample.text","method","care.types.html#Sample.text","A text."]"#)
    );
    assert_eq!((made.declarations, made.undocumented.len()), (6, 0));
}
