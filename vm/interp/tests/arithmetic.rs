//! Arithmetic, comparisons and their traps, with the line they happen on.

mod common;
use common::{check, script};

fn ints(body: &str, expected: &str) {
    check(script("int int int String", body), expected);
}

#[test]
fn int_results() {
    ints(
        "int #7 s1\nint #-2 s2\ndiv.i s1 s2 s3\ntext.s s3 :int r1\ncall.native $print [r1] []\n\
         rem.i s1 s2 s3\ntext.s s3 :int r1\ncall.native $print [r1] []\n\
         int #-9223372036854775808 s1\nint #-1 s2\nrem.i s1 s2 s3\ntext.s s3 :int r1\ncall.native $print [r1] []\n\
         int #60 s2\nushr.i s1 s2 s3\ntext.s s3 :int r1\ncall.native $print [r1] []\n\
         shr.i s1 s2 s3\ntext.s s3 :int r1\ncall.native $print [r1] []\nadd.imm s3 #8 s3\ntext.s s3 :int r1\n\
         call.native $print [r1] []",
        "-3\n1\n0\n8\n-8\n0",
    );
}

#[test]
fn overflow_traps_with_its_line() {
    for (op, text) in [
        ("add.i s1 s2 s3", "9223372036854775807 + 1 does not fit an int"),
        ("add.imm s1 #2 s3", "9223372036854775807 + 2 does not fit an int"),
        ("mul.i s1 s1 s3", "9223372036854775807 * 9223372036854775807 does not fit an int"),
    ] {
        ints(
            &format!("int #9223372036854775807 s1\nint #1 s2\n{op}"),
            &format!("trap overflow: {text}\nat main (test.ds:5:1)"),
        );
    }
    ints(
        "int #-9223372036854775808 s1\nint #-1 s2\ndiv.i s1 s2 s3",
        "trap overflow: -9223372036854775808 / -1 does not fit an int\nat main (test.ds:5:1)",
    );
    ints(
        "int #-9223372036854775808 s1\nneg.i s1 s3",
        "trap overflow: -(-9223372036854775808) does not fit an int\nat main (test.ds:4:1)",
    );
}

#[test]
fn other_traps() {
    ints("int #1 s1\nint #0 s2\ndiv.i s1 s2 s3", "trap division by zero: 1 / 0\nat main (test.ds:5:1)");
    ints("int #1 s1\nint #0 s2\nrem.i s1 s2 s3", "trap division by zero: 1 % 0\nat main (test.ds:5:1)");
    ints(
        "int #1 s1\nint #64 s2\nshl.i s1 s2 s3",
        "trap shift: a shift by 64 is outside 0..63\nat main (test.ds:5:1)",
    );
    ints("trap !assert \"n > 0\"", "trap assert: n > 0\nat main (test.ds:3:1)");
    check(
        script("double int", "double %1e19 s1\nd2i s1 s2"),
        "trap cast: 1.0E19 does not fit an int\nat main (test.ds:4:1)",
    );
    check(
        script("double int", "double %NaN s1\nd2i s1 s2"),
        "trap cast: NaN does not fit an int\nat main (test.ds:4:1)",
    );
}

#[test]
fn doubles_are_ieee() {
    check(
        script(
            "double double boolean double String",
            "double %0.0 s1\ndouble %0.0 s2\ndiv.d s1 s2 s4\neq.d s4 s4 s3\ntext.s s3 :boolean r1\n\
             call.native $print [r1] []\ntext.s s4 :double r1\ncall.native $print [r1] []\n\
             neg.d s1 s4\neq.d s1 s4 s3\ntext.s s3 :boolean r1\ncall.native $print [r1] []\n\
             double %-7.5 s1\ndouble %2.0 s2\nrem.d s1 s2 s4\ntext.s s4 :double r1\ncall.native $print [r1] []",
        ),
        "false\nNaN\ntrue\n-1.5",
    );
}

#[test]
fn switch_and_jumps() {
    ints(
        "int #0 s1\nint #4 s2\n\
         loop:\nswitch s1 #1 [@one @two] @other\n\
         one:\nconst \"one\" r1\njump @shown\ntwo:\nconst \"two\" r1\njump @shown\nother:\nconst \"other\" r1\n\
         shown:\ncall.native $print [r1] []\nadd.imm s1 #1 s1\nif.lt.i s1 s2 @loop",
        "other\none\ntwo\nother",
    );
}
