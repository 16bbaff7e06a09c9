//! Program images that are damaged, hostile or no images, and images that are the same whoever makes them.
//!
//! Every position of an image is tried in the crate that reads them; here the real command is, at some of them.

use dscript_bytecode::ids::FunctionId;
use dscript_bytecode::image::Image;
use dscript_tests::{binary, command, compile, ending, finish, good, root, run, text};
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Changes an image into one that is wrong.
type Lie = fn(&mut Image);

/// Positions and lengths that are tried.
const SAMPLES: usize = 60;

fn scratch() -> TempDir {
    tempfile::tempdir().expect("a scratch folder can be made")
}

/// A program must be refused, with a message that names the file.
fn refused(scratch: &Path, file: &Path) -> String {
    let output = finish(command("dsvm", scratch).arg("exec").arg(file));
    let (code, said) = ending(&output);
    assert_eq!((code, text(&output.stdout).as_str()), (Some(2), ""), "{}: {said}", file.display());
    let name = String::from_utf8_lossy(file.file_name().expect("a file has a name").as_bytes()).into_owned();
    assert!(said.starts_with("dsvm: ") && said.contains(&name), "{said}");
    assert!(said.len() < 2000 && !said.contains("panicked"), "{said}");
    said
}

/// Places spread over `0..length`, the first and the last among them.
fn spread(length: usize) -> impl Iterator<Item = usize> {
    (0..SAMPLES).map(move |sample| sample * (length - 1) / (SAMPLES - 1))
}

#[test]
fn a_flipped_byte_is_noticed() {
    let scratch = scratch();
    let image = compile(scratch.path(), "small", "print(1);");
    let bytes = fs::read(&image).expect("the image is there");
    let broken = scratch.path().join("broken.dsb");
    for (sample, place) in spread(bytes.len()).enumerate() {
        let mut changed = bytes.clone();
        changed[place] ^= [0xff, 0x01, 0x80, 0x20][sample % 4];
        fs::write(&broken, changed).expect("a file can be written");
        refused(scratch.path(), &broken);
    }
    fs::write(&broken, bytes).expect("a file can be written");
    assert_eq!(good("dsvm", scratch.path(), &["exec", "broken.dsb"]), "1\n", "as it was, it runs");
}

#[test]
fn a_cut_image_is_noticed() {
    let scratch = scratch();
    let image = compile(scratch.path(), "small", "print(1);");
    let bytes = fs::read(&image).expect("the image is there");
    let broken = scratch.path().join("broken.dsb");
    for length in spread(bytes.len()) {
        fs::write(&broken, &bytes[..length]).expect("a file can be written");
        refused(scratch.path(), &broken);
    }
    for behind in [&b"\0"[..], b"more", &bytes] {
        fs::write(&broken, [&bytes, behind].concat()).expect("a file can be written");
        refused(scratch.path(), &broken);
    }
}

#[test]
fn what_is_no_image_is_refused() {
    let scratch = scratch();
    let folder = scratch.path();
    let write = |name: &str, bytes: &[u8]| {
        let file = folder.join(name);
        fs::write(&file, bytes).expect("a file can be written");
        file
    };
    refused(folder, &write("empty.dsb", b""));
    refused(folder, &write("byte.dsb", b"D"));
    refused(folder, &write("text.dsb", b"print(1);\n"));
    refused(folder, &write("script.ds", b"print(1);\n"));
    refused(
        folder,
        &write("noise.dsb", &(0..100_000u32).map(|i| (i.wrapping_mul(i) >> 3) as u8).collect::<Vec<u8>>()),
    );
    refused(folder, &folder.join("missing.dsb"));
    let inside = folder.join("folder.dsb");
    fs::create_dir(&inside).expect("a folder can be made");
    refused(folder, &inside);
    assert_eq!(run("dsc", folder, &["inspect", "byte.dsb"]).status.code(), Some(2));
    assert_eq!(run("dsc", folder, &["inspect", "missing.dsb"]).status.code(), Some(2));
}

#[test]
fn a_huge_file_is_refused_without_being_read() {
    let scratch = scratch();
    let image = compile(scratch.path(), "small", "print(1);");
    // One that is empty but for its size, and one that begins well.
    for begin in [Vec::new(), fs::read(image).expect("the image is there")] {
        let huge = scratch.path().join("huge.dsb");
        fs::write(&huge, begin).expect("a file can be written");
        File::options()
            .write(true)
            .open(&huge)
            .and_then(|file| file.set_len(1 << 30))
            .expect("a sparse file can be made");
        // With less memory than the file is long.
        let limited = "ulimit -v 786432; exec \"$0\" exec \"$1\"";
        let output = finish(Command::new("sh").args(["-c", limited]).arg(binary("dsvm")).arg(&huge));
        let (code, said) = ending(&output);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.starts_with("dsvm: ") && said.contains("huge.dsb"), "{said}");
        assert!(!said.contains("emory"), "it is refused for what it is: {said}");
    }
}

/// The hash fits, what it holds does not.
#[test]
fn a_well_hashed_lie_is_refused() {
    let scratch = scratch();
    let image = compile(scratch.path(), "small", "task T(int n) { print(n); }");
    let good = Image::from_bytes(&fs::read(&image).expect("the image is there")).expect("an image");
    let lies: [(&str, Lie); 3] = [
        ("no such function", |image| image.manifest.tasks[0].function = FunctionId(9999)),
        ("no parameter", |image| image.manifest.tasks[0].params.clear()),
        ("a bad capability", |image| image.manifest.capabilities.push("exec".into())),
    ];
    for (what, lie) in lies {
        let mut changed = good.clone();
        lie(&mut changed);
        let broken = scratch.path().join("lie.dsb");
        fs::write(&broken, changed.to_bytes()).expect("a file can be written");
        let said = refused(scratch.path(), &broken);
        assert!(said.lines().count() <= 3, "{what}: {said}");
    }
}

#[test]
fn the_same_source_gives_the_same_bytes() {
    let scratch = scratch();
    let example = root().join("examples/run/wordcount.ds");
    let listing = root().join("examples/listing1.ds");
    for file in [example, listing] {
        let name = file.file_name().expect("a file has a name");
        let source = fs::read(&file).expect("the example is there");
        let mut images = Vec::new();
        for (folder, environment) in [
            ("here", &[][..]),
            ("here", &[("LC_ALL", "tr_TR.UTF-8"), ("LANG", "de_DE.ISO-8859-1")]),
            ("a copy/elsewhere", &[("LC_ALL", "C"), ("TZ", "Asia/Tokyo"), ("HOME", "/nonexistent")]),
            ("a copy/elsewhere", &[("RUST_BACKTRACE", "1"), ("COLUMNS", "20"), ("NO_COLOR", "")]),
        ] {
            let folder = scratch.path().join(folder);
            fs::create_dir_all(&folder).expect("a folder can be made");
            fs::write(folder.join(name), &source).expect("a file can be written");
            let image = Path::new(name).with_extension("dsb");
            // By its name in its folder, and by its path from elsewhere.
            let mut dsc = command("dsc", &folder);
            dsc.arg("compile").arg(name).envs(environment.iter().copied());
            assert!(finish(&mut dsc).status.success());
            images.push(fs::read(folder.join(&image)).expect("an image is written"));
            let mut dsc = command("dsc", scratch.path());
            dsc.arg("compile").arg(folder.join(name)).arg("-o").arg(scratch.path().join("out.dsb"));
            assert!(finish(dsc.envs(environment.iter().copied())).status.success());
            images.push(fs::read(scratch.path().join("out.dsb")).expect("an image is written"));
        }
        assert!(images.windows(2).all(|pair| pair[0] == pair[1]), "{} differs", file.display());
        let place = scratch.path().as_os_str().as_bytes();
        assert!(
            !images[0].windows(place.len()).any(|part| part == place),
            "it does not say where it was made"
        );
    }
}

/// A pool is opened for what the program does with it.
#[test]
fn a_pool_needs_what_is_done_with_it() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let check = |does: &str, expected: &[&str]| {
        let source = format!("LogPool pool = try LogPool.open(\"p\");\n{does}");
        let image = compile(scratch.path(), "pools", &source);
        let image = image.to_str().expect("a path that is text");
        let shown = good("dsc", scratch.path(), &["inspect", image, "--json"]);
        let shown: serde_json::Value = serde_json::from_str(&shown).expect("it is JSON");
        assert_eq!(shown["capabilities"], serde_json::json!(expected), "{does}");
    };
    let put = r#"try pool.put("k", {"a": 1});"#;
    let count = r#"print(try pool.query("k").count());"#;
    check(put, &["logpool:write:p"]);
    check(count, &["logpool:read:p"]);
    check(&format!("{put}{count}"), &["logpool:read:p", "logpool:write:p"]);
    check("", &["logpool:read:p"]);
    check(
        r#"Subprocess s = System.startDVMStat("k", "q", 1); if (isError(s)) s.kill();"#,
        &["exec:vmstat", "logpool:read:p", "logpool:write:q"],
    );
}
