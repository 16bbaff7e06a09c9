; Later patterns win.

(identifier) @variable
(parameter name: (identifier) @variable.parameter)
(lambda_parameter name: (identifier) @variable.parameter)
(lambda parameter: (identifier) @variable.parameter)
(named_argument name: (identifier) @variable.parameter)
(field name: (identifier) @property)

(named_type name: (identifier) @type)
(primitive_type) @type.builtin
(type_parameter name: (identifier) @type)
(record_declaration name: (identifier) @type)
(class_declaration name: (identifier) @type)
(enum_declaration name: (identifier) @type)
(interface_declaration name: (identifier) @type)
(enum_constant name: (identifier) @constant)

(function_declaration name: (identifier) @function)
(constructor_declaration name: (identifier) @constructor)
(compact_constructor name: (identifier) @constructor)
(task_declaration name: (identifier) @function)
(scenario_declaration name: (identifier) @function)
(step task: (identifier) @function)
(verification task: (identifier) @function)
(call function: (identifier) @function)
(call function: (field name: (identifier) @function.method))
(state name: (identifier) @label)
(transition state: (identifier) @label)
(query state: (identifier) @label)
(query aggregate: (identifier) @function)
(labeled_statement label: (identifier) @label)
(annotation "@" @attribute name: (identifier) @attribute)
(import_path) @namespace

((identifier) @constant (#match? @constant "^[A-Z][A-Z0-9_]+$"))

[
  "if" "else" "while" "do" "for" "switch" "case" "default" "return" "break" "continue" "yield" "assert" "new"
  "instanceof" "try" "fail" "import" "class" "record" "enum" "interface" "extends" "implements" "permits" "private"
  "static" "final" "lowlevel" "native" "sealed" "var"
] @keyword
[
  "task" "undo" "scenario" "guard" "state" "initial" "on" "nodes" "most" "recovering" "per" "when" "log" "over" "go"
  "success" "failure" "after" "every" "failing" "within" "retry" "verify" "at" "with" "approval" "test" "given" "returns"
  "fails" "called"
] @keyword
(role) @keyword

(this) @variable.builtin
(null) @constant.builtin
(boolean) @constant.builtin
(number) @number
(duration) @number
(character) @character
(string) @string
(text_block) @string
(raw_string) @string
(escape) @string.escape
(interpolation "${" @punctuation.special "}" @punctuation.special)
(line_comment) @comment
(block_comment) @comment

["(" ")" "[" "]" "{" "}"] @punctuation.bracket
["," ";" ":" "."] @punctuation.delimiter
["->" "??" ".." "=" "+=" "-=" "*=" "/=" "%=" "&=" "|=" "^=" "<<=" ">>=" ">>>=" "||" "&&" "|" "^" "&" "==" "!=" "<" "<="
 ">" ">=" "<<" "+" "-" "*" "/" "%" "!" "~" "?" "++" "--"] @operator
