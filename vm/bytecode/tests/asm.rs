//! The disassembly of the sample, beside this file. `UPDATE=1 cargo test` rewrites it.

mod common;

use dscript_bytecode::asm::{disassemble, type_name};
use dscript_bytecode::ids::TypeId;
use dscript_bytecode::image::{Image, Type};

#[test]
fn sample_disassembles() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample.asm");
    let found = disassemble(&common::sample());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &found).expect("tests/sample.asm can be written");
    }
    let expected = std::fs::read_to_string(path).expect("tests/sample.asm is there");
    assert!(found == expected, "the disassembly changed; see `UPDATE=1 cargo test` and the diff\n{found}");
}

#[test]
fn type_names() {
    let check = |ty: Type, expected: &str| {
        let mut image = common::sample();
        image.types.push(ty);
        assert_eq!(type_name(&image, TypeId(common::TYPES)), expected);
    };
    use common::*;
    check(Type::Map(STRING, STRINGS), "Map<String, List<String>>");
    check(Type::Nullable(FUNCTION), "((int) -> int)?");
    check(Type::Fallible(INT_OR_NULL), "int?!");
    check(
        Type::Function { params: vec![FUNCTION, BOOL], ret: VOID_OR_ERROR },
        "((int) -> int, boolean) -> void!",
    );
    check(Type::Closure { ty: FUNCTION, code: CLOSURE_CODE, captured: vec![] }, "fn1 as (int) -> int");
    check(Type::List(TypeId(99)), "List<type99>");
    check(Type::Handle("a\u{1b}[0m".into()), "a\\u{1b}[0m");
}

#[test]
fn circular_types_have_a_name() {
    let own = TypeId(0);
    let types = vec![Type::Map(own, own), Type::Function { params: vec![own; 1000], ret: own }];
    let image = Image { types, ..Image::default() };
    for id in [0, 1] {
        let name = type_name(&image, TypeId(id));
        assert!(name.len() < 2000 && name.contains("..."), "{name}");
    }
    disassemble(&image);
}
