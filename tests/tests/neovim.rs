//! The language server in headless Neovim, with the configuration in `editors/nvim`.

use dscript_tests::{binary, need, root, text};
use std::fs;
use std::process::{Command, Stdio};

#[test]
fn a_session_in_neovim() {
    need("nvim", "neovim");
    let scratch = tempfile::tempdir().expect("there is room for a scratch folder");
    let folder = scratch.path();
    let program =
        "int rest(int n) {\n    return n + 1;\n}\n\ntask look(int floor) {\n    return rest(0) > floor;\n}\n";
    fs::write(folder.join("main.ds"), program).expect("the scratch folder can be written");
    let seen = folder.join("seen");
    let output = Command::new("nvim")
        .args(["--headless", "-u", "NONE", "-i", "NONE", "-n", "-c"])
        .arg(format!("luafile {}", root().join("tests/lsp/neovim.lua").display()))
        .current_dir(folder)
        .env("HOME", folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env("XDG_CONFIG_HOME", folder.join("config"))
        .env("XDG_DATA_HOME", folder.join("data"))
        .env("XDG_STATE_HOME", folder.join("state"))
        .env("DSC", binary("dsc"))
        .env("EDITORS", root().join("editors"))
        .env("SEEN", &seen)
        .stdin(Stdio::null())
        .output()
        .expect("Neovim starts");
    let seen = fs::read_to_string(&seen).unwrap_or_default();
    let expected = root().join("tests/lsp/neovim.out");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&expected, &seen).expect("the expectation can be written");
    }
    let known = fs::read_to_string(&expected).unwrap_or_default();
    assert_eq!(seen, known, "Neovim said: {}", text(&output.stderr));
}
