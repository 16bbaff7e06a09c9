//! Every diagnostic's stable code, in one table. A code is never given to another mistake.

use std::fmt;

/// A row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(u16);

impl Code {
    /// `E0101`
    pub fn name(self) -> &'static str {
        TABLE[self.0 as usize].0
    }

    /// What kind of mistake it is, in a few words.
    pub fn title(self) -> &'static str {
        TABLE[self.0 as usize].1
    }

    /// Looks a code up by its name, in any case.
    pub fn find(name: &str) -> Option<Code> {
        TABLE.iter().position(|row| row.0.eq_ignore_ascii_case(name)).map(|i| Code(i as u16))
    }

    pub fn all() -> impl Iterator<Item = Code> {
        (0..TABLE.len() as u16).map(Code)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal $title:literal;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Row { $($name),* }
        $($(#[$doc])* pub const $name: Code = Code(Row::$name as u16);)*
        const TABLE: &[(&str, &str)] = &[$(($code, $title)),*];
    };
}

codes! {
    // 00xx: text and syntax
    SYNTAX = "E0001" "unexpected text";
    BAD_CHARACTER = "E0002" "character that can't stand here";
    NOT_UTF8 = "E0003" "text that is not UTF-8";
    BAD_NUMBER = "E0004" "number that can't be read";
    NUMBER_RANGE = "E0005" "number out of range";
    BAD_ESCAPE = "E0006" "unknown escape in a text";
    BAD_CHARACTER_LITERAL = "E0007" "character literal that is not one character";
    UNTERMINATED = "E0008" "text or comment that is not closed";
    BRACKET = "E0009" "bracket without its partner";
    NESTING = "E0010" "nested too deeply";
    MISSING_SEMICOLON = "E0011" "missing semicolon";
    JAVA_WORD = "E0012" "a construct of Java that D-Script does not have";
    RESERVED_WORD = "E0013" "reserved word used as a name";
    NOT_A_STATEMENT = "E0014" "expression that is not a statement";
    TEXT_TOO_LONG = "E0015" "file too long";

    // 01xx: names and modules
    UNKNOWN_NAME = "E0101" "unknown name";
    UNKNOWN_TYPE = "E0102" "unknown type";
    UNKNOWN_MEMBER = "E0103" "no such member";
    DUPLICATE = "E0104" "declared twice";
    IMPORT = "E0105" "import that names nothing, or two things";
    PRIVATE = "E0106" "private to its module";
    AMBIGUOUS = "E0107" "two imports declare the name";
    NOT_A_VALUE = "E0108" "a name that is no value";
    SCRIPT_LOCAL = "E0109" "a script's local used in a declaration";
    ANNOTATION = "E0110" "annotation that cannot stand here";
    MODIFIER = "E0111" "modifier that cannot stand here";
    NO_TASK = "E0112" "nothing to run";

    // 02xx: types
    MISMATCH = "E0201" "value of another type";
    BAD_TYPE = "E0202" "type that cannot be";
    TYPE_ARGUMENTS = "E0203" "wrong number of type arguments";
    OPERATOR = "E0204" "operator does not fit its operands";
    NOT_CALLABLE = "E0205" "call of something that is no function";
    ARGUMENTS = "E0206" "arguments do not fit the parameters";
    CANNOT_INFER = "E0207" "type cannot be inferred";
    NOT_INDEXABLE = "E0208" "value cannot be indexed";
    NOT_ITERABLE = "E0209" "value cannot be walked";
    NOT_ASSIGNABLE = "E0210" "target cannot be assigned";
    NO_TEXT = "E0211" "value has no text";
    NULLABLE = "E0212" "value may be null";
    CAST = "E0213" "cast that cannot be";
    CONDITION = "E0214" "condition that is no boolean";
    LITERAL_RANGE = "E0215" "literal out of range";
    NO_EQUALITY = "E0216" "values cannot be compared";
    NOT_IMPLEMENTED = "E0217" "a method of an interface is missing";
    SEALED = "E0218" "a sealed interface does not permit the type";
    BOUND = "E0219" "a type argument does not keep its bound";
    PATTERN = "E0220" "pattern that cannot match";
    NOT_EXHAUSTIVE = "E0221" "switch that does not cover every case";
    DOMINATED = "E0222" "case that is never reached";
    OVERRIDE = "E0223" "a method that overrides nothing";

    // 03xx: failure
    UNHANDLED = "E0301" "a failure is overlooked";
    USED_AS_VALUE = "E0302" "a `T!` used as a `T`";
    TRY_OUTSIDE = "E0303" "`try` or `fail` where no failure can go";
    CANNOT_FAIL = "E0304" "handling a failure that cannot be";
    SUBPROCESS = "E0305" "a started Subprocess that nobody looks at";

    // 04xx: effects and capabilities
    EFFECT = "E0401" "reaching outside from a pure function";
    NEEDS = "E0402" "@Needs that cannot be read";
    SCRIPT_FILE = "E0403" "script that cannot be read";
    SCRIPT_PLACE = "E0404" "script outside its module's folder";
    SCRIPT_INTERPRETER = "E0405" "script that does not say what runs it";
    SCRIPT_NAME = "E0406" "script's name that is not constant";

    // 05xx: flow
    UNREACHABLE = "E0501" "statement is never reached";
    MISSING_RETURN = "E0502" "a path without `return`";
    UNASSIGNED = "E0503" "variable may have no value yet";
    FINAL = "E0504" "assignment to what is final";
    CAPTURE = "E0505" "captured variable is assigned more than once";
    NO_LOOP = "E0506" "`break`, `continue`, `return` or `yield` where it leads nowhere";
    CONSTRUCTOR = "E0507" "field without a value";

    // 06xx: scenarios
    INITIAL_STATE = "E0601" "no initial state, or more than one";
    UNKNOWN_STATE = "E0602" "no such state";
    UNREACHED_STATE = "E0603" "state is never reached";
    OUTCOME = "E0604" "an outcome that its state does not answer";
    ROLE = "E0605" "task used in another role than its own";
    MIXED_STATE = "E0606" "monitors beside other tasks";
    STEP_OPTION = "E0607" "option that the step cannot have";
    NO_PAUSE = "E0608" "states that follow each other without a pause";
    SELECTOR = "E0609" "selector that cannot be read";
    SETTING = "E0610" "setting that is neither a constant nor a parameter, or not more than zero";
    QUERY = "E0611" "standing query that cannot be";
    GUARD = "E0612" "guard rule that cannot be";
    DEAD_CLAUSE = "E0613" "clause that is never followed";

    // 07xx: tests
    TEST_ONLY = "E0701" "what stands in a test only";
    STAND_IN = "E0702" "`given` or `verify` for what cannot be replaced";
    ANSWER = "E0703" "answer that the function cannot give";
    RUN = "E0704" "`run` of what is neither a task nor a scenario";

    // 09xx: limits. E0901 was given once, to what was not supported yet.
    TOO_LARGE = "E0902" "too large";

    // Warnings
    UNUSED_RESULT = "W0001" "result is not used";
    WIDE_CAPABILITY = "W0002" "capability is wider than it looks";
    LEFT_OUT = "W0003" "`@Needs` leaves out what is needed";
    SHARED_FILL = "W0004" "one object in every place of a list";
}
