//! `dsc new`: a folder to start from. It is never written over anything.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Make a folder with a small program to start from
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  dsc new probe                make probe/ with dscript.toml and probe.ds\n\n\
    Exit status: 0 made, 2 it exists already or cannot be made"
)]
pub struct Args {
    /// The name of the folder and of the program in it
    name: PathBuf,
}

const SETTINGS: &str = "\
# The folder with this file is the source root: `import care.checks.*;` in any module below names care/checks.ds here.
# There is nothing to set yet.
";

const PROGRAM: &str = r#"// What to type in this folder:
//
//   dsc check NAME.ds                         look for mistakes
//   dsc test NAME.ds                          run the tests below; they never touch the machine
//   dsc compile NAME.ds                       write NAME.dsb
//   dsc inspect NAME.dsb                      what the program does, and what it may reach
//   dsvm exec NAME.dsb                        run it here
//   dsvm exec NAME.dsb --set floor=1GiB       the same with another limit

/** True while at least `floor` bytes of memory can be given to programs. */
monitor task memoryAbove(int floor = 256MiB) {
    Memory memory = try System.memory();
    print("${memory.available / 1MiB} of ${memory.total / 1MiB} MiB are available");
    return memory.available >= floor;
}

test "too little memory is noticed" {
    Memory little = new Memory(
        total: 1GiB,
        free: 10MiB,
        available: 100MiB,
        used: 900MiB,
        buffers: 0,
        cached: 90MiB,
        swapTotal: 0,
        swapFree: 0
    );
    given System.memory() returns little;
    assert !run(memoryAbove());
    assert run(memoryAbove(floor: 100MiB));
}
"#;

pub fn run(args: &Args) -> Result<ExitCode, String> {
    let folder = &args.name;
    let shown = folder.display();
    let name = folder.file_name().and_then(|name| name.to_str()).filter(|name| good(name));
    let name = name.ok_or_else(|| {
        format!("`{shown}` cannot name a program: a name begins with a letter and has letters, digits, `-` and `_`")
    })?;
    fs::create_dir(folder).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => format!("{shown}: exists already"),
        _ => format!("{shown}: {error}"),
    })?;
    let file = format!("{name}.ds");
    let program = PROGRAM.replace("NAME", name);
    if let Err(message) =
        write(&folder.join("dscript.toml"), SETTINGS).and_then(|()| write(&folder.join(&file), &program))
    {
        // The folder was made just now; that it may not go away changes nothing.
        let _ = fs::remove_dir_all(folder);
        return Err(message);
    }
    eprintln!(
        "made {}\n\nnow type\n\n  cd {shown}\n  dsc test {file}\n  dsc compile {file}\n  dsvm exec {name}.dsb",
        folder.join(&file).display()
    );
    Ok(ExitCode::SUCCESS)
}

fn good(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
