//! The same sources give the same bytes: from another folder, in another locale, found in another order, and twice
//! in one process.

use dscript_bytecode::image::Script;
use dscript_compiler::modules::ScriptProblem;
use dscript_compiler::{Goal, NoSources, Sources, compile};
use dscript_tests::{command, corpus, finish, run};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

const MODULES: [(&str, &str); 4] = [
    (
        "main.ds",
        "import care.checks.*;\nimport care.deep.shapes.*;\nimport units.kib;\n\nprint(kib(floor(3)));\nfor (Shape s : all()) print(s.area());\nprint({\"b\": 1, \"a\": 2});\n",
    ),
    ("care/checks.ds", "import units.*;\n\nint floor(int n) { return n > 0 ? kib(n) : kib(0); }\n"),
    (
        "care/deep/shapes.ds",
        "interface Shape { double area(); }\nrecord Square(double side) implements Shape { double area() { return side * side; } }\nclass Blob implements Shape { double area() { return 0.5; } }\n\nList<Shape> all() { return [new Square(2), new Blob()]; }\n",
    ),
    ("units.ds", "static final int KIB = 1KiB;\n\nint kib(int n) { return n * KIB; }\n"),
];

/// Writes the modules in this order.
fn write<'m>(folder: &Path, modules: impl Iterator<Item = &'m (&'m str, &'m str)>) {
    for (name, text) in modules {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder can be made");
        fs::write(path, text).expect("a file can be written");
    }
}

fn image(folder: &Path, file: &str, set: impl Fn(&mut std::process::Command)) -> Vec<u8> {
    let out = folder.join("out.dsb");
    let mut dsc = command("dsc", folder);
    set(dsc.args([OsStr::new("compile"), OsStr::new(file), OsStr::new("-o"), out.as_os_str()]));
    let output = finish(&mut dsc);
    assert!(output.status.success(), "{}", dscript_tests::text(&output.stderr));
    fs::read(out).expect("the image is there")
}

#[test]
fn neither_folder_nor_locale_nor_order_changes_a_byte() {
    let (one, two) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let deep = two.path().join("a folder/with another name");
    fs::create_dir_all(&deep).expect("a folder can be made");
    write(one.path(), MODULES.iter());
    write(&deep, MODULES.iter().rev());
    let first = image(one.path(), "main.ds", |_| {});
    assert_eq!(first, image(&deep, "main.ds", |_| {}), "from another folder, written in another order");
    let locale = |dsc: &mut std::process::Command| {
        dsc.env("LC_ALL", "tr_TR.UTF-8").env("LANG", "de_DE.UTF-8").env("TZ", "Asia/Kathmandu");
    };
    assert_eq!(first, image(one.path(), "main.ds", locale), "in another locale");
    let whole = deep.join("main.ds").display().to_string();
    assert_eq!(first, image(one.path(), &whole, |_| {}), "by its whole path");
}

struct Modules;

impl Sources for Modules {
    fn read(&self, path: &str) -> Option<(String, Vec<u8>)> {
        let (name, text) = MODULES.iter().find(|(name, _)| *name == path)?;
        Some((name.to_string(), text.as_bytes().to_vec()))
    }

    fn script(&self, module: &str, name: &str) -> Result<Script, ScriptProblem> {
        NoSources.script(module, name)
    }
}

#[test]
fn twice_in_one_process_gives_the_same_bytes() {
    let bytes = |module: &str, text: &[u8]| {
        let made = compile(module, "shown.ds", text, &Modules, Goal::Image);
        made.image.map(|image| image.to_bytes())
    };
    assert!(bytes("main", MODULES[0].1.as_bytes()).is_some(), "it compiles");
    assert_eq!(bytes("main", MODULES[0].1.as_bytes()), bytes("main", MODULES[0].1.as_bytes()));
    for file in corpus("tests/run", "ds") {
        let text = fs::read(&file).expect("a program can be read");
        assert_eq!(bytes("program", &text), bytes("program", &text), "{}", file.display());
    }
}

#[test]
fn the_corpus_gives_the_same_bytes_in_two_runs_of_the_compiler() {
    let scratch = tempfile::tempdir().expect("a folder");
    for file in corpus("tests/run", "ds").iter().step_by(4) {
        let images = ["a.dsb", "b.dsb"].map(|name| {
            let out = scratch.path().join(name);
            let args = [OsStr::new("compile"), file.as_os_str(), OsStr::new("-o"), out.as_os_str()];
            assert!(run("dsc", scratch.path(), &args).status.success(), "{}", file.display());
            fs::read(out).expect("the image is there")
        });
        assert!(images[0] == images[1], "{}", file.display());
    }
}
