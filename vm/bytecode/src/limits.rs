//! How large the parts of an image may be. `file` holds the sizes in bytes and the counts of rows, so that reading
//! a hostile file stays cheap; `verify` holds all counts again, for images that never were a file.

/// A whole file, signatures included.
pub const FILE_BYTES_MAX: usize = 64 << 20;
pub const MANIFEST_BYTES_MAX: usize = 1 << 20;
pub const TYPES_BYTES_MAX: usize = 4 << 20;
pub const CONSTANTS_BYTES_MAX: usize = 16 << 20;
pub const NATIVES_BYTES_MAX: usize = 1 << 20;
pub const STATICS_BYTES_MAX: usize = 1 << 20;
pub const FUNCTIONS_BYTES_MAX: usize = 16 << 20;
pub const DEFAULTS_BYTES_MAX: usize = 1 << 18;
pub const TIMES_BYTES_MAX: usize = 4 << 20;
pub const SCRIPTS_BYTES_MAX: usize = 32 << 20;
/// Of one of them.
pub const SCRIPT_BYTES_MAX: usize = 4 << 20;
pub const SIGNATURES_BYTES_MAX: usize = 1 << 20;

/// Sections of a file, native code included.
pub const SECTIONS_MAX: usize = 64;
pub const TYPES_MAX: usize = 1 << 16;
pub const CONSTANTS_MAX: usize = 1 << 18;
pub const NATIVES_MAX: usize = 1 << 14;
pub const STATICS_MAX: usize = 1 << 14;
pub const FUNCTIONS_MAX: usize = 1 << 16;
pub const SCRIPTS_MAX: usize = 1 << 10;
pub const DEFAULTS_MAX: usize = 1 << 14;
pub const TIMES_MAX: usize = 1 << 18;
pub const SIGNATURES_MAX: usize = 64;

/// Instructions of one function, and of all together.
pub const FUNCTION_INSTRUCTIONS_MAX: usize = 1 << 20;
pub const INSTRUCTIONS_MAX: usize = 1 << 22;
/// Registers of one bank of a frame.
pub const REGISTERS_MAX: usize = 1 << 14;
/// Registers that the parameters, or the results, of one function take.
pub const SIGNATURE_REGISTERS_MAX: usize = 1 << 10;
/// Types that the text of one type names: 3 for `Map<String, int>`. Records and other named types count as one.
pub const TYPE_PARTS_MAX: usize = 1 << 10;
/// Slots of one object.
pub const SLOTS_MAX: usize = 1 << 12;
/// The room a list may be made with; it grows beyond at run time.
pub const LIST_CAPACITY_MAX: i64 = 1 << 20;
/// Of the manifest, and of one scenario there.
pub const SCENARIOS_MAX: usize = 1 << 8;
pub const GUARD_RULES_MAX: usize = 1 << 6;
pub const STATES_MAX: usize = 1 << 10;
/// Tasks and queries of one state.
pub const STEPS_MAX: usize = 1 << 8;
/// Of a text that a scenario holds: a selector, an argument as it is written.
pub const SCENARIO_TEXT_BYTES_MAX: usize = 1 << 12;
