//! Machine code in images, and programs that are one executable.

use dscript_tests::{binary, command, compile, finish, good, run, text};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = "
int sum(List<int> xs) {
    int total = 0;
    for (int x : xs) { total += x; }
    return total;
}

task Sum(int n = 10) {
    var xs = new List<int>();
    for (int i = 0; i < n; i++) { xs.add(i); }
    print(sum(xs));
    return n < 100;
}
";

fn native_image(scratch: &Path, option: &str) -> PathBuf {
    let image = compile(scratch, "sum", SOURCE);
    let source = image.with_extension("ds");
    good("dsc", scratch, &[OsStr::new("compile"), source.as_os_str(), OsStr::new(option)]);
    image
}

/// Runs with the image's machine code: what is printed, and what is said.
fn run_native(scratch: &Path, image: &Path) -> (String, String) {
    let args = [OsStr::new("exec"), image.as_os_str(), OsStr::new("--engine"), OsStr::new("native")];
    let output = run("dsvm", scratch, &args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn an_image_runs_with_the_machine_code_in_it() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let plain = compile(scratch.path(), "sum", SOURCE);
    let without = fs::read(&plain).expect("an image");
    let (printed, said) = run_native(scratch.path(), &plain);
    assert_eq!(printed, "45\n");
    assert!(said.contains("runs without its native code: the image has none"), "{said}");

    let image = native_image(scratch.path(), "--native");
    let with = fs::read(&image).expect("an image");
    assert!(with.len() > without.len());
    assert_eq!(run_native(scratch.path(), &image), ("45\n".into(), String::new()));
    // The same source gives the same bytes, and without the code it is the same program.
    assert_eq!(fs::read(native_image(scratch.path(), "--native")).expect("an image"), with);
    let program =
        |bytes: &[u8]| dscript_bytecode::image::Image::from_bytes(bytes).expect("an image").content_hash();
    assert_eq!(program(&with), program(&without));
}

#[test]
fn machine_code_that_does_not_fit_is_left_aside() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let other = if cfg!(target_arch = "x86_64") { "aarch64" } else { "x86_64" };
    let image = native_image(scratch.path(), &format!("--native={other}"));
    let (printed, said) = run_native(scratch.path(), &image);
    assert_eq!(printed, "45\n");
    assert!(said.contains(&format!("it is for {other}")), "{said}");

    let image = native_image(scratch.path(), "--native");
    let mode = fs::metadata(&image).expect("an image").permissions().mode();
    assert_eq!(mode & 0o022, 0, "only who made it may write to it");
    for mode in [0o664, 0o646] {
        fs::set_permissions(&image, fs::Permissions::from_mode(mode)).expect("an own file");
        let (printed, said) = run_native(scratch.path(), &image);
        assert_eq!(printed, "45\n");
        assert!(said.contains("others may write to the file; `chmod go-w` it"), "{said}");
    }
    fs::set_permissions(&image, fs::Permissions::from_mode(0o644)).expect("an own file");
    let mut piped = Command::new("sh");
    piped.args(["-c", "cat \"$1\" | \"$2\" exec /dev/stdin --engine native", "sh"]);
    piped.arg(&image).arg(binary("dsvm")).env("DSCRIPT_DATA", scratch.path().join("data"));
    let output = finish(&mut piped);
    assert_eq!(text(&output.stdout), "45\n");
    assert!(text(&output.stderr).contains("it does not come from a file"), "{}", text(&output.stderr));

    let source = image.with_extension("ds");
    let refused =
        run("dsc", scratch.path(), &[OsStr::new("compile"), source.as_os_str(), OsStr::new("--native=vax")]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("no native code for vax"), "{}", text(&refused.stderr));
}

#[test]
fn a_program_may_be_one_executable() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let image = compile(scratch.path(), "sum", SOURCE);
    let source = image.with_extension("ds");
    good("dsc", scratch.path(), &[OsStr::new("compile"), source.as_os_str(), OsStr::new("--standalone")]);
    let own = scratch.path().join("sum");
    let start = |args: &[&str]| {
        let mut program = Command::new(&own);
        program.args(args).env("DSCRIPT_DATA", scratch.path().join("data"));
        finish(&mut program)
    };
    let output = start(&[]);
    assert_eq!(
        (output.status.code(), text(&output.stdout)),
        (Some(0), "45\n".into()),
        "{}",
        text(&output.stderr)
    );
    let output = start(&["--set", "n=200"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), "19900\n".into()));
    assert_eq!(start(&["--nonsense"]).status.code(), Some(2));
    // The code of another architecture would be of no use in it.
    let foreign = if cfg!(target_arch = "x86_64") { "--native=aarch64" } else { "--native=x86_64" };
    for native in [&[foreign][..], &[foreign, &format!("--native={}", std::env::consts::ARCH)]] {
        let args = [&["compile", "sum.ds", "--standalone", "-o", "other"], native].concat();
        let refused = run("dsc", scratch.path(), &args);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains("of no use in it") && said.contains(foreign), "{said}");
        assert!(!scratch.path().join("other").exists());
    }
    // One that was cut short runs nothing, and is no VM either; what is appended to it changes nothing.
    let bytes = std::fs::read(&own).expect("it can be read");
    let cut_to = |length: usize| {
        std::fs::File::options()
            .write(true)
            .open(&own)
            .and_then(|file| file.set_len(length as u64))
            .expect("it is cut");
    };
    for length in [bytes.len() - 1, bytes.len() - 16, bytes.len() - 1000] {
        cut_to(length);
        for args in [&[][..], &["exec", "sum.dsb"]] {
            let output = start(args);
            let said = text(&output.stderr);
            assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()), "{said}");
            assert!(said.contains(&format!("cut off: it has {length} bytes of {}", bytes.len())), "{said}");
        }
    }
    std::fs::write(&own, [&bytes[..bytes.len() - 1], b"x"].concat()).expect("it is written");
    let output = start(&[]);
    assert!(output.status.code() == Some(2) && text(&output.stderr).contains("it is damaged"));
    std::fs::write(&own, [&bytes[..], b"a signature"].concat()).expect("it is written");
    assert_eq!(text(&start(&[]).stdout), "45\n");
    let carried = dscript_bytecode::file::embedded_image(&own).expect("it is whole");
    assert_eq!(carried.expect("an image")[..8], dscript_bytecode::file::MAGIC);
    // The VM itself carries nothing.
    let output = finish(command("dsvm", scratch.path()).arg("--version"));
    assert!(text(&output.stdout).starts_with("dsvm"));
}
