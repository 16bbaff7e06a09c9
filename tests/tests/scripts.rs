//! `Command.script`: a script travels in the image, runs where nothing may be executed from a file, and is named by its hash.

use dscript_tests::fleet::Fleet;
use dscript_tests::{ending, good, run, text, wait_for};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use tempfile::TempDir;

const MAIN: &str = "import care.fix.*;\nOutput o = try Command.script(\"fix.sh\", 1).run();\nprint(o.text());\n\
                    print(try fixed());\n";
const FIX: &str =
    "lowlevel String! fixed() {\n    return (try Command.script(\"fix.sh\", 2).run()).text();\n}\n";

/// A program of two modules that each embed a `fix.sh` of their own.
fn project() -> TempDir {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    write_project(scratch.path());
    scratch
}

fn write_project(folder: &Path) {
    fs::create_dir_all(folder.join("care")).expect("a folder can be made");
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("a file can be written");
    write("main.ds", MAIN);
    write("care/fix.ds", FIX);
    write("fix.sh", "#!/bin/sh\necho outer $1\n");
    write("care/fix.sh", "#!/bin/sh\necho inner $1\n");
}

fn compiled(folder: &Path) -> Vec<u8> {
    good("dsc", folder, &["compile", "main.ds"]);
    fs::read(folder.join("main.dsb")).expect("an image is written")
}

fn inspected(folder: &Path) -> Value {
    serde_json::from_str(&good("dsc", folder, &["inspect", "main.dsb", "--json"])).expect("it is JSON")
}

#[test]
fn scripts_travel_in_the_image() {
    let (here, there) = (project(), project());
    let image = compiled(here.path());
    assert_eq!(image, compiled(there.path()), "the same sources give the same bytes");
    let shown = inspected(here.path());
    let field = |script: &Value, name: &str| script[name].as_str().expect("a text").to_owned();
    let scripts = shown["scripts"].as_array().expect("a list");
    let names: Vec<String> = scripts.iter().map(|s| field(s, "name")).collect();
    assert_eq!(names, ["fix.sh", "care/fix.sh"]);
    for script in scripts {
        let need = format!("script:{}@{}", field(script, "name"), field(script, "blake3"));
        assert!(shown["capabilities"].as_array().expect("a list").iter().any(|c| *c == need), "{need}");
    }
    // Only the image is needed where it runs.
    let alone = tempfile::tempdir().expect("a scratch folder can be made");
    fs::write(alone.path().join("main.dsb"), &image).expect("a file can be written");
    assert_eq!(good("dsvm", alone.path(), &["exec", "main.dsb"]), "outer 1\ninner 2\n");
    let left: Vec<_> =
        fs::read_dir(alone.path()).expect("a folder").flatten().map(|e| e.file_name()).collect();
    assert_eq!(left, ["main.dsb"], "nothing is left on the disk");
    // A changed text is another program, and another capability.
    fs::write(there.path().join("fix.sh"), "#!/bin/sh\necho other\n").expect("a file can be written");
    assert_ne!(image, compiled(there.path()));
    assert_ne!(shown["capabilities"], inspected(there.path())["capabilities"]);
}

#[test]
fn a_policy_decides_by_name_and_hash() {
    let scratch = project();
    compiled(scratch.path());
    let shown = inspected(scratch.path());
    let hash = shown["scripts"][0]["blake3"].as_str().expect("a hash").to_owned();
    let exec = |args: &[&str]| {
        let all: Vec<&str> = ["exec", "main.dsb"].iter().chain(args).copied().collect();
        let output = run("dsvm", scratch.path(), &all);
        let (code, said) = ending(&output);
        (code, text(&output.stdout), said)
    };
    let inner = "script:care/*@*";
    let good = (Some(0), "outer 1\ninner 2\n".to_owned(), String::new());
    assert_eq!(exec(&["--allow", &format!("script:fix.sh@{hash}"), "--allow", inner]), good);
    // What runs a script is no `exec` of the program.
    assert_eq!(exec(&["--deny", "exec:*"]), good);
    for args in [
        &["--deny", &format!("script:*@{hash}")][..],
        &["--allow", "script:fix.sh@0", "--allow", inner],
        &["--allow", "exec:*"],
    ] {
        let (code, printed, said) = exec(args);
        assert_eq!((code, printed.as_str()), (Some(1), ""), "{args:?}");
        assert!(said.contains("denied") && said.contains(&hash), "{said}");
    }
}

#[test]
fn links_stay_in_the_folder() {
    let scratch = project();
    let outside = tempfile::tempdir().expect("a scratch folder can be made");
    fs::write(outside.path().join("x.sh"), "#!/bin/sh\n").expect("a file can be written");
    let link = scratch.path().join("fix.sh");
    let check = |target: &Path, expected: Option<&str>| {
        fs::remove_file(&link).expect("it is there");
        symlink(target, &link).expect("a link can be made");
        let output = run("dsc", scratch.path(), &["check", "main.ds"]);
        let (code, said) = ending(&output);
        match expected {
            Some(expected) => {
                assert_eq!(code, Some(1));
                assert!(said.contains(expected), "{said}");
            }
            None => assert_eq!(code, Some(0), "{said}"),
        }
    };
    check(Path::new("care/fix.sh"), None);
    check(&outside.path().join("x.sh"), Some("E0404"));
    check(Path::new("care/../../x.sh"), Some("E0403"));
    check(Path::new("fix.sh"), Some("E0403"));
    check(Path::new("/dev/zero"), Some("E0404"));
}

#[test]
fn a_script_has_a_limit() {
    let scratch = project();
    let mut long = b"#!/bin/sh\n".to_vec();
    long.resize((4 << 20) + 1, b'#');
    fs::write(scratch.path().join("fix.sh"), &long).expect("a file can be written");
    let (code, said) = ending(&run("dsc", scratch.path(), &["check", "main.ds"]));
    assert!(code == Some(1) && said.contains("E0902"), "{said}");
    long.pop();
    fs::write(scratch.path().join("fix.sh"), &long).expect("a file can be written");
    compiled(scratch.path());
    assert_eq!(good("dsvm", scratch.path(), &["exec", "main.dsb"]), "\ninner 2\n");
}

#[test]
fn a_node_runs_scripts_that_are_shipped() {
    let fleet = Fleet::with_node();
    write_project(fleet.scratch());
    compiled(fleet.scratch());
    let (code, runs) = fleet.ship(&fleet.scratch().join("main.dsb"), &["--on", "role=web", "--wait"]);
    assert_eq!((code, runs.len()), (0, 1));
    let run = runs[0]["run"].as_str().expect("an id");
    let lines = wait_for("its lines", || {
        let found = fleet.records(&["--pool", "task", "--run", run]);
        (found.len() == 3).then_some(found)
    });
    assert_eq!(
        (&lines[0]["fields"]["text"], &lines[1]["fields"]["text"]),
        (&"outer 1".into(), &"inner 2".into())
    );
}
