// D-Script for editors: colours, selections, folds. The compiler's own grammar is grammar/src/dscript.lalrpop; this
// one is laxer and never says what is wrong.
//
// Words such as `task`, `state` and `every` are names where they start no construct. The compiler tells that by looking
// ahead; here the parser tries both ways (`conflicts`) and, where both work, `prec.dynamic` prefers the construct.

const PREC = {
  assign: 1,
  lambda: 2,
  conditional: 3,
  coalesce: 4,
  or: 5,
  and: 6,
  bit_or: 7,
  bit_xor: 8,
  bit_and: 9,
  equal: 10,
  compare: 11,
  range: 4,
  shift: 12,
  add: 13,
  multiply: 14,
  unary: 15,
  step: 16,
  postfix: 17,
};

const sep1 = (rule) => seq(rule, repeat(seq(',', rule)));
const sep = (rule) => optional(sep1(rule));
const trailing = (rule) => optional(seq(sep1(rule), optional(',')));

// Words that are names too, where the context wants one.
const SOFT = [
  'after', 'analyze', 'approval', 'at', 'called', 'every', 'failing', 'failure', 'fails', 'given', 'go', 'guard',
  'initial', 'log', 'monitor', 'most', 'nodes', 'on', 'over', 'per', 'permits', 'record', 'recover', 'recovering',
  'respond', 'retry', 'returns', 'scenario', 'sealed', 'state', 'success', 'task', 'test', 'undo', 'var', 'verify',
  'when', 'with', 'within', 'yield',
];

module.exports = grammar({
  name: 'dscript',

  word: ($) => $.identifier,

  extras: ($) => [/[\s\uFEFF]/, $.line_comment, $.block_comment],

  supertypes: ($) => [$._expression, $._statement, $._declaration, $._type],

  inline: ($) => [$._part],

  conflicts: ($) => [
    [$._expression, $.lambda],
    [$._soft_name, $.guard_rule],
    [$.named_type, $._pattern_name],
    [$.task_declaration],
    [$.named_type],
    [$.labeled_statement, $._expression],
    [$.named_type, $.lambda_parameter],
    [$.annotation],
    [$.import_path],
    [$._statement, $._expression],
    [$._soft_name, $.scenario_declaration, $.scenario_reference],
    [$._expression, $.named_type],
    [$._expression, $.lambda_parameter, $.named_type],
    [$._soft_name, $.modifiers],
    [$._soft_name, $.role],
    [$._soft_name, $.task_declaration],
    [$._soft_name, $.every_statement],
    [$._soft_name, $.within_statement],
    [$._soft_name, $.retry_statement],
    [$._soft_name, $.given_statement],
    [$._soft_name, $._answer],
    [$._soft_name, $.verify_statement],
    [$._soft_name, $.yield_statement],
    [$._soft_name, $.record_declaration],
    [$._soft_name, $.scenario_declaration],
    [$._soft_name, $.scenario_reference],
    [$._soft_name, $.local_declaration],
    [$._soft_name, $.for_each_statement],
    [$._soft_name, $.lambda_parameter],
    [$._soft_name, $.type_pattern],
    [$._soft_name, $.local_declaration, $.for_each_statement],
    [$.block, $.map],
    [$.modifiers, $.for_each_statement],
    [$.modifiers],
    [$.within_statement],
    [$.retry_statement],
  ],

  rules: {
    module: ($) => repeat(choice($.import, $._part)),

    _part: ($) => choice($._declaration, $._statement),

    import: ($) => seq('import', $.import_path, optional(seq('.', '*')), ';'),
    import_path: ($) => seq($._name, repeat(seq('.', $._name))),

    // ---- names ----

    identifier: () => /[\p{XID_Start}_$][\p{XID_Continue}$]*/u,

    _soft_name: ($) => alias(choice(...SOFT), $.identifier),
    _name: ($) => choice($.identifier, $._soft_name),

    // ---- declarations ----

    _declaration: ($) =>
      choice(
        $.function_declaration,
        $.record_declaration,
        $.class_declaration,
        $.enum_declaration,
        $.interface_declaration,
        $.task_declaration,
        $.scenario_declaration,
        $.test_declaration,
        $.local_declaration,
      ),

    modifiers: ($) =>
      prec.dynamic(
        1,
        repeat1(choice($.annotation, 'private', 'static', 'final', 'lowlevel', 'native', 'sealed', 'default')),
      ),

    annotation: ($) => seq('@', field('name', $._name), optional($.arguments)),

    function_declaration: ($) =>
      seq(
        optional($.modifiers),
        optional($.type_parameters),
        field('result', $._type),
        field('name', $._name),
        $.parameters,
        choice(field('body', $.block), ';'),
      ),

    type_parameters: ($) => seq('<', sep1($.type_parameter), '>'),
    type_parameter: ($) =>
      seq(field('name', $._name), optional(seq('extends', $._simple_type, repeat(seq('&', $._simple_type))))),

    parameters: ($) => seq('(', sep($.parameter), ')'),
    parameter: ($) =>
      seq(
        optional('final'),
        field('type', $._type),
        field('name', $._name),
        optional(seq('=', field('default', $._expression))),
      ),

    record_declaration: ($) =>
      prec.dynamic(
        1,
        seq(
          optional($.modifiers),
          'record',
          field('name', $._name),
          optional($.type_parameters),
          $.parameters,
          optional($.implements),
          choice($.members, ';'),
        ),
      ),

    class_declaration: ($) =>
      seq(
        optional($.modifiers),
        'class',
        field('name', $._name),
        optional($.type_parameters),
        optional($.implements),
        $.members,
      ),

    implements: ($) => seq('implements', sep1($._simple_type)),

    enum_declaration: ($) =>
      seq(
        optional($.modifiers),
        'enum',
        field('name', $._name),
        optional($.implements),
        '{',
        trailing($.enum_constant),
        optional(seq(';', repeat($._member))),
        '}',
      ),
    enum_constant: ($) => seq(field('name', $._name), optional($.arguments)),

    interface_declaration: ($) =>
      seq(
        optional($.modifiers),
        'interface',
        field('name', $._name),
        optional($.type_parameters),
        optional(seq('extends', sep1($._simple_type))),
        optional(seq('permits', sep1($._simple_type))),
        $.members,
      ),

    members: ($) => seq('{', repeat($._member), '}'),
    _member: ($) =>
      choice(
        $.function_declaration,
        $.record_declaration,
        $.class_declaration,
        $.enum_declaration,
        $.interface_declaration,
        $.local_declaration,
        $.constructor_declaration,
        $.compact_constructor,
        ';',
      ),
    constructor_declaration: ($) =>
      seq(optional($.modifiers), field('name', $._name), $.parameters, field('body', $.block)),
    compact_constructor: ($) => seq(optional($.modifiers), field('name', $._name), field('body', $.block)),

    // ---- declarations for operations ----

    role: () => choice('monitor', 'analyze', 'recover', 'respond'),

    task_declaration: ($) =>
      prec.dynamic(
        2,
        seq(
          optional($.modifiers),
          optional($.role),
          'task',
          field('name', $._name),
          $.parameters,
          field('body', $.block),
          optional(seq('undo', field('undo', $.block))),
        ),
      ),

    scenario_declaration: ($) =>
      prec.dynamic(
        2,
        seq(
          optional($.modifiers),
          'scenario',
          field('name', $._name),
          $.parameters,
          optional(seq('on', 'nodes', '(', $._expression, ')')),
          optional($.guard),
          '{',
          repeat($.state),
          '}',
        ),
      ),

    guard: ($) => seq('guard', '{', repeat($.guard_rule), '}'),
    guard_rule: ($) =>
      seq('at', 'most', $._expression, optional('%'), optional('recovering'), optional(seq('per', $._expression)), ';'),

    state: ($) =>
      seq(repeat(choice('initial', 'final')), 'state', field('name', $._name), '{', repeat($._clause), '}'),
    _clause: ($) => choice($.step, $.query, $.transition),
    step: ($) => seq($.role, field('task', $._name), $.arguments, repeat($._step_option), ';'),
    _step_option: ($) =>
      choice(
        seq('every', $._expression),
        seq('failing', $._expression),
        seq('within', $._expression),
        seq('retry', $._expression),
        $.verification,
        seq('at', $._name),
        seq('with', 'approval'),
      ),
    verification: ($) => seq('verify', field('task', $._name), $.arguments, optional(seq('for', $._expression))),
    query: ($) =>
      seq(
        'when',
        'log',
        $._expression,
        field('aggregate', $._name),
        '(',
        optional($._name),
        ')',
        'over',
        prec(PREC.shift, $._expression),
        choice('<', '<=', '>', '>=', '==', '!='),
        prec(PREC.shift, $._expression),
        'go',
        field('state', $._name),
        ';',
      ),
    transition: ($) =>
      seq('on', choice('success', 'failure'), 'go', field('state', $._name), optional(seq('after', $._expression)), ';'),

    test_declaration: ($) => prec.dynamic(2, seq(optional($.modifiers), 'test', field('name', $.string), $.block)),

    // ---- types ----

    _type: ($) => choice($._simple_type, $.nullable_type, $.fallible_type, $.parenthesized_type, $.function_type),
    _simple_type: ($) => choice($.named_type, $.primitive_type),
    primitive_type: () => choice('int', 'double', 'boolean', 'void'),
    named_type: ($) => prec.dynamic(-1, seq(field('name', $._name), optional($.type_arguments))),
    type_arguments: ($) => seq('<', sep($._type), '>'),
    nullable_type: ($) => prec.dynamic(-1, seq($._type, '?')),
    fallible_type: ($) => prec.dynamic(-1, seq($._type, '!')),
    parenthesized_type: ($) => prec.dynamic(-1, seq('(', sep($._type), ')')),
    function_type: ($) => prec.right(seq('(', sep($._type), ')', '->', $._type)),

    // ---- statements ----

    block: ($) => seq('{', repeat($._part), '}'),

    _statement: ($) =>
      choice(
        $.block,
        $.empty_statement,
        $.expression_statement,
        $.if_statement,
        $.while_statement,
        $.do_statement,
        $.for_statement,
        $.for_each_statement,
        $.labeled_statement,
        $.break_statement,
        $.continue_statement,
        $.return_statement,
        $.yield_statement,
        $.assert_statement,
        $.fail_statement,
        $.switch,
        $.every_statement,
        $.within_statement,
        $.retry_statement,
        $.given_statement,
        $.verify_statement,
      ),

    empty_statement: () => ';',
    expression_statement: ($) => seq($._expression, ';'),

    local_declaration: ($) =>
      prec.dynamic(
        1,
        seq(optional($.modifiers), field('type', choice('var', $._type)), sep1($.variable), ';'),
      ),
    variable: ($) => seq(field('name', $._name), optional(seq('=', field('value', $._expression)))),

    if_statement: ($) =>
      prec.right(seq('if', '(', $._expression, ')', $._statement, optional(seq('else', $._statement)))),
    while_statement: ($) => seq('while', '(', $._expression, ')', $._statement),
    do_statement: ($) => seq('do', $._statement, 'while', '(', $._expression, ')', ';'),
    for_statement: ($) =>
      seq(
        'for',
        '(',
        choice($.local_declaration, seq(sep($._expression), ';')),
        optional($._expression),
        ';',
        sep($._expression),
        ')',
        $._statement,
      ),
    for_each_statement: ($) =>
      seq(
        'for',
        '(',
        optional('final'),
        field('type', choice('var', $._type)),
        field('name', $._name),
        ':',
        field('value', $._expression),
        ')',
        $._statement,
      ),
    labeled_statement: ($) => seq(field('label', $._name), ':', $._statement),
    break_statement: ($) => seq('break', optional($._name), ';'),
    continue_statement: ($) => seq('continue', optional($._name), ';'),
    return_statement: ($) => seq('return', optional($._expression), ';'),
    yield_statement: ($) => prec.dynamic(1, seq('yield', $._expression, ';')),
    assert_statement: ($) => seq('assert', $._expression, optional(seq(':', $._expression)), ';'),
    fail_statement: ($) => prec.dynamic(1, seq('fail', $._expression, ';')),
    every_statement: ($) => prec.dynamic(2, seq('every', '(', $._expression, ')', $.block)),
    within_statement: ($) =>
      prec.dynamic(2, seq('within', '(', $._expression, ')', $.block, optional(seq('else', $.block)))),
    retry_statement: ($) =>
      prec.dynamic(
        2,
        seq(
          'retry',
          '(',
          $._expression,
          ',',
          $._expression,
          ')',
          $.block,
          optional(seq('else', optional(seq('(', $._type, field('error', $._name), ')')), $.block)),
        ),
      ),
    given_statement: ($) =>
      prec.dynamic(2, seq('given', $._expression, $._answer, repeat(seq(',', choice($._answer, $._expression))), ';')),
    _answer: ($) => prec.dynamic(1, seq(choice('returns', 'fails'), $._expression)),
    verify_statement: ($) =>
      prec.dynamic(2, seq('verify', $._expression, 'called', $._expression, optional(seq('with', $.arguments)), ';')),

    switch: ($) => seq('switch', '(', $._expression, ')', '{', repeat($.arm), '}'),
    arm: ($) =>
      seq(
        choice(seq('case', sep1($._label), optional(seq('when', field('guard', $._expression)))), 'default'),
        '->',
        choice(seq(field('value', $._expression), ';'), $.block, $.break_statement, $.continue_statement, $.return_statement),
      ),
    _label: ($) => choice($._literal, seq('-', $._literal), $._pattern_name, 'null', 'default', $._pattern),
    _pattern_name: ($) => prec.dynamic(1, seq($._name, repeat(seq('.', $._name)))),
    _pattern: ($) => choice($.type_pattern, $.record_pattern),
    type_pattern: ($) => seq(choice('var', $._type), field('name', $._name)),
    record_pattern: ($) => prec(PREC.postfix + 1, seq($._simple_type, '(', sep($._pattern), ')')),

    // ---- expressions ----

    _expression: ($) =>
      choice(
        $._name,
        $._literal,
        $.this,
        $.null,
        $.assignment,
        $.conditional,
        $.coalesce,
        $.binary,
        $.instanceof,
        $.range,
        $.unary,
        $.step_expression,
        $.try,
        $.fail,
        $.cast,
        $.lambda,
        $.call,
        $.new,
        $.field,
        $.index,
        $.class_literal,
        $.parenthesized,
        $.list,
        $.map,
        $.switch,
        $.scenario_reference,
      ),

    this: () => 'this',
    null: () => 'null',
    parenthesized: ($) => seq('(', $._expression, ')'),

    assignment: ($) =>
      prec.right(
        PREC.assign,
        seq(
          field('target', $._expression),
          choice('=', '+=', '-=', '*=', '/=', '%=', '&=', '|=', '^=', '<<=', '>>=', '>>>='),
          field('value', $._expression),
        ),
      ),
    conditional: ($) => prec.right(PREC.conditional, seq($._expression, '?', $._expression, ':', $._expression)),
    coalesce: ($) => prec.right(PREC.coalesce, seq($._expression, '??', $._expression)),
    range: ($) => prec.left(PREC.range, seq($._expression, '..', $._expression)),
    binary: ($) =>
      choice(
        ...[
          ['||', PREC.or],
          ['&&', PREC.and],
          ['|', PREC.bit_or],
          ['^', PREC.bit_xor],
          ['&', PREC.bit_and],
          ['==', PREC.equal],
          ['!=', PREC.equal],
          ['<', PREC.compare],
          ['<=', PREC.compare],
          ['>', PREC.compare],
          ['>=', PREC.compare],
          ['<<', PREC.shift],
          ['+', PREC.add],
          ['-', PREC.add],
          ['*', PREC.multiply],
          ['/', PREC.multiply],
          ['%', PREC.multiply],
        ].map(([operator, precedence]) => prec.left(precedence, seq($._expression, operator, $._expression))),
        // `>` is one token always, as in the compiler.
        prec.left(PREC.shift, seq($._expression, '>', token.immediate('>'), $._expression)),
        prec.left(PREC.shift, seq($._expression, '>', token.immediate('>'), token.immediate('>'), $._expression)),
      ),
    instanceof: ($) =>
      prec.left(PREC.compare, seq($._expression, 'instanceof', choice($._pattern, $._simple_type))),
    unary: ($) => prec.right(PREC.unary, seq(choice('-', '+', '!', '~'), $._expression)),
    try: ($) => prec.right(PREC.unary, seq('try', $._expression)),
    fail: ($) => prec.right(PREC.assign, seq('fail', $._expression)),
    step_expression: ($) =>
      choice(
        prec.right(PREC.unary, seq(choice('++', '--'), $._expression)),
        prec.left(PREC.step, seq($._expression, choice('++', '--'))),
      ),
    cast: ($) => prec.right(PREC.unary, seq('(', field('type', $._type), ')', $._expression)),

    lambda: ($) =>
      seq(
        choice(field('parameter', $._name), seq('(', sep($.lambda_parameter), ')')),
        '->',
        prec.right(PREC.lambda, choice($._expression, $.block)),
      ),
    lambda_parameter: ($) => seq(optional(choice('var', $._type)), field('name', $._name)),

    call: ($) => prec(PREC.postfix, seq(field('function', $._expression), $.arguments)),
    arguments: ($) => seq('(', trailing($._argument), ')'),
    _argument: ($) => choice($._expression, $.named_argument),
    named_argument: ($) => seq(field('name', $._name), ':', field('value', $._expression)),
    new: ($) => prec(PREC.postfix, seq('new', field('type', $._simple_type), $.arguments)),
    field: ($) => prec(PREC.postfix, seq(field('receiver', $._expression), '.', field('name', $._name))),
    index: ($) => prec(PREC.postfix, seq($._expression, '[', $._expression, ']')),
    class_literal: ($) => prec(PREC.postfix, seq(choice($._expression, $.primitive_type), '.', 'class')),
    scenario_reference: ($) => prec.dynamic(2, seq('scenario', field('name', $._name), $.arguments)),
    list: ($) => seq('[', trailing($._expression), ']'),
    map: ($) => choice(seq('{', ':', '}'), prec.dynamic(-1, seq('{', trailing($.entry), '}'))),
    entry: ($) => seq(field('key', $._expression), ':', field('value', $._expression)),

    // ---- literals ----

    _literal: ($) => choice($.number, $.duration, $.character, $.boolean, $.string, $.raw_string, $.text_block),

    boolean: () => choice('true', 'false'),
    number: () =>
      token(
        choice(
          /0[xX][0-9a-fA-F_]+/,
          /0[bB][01_]+/,
          /[0-9][0-9_]*(\.[0-9][0-9_]*)?([eE][+-]?[0-9_]+)?/,
          /[0-9][0-9_]*([KMGT]i?B|B)/,
        ),
      ),
    duration: () => token(prec(1, /[0-9][0-9_]*(ns|us|ms|s|m|h|d)/)),
    character: () => token(seq("'", choice(/[^'\\\n]/, /\\u\{[0-9a-fA-F]+\}/, /\\u+[0-9a-fA-F]{4}(\\u+[0-9a-fA-F]{4})?/, /\\[0-7]{1,3}/, /\\[^u]/), "'")),

    string: ($) =>
      seq('"', repeat(choice($.string_content, $.escape, $.interpolation)), token.immediate('"')),
    string_content: () => token.immediate(prec(1, /([^"\\$\n]|\$[^{"\\\n])+|\$/)),
    text_block: ($) =>
      seq(token(prec(2, '"""')), repeat(choice($.block_content, $.escape, $.interpolation)), token.immediate(prec(3, '"""'))),
    block_content: () => token.immediate(prec(1, /[^"\\$]+|\$|"|""/)),
    escape: () => token.immediate(prec(2, /\\(u\{[0-9a-fA-F]+\}|u+[0-9a-fA-F]{4}|[0-7]{1,3}|\r?\n|.)/)),
    interpolation: ($) => seq(token.immediate(prec(2, '${')), $._expression, '}'),
    raw_string: () =>
      token(
        choice(
          /r"[^"\n]*"/,
          /r#"([^"\n]|"[^#\n])*"#/,
          /r##"([^"\n]|"[^#\n]|"#[^#\n])*"##/,
          /r"""([^"]|"[^"]|""[^"])*"""/,
        ),
      ),

    line_comment: () => token(seq('//', /[^\n]*/)),
    block_comment: () => token(seq('/*', /[^*]*\*+([^/*][^*]*\*+)*/, '/')),
  },
});
