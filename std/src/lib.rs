//! The library's sources: D-Script files that declare every built-in and build the rest on them.

/// One file of the library.
pub struct File {
    /// `std/core.ds`
    pub path: &'static str,
    pub text: &'static str,
    /// Whether its names need no import.
    pub prelude: bool,
}

macro_rules! files {
    ($($prelude:literal $path:literal;)*) => {
        /// Every file, the prelude's first.
        pub const FILES: &[File] = &[$(File {
            path: concat!("std/", $path),
            text: include_str!(concat!("../", $path)),
            prelude: $prelude,
        }),*];
    };
}

files! {
    true "core.ds";
    true "numbers.ds";
    true "text.ds";
    true "list.ds";
    true "map.ds";
    true "set.ds";
    true "parallel.ds";
    true "json.ds";
    true "regex.ds";
    true "random.ds";
    true "command.ds";
    true "system.ds";
    true "logpool.ds";
    true "file.ds";
    true "process.ds";
    true "service.ds";
    true "net.ds";
    true "http.ds";
    true "testing.ds";
}
