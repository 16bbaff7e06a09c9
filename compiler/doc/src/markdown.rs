//! Doc comments to HTML. What they hold is shown, and never run: HTML in them is text, links lead to the web or within the
//! manual, pictures are links.

use crate::escape;
use crate::highlight::highlight;
use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// Where code in a text leads, such as `List.add`.
pub(crate) type Lookup<'l> = &'l dyn Fn(&str) -> Option<String>;

pub(crate) fn render(text: &str, lookup: Lookup<'_>) -> String {
    let mut events: Vec<Event<'_>> = Vec::new();
    let mut code: Option<(bool, String)> = None;
    // Links that are left out; their ends are, too.
    let mut links: Vec<bool> = Vec::new();
    let mut skipped_images = 0;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                let language = matches!(&kind, CodeBlockKind::Fenced(name)
                    if name.is_empty() || name.split(',').next() == Some("d-script"));
                code = Some((language, String::new()));
            }
            Event::End(TagEnd::CodeBlock) => {
                if let Some((language, text)) = code.take() {
                    let text = text.trim_end();
                    let body = if language { highlight(text) } else { escape(text) };
                    events.push(Event::Html(format!("<pre class=\"code\">{body}</pre>\n").into()));
                }
            }
            Event::Text(text) if code.is_some() => {
                if let Some((_, all)) = &mut code {
                    all.push_str(&text);
                }
            }
            Event::Html(raw) | Event::InlineHtml(raw) => events.push(Event::Text(raw)),
            Event::Code(text) => {
                let body = escape(&text);
                let name = text.strip_suffix("()").unwrap_or(&text);
                let address = if links.is_empty() { lookup(name) } else { None };
                events.push(Event::InlineHtml(match address {
                    Some(address) => {
                        format!("<a href=\"{}\"><code>{body}</code></a>", escape(&address)).into()
                    }
                    None => format!("<code>{body}</code>").into(),
                }));
            }
            Event::Start(Tag::Heading { level, classes, attrs, .. }) => {
                events.push(Event::Start(Tag::Heading { level: deeper(level), id: None, classes, attrs }));
            }
            Event::End(TagEnd::Heading(level)) => events.push(Event::End(TagEnd::Heading(deeper(level)))),
            Event::Start(Tag::Link { dest_url, title, .. }) => {
                let good = is_safe(&dest_url);
                links.push(good);
                if good {
                    events.push(link(&dest_url, &title));
                }
            }
            Event::End(TagEnd::Link) => {
                if links.pop() == Some(true) {
                    events.push(Event::InlineHtml("</a>".into()));
                }
            }
            Event::Start(Tag::Image { dest_url, title, .. }) => {
                let good = is_safe(&dest_url) && links.is_empty();
                links.push(good);
                skipped_images += 1;
                if good {
                    events.push(link(&dest_url, &title));
                }
            }
            Event::End(TagEnd::Image) => {
                skipped_images -= 1;
                if links.pop() == Some(true) {
                    events.push(Event::InlineHtml("</a>".into()));
                }
            }
            other => events.push(other),
        }
    }
    debug_assert_eq!(skipped_images, 0);
    let mut out = String::new();
    html::push_html(&mut out, events.into_iter());
    out
}

fn link(address: &str, title: &str) -> Event<'static> {
    let title = if title.is_empty() { String::new() } else { format!(" title=\"{}\"", escape(title)) };
    let rel = if address.contains(':') { " rel=\"noreferrer\"" } else { "" };
    Event::InlineHtml(format!("<a href=\"{}\"{title}{rel}>", escape(address)).into())
}

/// Headings of a doc comment stand below those of its page.
fn deeper(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H4,
        HeadingLevel::H2 => HeadingLevel::H5,
        _ => HeadingLevel::H6,
    }
}

/// An address of the web or of mail, or one without a scheme.
fn is_safe(address: &str) -> bool {
    if address.chars().any(|c| c.is_control() || c.is_whitespace()) || address.starts_with("//") {
        return false;
    }
    match address.split_once(':') {
        None => true,
        Some((scheme, _)) if scheme.contains(['/', '#', '?']) => true,
        Some((scheme, _)) => ["http", "https", "mailto"].iter().any(|s| scheme.eq_ignore_ascii_case(s)),
    }
}

/// The first sentence or line, as plain text.
pub(crate) fn summary(text: &str) -> String {
    let mut plain = String::new();
    for event in Parser::new(text) {
        match event {
            Event::Text(text) | Event::Code(text) => plain.push_str(&text),
            Event::Html(raw) | Event::InlineHtml(raw) => plain.push_str(&raw),
            Event::SoftBreak | Event::HardBreak => plain.push(' '),
            Event::End(TagEnd::Paragraph | TagEnd::Heading(_)) => break,
            _ => {}
        }
    }
    // A point that ends a word: `.` and `..` are names of folders.
    let ends = |at: &usize| plain[..*at].ends_with(|c: char| c.is_alphanumeric() || ")\"'".contains(c));
    let end = plain.match_indices(". ").map(|(at, _)| at).find(ends).map_or(plain.len(), |at| at + 1);
    CowStr::from(plain[..end].trim().to_owned()).into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let lookup = |name: &str| (name == "List.add").then(|| "std.html#List.add".to_owned());
        assert_eq!(render(text, &lookup).trim(), expected, "of {text}");
    }

    #[test]
    fn markdown_is_html() {
        check("A *b* `c`.", "<p>A <em>b</em> <code>c</code>.</p>");
        check("See `List.add()`.", "<p>See <a href=\"std.html#List.add\"><code>List.add()</code></a>.</p>");
        check("# Head", "<h4>Head</h4>");
        check("```\nint a;\n```", "<pre class=\"code\"><span class=\"kw\">int</span> a;</pre>");
        check("```text\nint <a>;\n```", "<pre class=\"code\">int &lt;a&gt;;</pre>");
        check(
            "[x](https://a.example/?q=1&r=2)",
            "<p><a href=\"https://a.example/?q=1&amp;r=2\" rel=\"noreferrer\">x</a></p>",
        );
    }

    #[test]
    fn nothing_in_a_doc_comment_runs() {
        check("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;");
        check("a <img src=x onerror=alert(1)> b", "<p>a &lt;img src=x onerror=alert(1)&gt; b</p>");
        check("[x](javascript:alert(1))", "<p>x</p>");
        check("[x](JaVaScRiPt:alert(1))", "<p>x</p>");
        check("[x](&#106;avascript:alert(1))", "<p>x</p>");
        check("[x](<java\tscript:alert(1)>)", "<p>x</p>");
        check("[x](data:text/html,<script>)", "<p>x</p>");
        check("[x](//evil.example/)", "<p>x</p>");
        check("<javascript:alert(1)>", "<p>javascript:alert(1)</p>");
        check(
            "![pic](http://a.example/p.png)",
            "<p><a href=\"http://a.example/p.png\" rel=\"noreferrer\">pic</a></p>",
        );
        check("![pic](javascript:x)", "<p>pic</p>");
        check(
            "[x](a.html \"t\\\" onclick=\\\"alert(1)\")",
            "<p><a href=\"a.html\" title=\"t&quot; onclick=&quot;alert(1)\">x</a></p>",
        );
        check("`<b>`", "<p><code>&lt;b&gt;</code></p>");
        check("```x\"><script>\n</pre><script>\n```", "<pre class=\"code\">&lt;/pre&gt;&lt;script&gt;</pre>");
        check("# h {#id onclick=x}", "<h4>h {#id onclick=x}</h4>");
    }

    #[test]
    fn a_summary_is_one_sentence() {
        assert_eq!(summary("Adds `x`. And more."), "Adds x.");
        assert_eq!(summary("All without `.` in it. And more."), "All without . in it.");
        assert_eq!(summary("One\ntwo\n\nthree"), "One two");
        assert_eq!(summary("<b>x</b>"), "<b>x</b>");
        assert_eq!(summary(""), "");
    }
}
