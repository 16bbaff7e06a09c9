//! A compilation looks at those functions of std only that it comes to; here all of them are checked.

#[test]
fn every_body_of_the_library_is_good() {
    let library = dscript_compiler::check_library();
    let shown: Vec<String> =
        library.diagnostics.iter().map(|d| dscript_grammar::render::text(d, &library.map, false)).collect();
    assert!(shown.is_empty(), "{}", shown.concat());
}
