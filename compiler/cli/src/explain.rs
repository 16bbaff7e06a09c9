//! `dsc explain`: what a code means, with a program that has the mistake and one that has not.
//!
//! The texts are the files in `explain/`, one a code: a paragraph, then a block ```` ```d-script,error ````, then a block
//! ```` ```d-script ````. A few codes need input too large for an example. The titles are in the table of codes.

use crate::report::print_line;
use dscript_grammar::codes::Code;
use serde_json::json;
use std::process::ExitCode;

/// Explain a code, with an example
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  dsc explain E0301\n  dsc explain                  list all codes\n\n\
    Exit status: 0 shown, 2 there is no such code")]
pub struct Args {
    /// The code, as errors show it; without one, all are listed
    code: Option<String>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

macro_rules! pages {
    ($($code:literal)*) => {
        /// The text of each code.
        const PAGES: &[(&str, &str)] = &[$(($code, include_str!(concat!("../explain/", $code, ".md")))),*];
    };
}

pages! {
    "E0001" "E0002" "E0003" "E0004" "E0005" "E0006" "E0007" "E0008" "E0009" "E0010"
    "E0011" "E0012" "E0013" "E0014" "E0015" "E0101" "E0102" "E0103" "E0104" "E0105"
    "E0106" "E0107" "E0108" "E0109" "E0110" "E0111" "E0112" "E0201" "E0202" "E0203"
    "E0204" "E0205" "E0206" "E0207" "E0208" "E0209" "E0210" "E0211" "E0212" "E0213"
    "E0214" "E0215" "E0216" "E0217" "E0218" "E0219" "E0220" "E0221" "E0222" "E0223"
    "E0301" "E0302" "E0303" "E0304" "E0305" "E0401" "E0402" "E0403" "E0404" "E0405"
    "E0406" "E0501" "E0502" "E0503" "E0504" "E0505" "E0506" "E0507" "E0601" "E0602" "E0603" "E0604" "E0605" "E0606"
    "E0607" "E0608" "E0609" "E0610" "E0611" "E0612" "E0613" "E0701" "E0702" "E0703"
    "E0704" "E0902" "W0001" "W0002" "W0003" "W0004"
}

pub fn run(args: &Args) -> Result<ExitCode, String> {
    match &args.code {
        Some(name) => {
            let code = Code::find(name.trim()).ok_or_else(|| unknown(name.trim()))?;
            let page = page(code).ok_or_else(|| format!("{} has no explanation", code.name()))?;
            print_line(&if args.json { page.json(code) } else { page.text(code) })?;
        }
        None => {
            for code in Code::all() {
                print_line(&if args.json {
                    json!({"code": code.name(), "title": code.title()}).to_string()
                } else {
                    format!("{}  {}", code.name(), code.title())
                })?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown(name: &str) -> String {
    let help = match near(name) {
        Some(code) => format!("did you mean {} ({})?", code.name(), code.title()),
        None => "`dsc explain` lists all".into(),
    };
    format!("there is no code `{name}`; {help}")
}

/// The code that differs in the fewest digits, and of those the nearest, among errors or among warnings.
fn near(name: &str) -> Option<Code> {
    let number = |name: &str| {
        let digits: String = name.chars().filter(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    };
    let wanted = number(name)?;
    let warnings = name.starts_with(['w', 'W']);
    Code::all().filter(|code| code.name().starts_with('W') == warnings).min_by_key(|code| {
        let number = number(code.name()).unwrap_or(0);
        let other = |place: &u32| number / place % 10 != wanted / place % 10;
        ([1000, 100, 10, 1].iter().filter(|place| other(place)).count(), number.abs_diff(wanted))
    })
}

/// A file of `explain/`, taken apart.
struct Page {
    about: String,
    wrong: Option<String>,
    right: Option<String>,
}

fn page(code: Code) -> Option<Page> {
    let (_, source) = PAGES.iter().find(|(name, _)| *name == code.name())?;
    let mut page = Page { about: String::new(), wrong: None, right: None };
    let mut block: Option<String> = None;
    for line in source.lines() {
        match (line, &mut block) {
            ("```d-script,error", None) => block = Some(String::new()),
            ("```d-script", None) => block = Some(String::new()),
            ("```", Some(text)) => {
                // The wrong one comes first.
                let place = if page.wrong.is_none() { &mut page.wrong } else { &mut page.right };
                *place = Some(std::mem::take(text));
                block = None;
            }
            (line, Some(text)) => push_line(text, line),
            (line, None) => push_line(&mut page.about, line),
        }
    }
    page.about.truncate(page.about.trim_end().len());
    Some(page)
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

impl Page {
    fn text(&self, code: Code) -> String {
        let mut text = format!("{}: {}\n\n{}\n", code.name(), code.title(), self.about);
        for (title, example) in [("Wrong", &self.wrong), ("Right", &self.right)] {
            let Some(example) = example else { continue };
            text.push_str(&format!("\n{title}:\n\n"));
            for line in example.lines() {
                push_line(&mut text, format!("    {line}").trim_end());
            }
        }
        text.truncate(text.trim_end().len());
        text
    }

    fn json(&self, code: Code) -> String {
        let severity = if code.name().starts_with('W') { "warning" } else { "error" };
        json!({
            "code": code.name(), "title": code.title(), "severity": severity, "text": self.about,
            "wrong": self.wrong, "right": self.right,
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_and_every_page_a_code() {
        let codes: Vec<&str> = Code::all().map(Code::name).collect();
        let pages: Vec<&str> = PAGES.iter().map(|(name, _)| *name).collect();
        assert_eq!(pages, codes, "add the code to `pages!` and its file to explain/");
        for code in Code::all() {
            let page = page(code).expect("the page is there");
            assert!(!page.about.is_empty(), "{code:?} says something");
            assert_eq!(page.wrong.is_some(), page.right.is_some(), "{code:?} has both examples or none");
        }
    }

    #[test]
    fn a_near_code_is_proposed() {
        let name = |text| near(text).map(Code::name);
        assert_eq!(name("E0200"), Some("E0201"));
        assert_eq!(name("201"), Some("E0201"));
        assert_eq!(name("E0299"), Some("E0219"));
        assert_eq!(name("W9"), Some("W0004"));
        assert_eq!(name("nothing"), None);
    }
}
