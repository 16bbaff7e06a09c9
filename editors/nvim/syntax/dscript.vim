" Simple colours; the tree-sitter grammar and the server's semantic tokens know more.
if exists('b:current_syntax')
  finish
endif

syntax keyword dscriptConditional if else switch case default
syntax keyword dscriptRepeat while do for
syntax keyword dscriptStatement return break continue yield assert new instanceof
syntax keyword dscriptFailure try fail
syntax keyword dscriptDeclaration class record enum interface extends implements permits import
syntax keyword dscriptModifier private static final lowlevel native sealed
syntax keyword dscriptType int double boolean void var
syntax keyword dscriptConstant true false null this

" Words that are names elsewhere: coloured where they start a construct.
syntax match dscriptOperation /\<\%(task\|scenario\|state\|undo\|guard\)\>\ze\s*[A-Za-z_{]/
syntax match dscriptOperation /\<\%(monitor\|analyze\|recover\|respond\|initial\)\>\ze\s\+\w/
syntax match dscriptOperation /^\s*\zs\%(on\s\+\%(success\|failure\)\|when\s\+log\)\>/
syntax match dscriptOperation /\<\%(every\|within\|retry\)\>\ze\s*(.*{\s*$/
syntax match dscriptOperation /^\s*\zs\%(given\|verify\)\>\ze\s\+\w/
syntax match dscriptOperation /^test\>\ze\s*"/
syntax match dscriptOperation /\<go\>\ze\s\+\u/

syntax match dscriptAnnotation /@\w\+/
syntax match dscriptNumber /\<\d[0-9_]*\%(\.\d[0-9_]*\)\=\%([eE][+-]\=\d\+\)\=\>/
syntax match dscriptNumber /\<0[xX][0-9a-fA-F_]\+\>\|\<0[bB][01_]\+\>/
syntax match dscriptNumber /\<\d[0-9_]*\%(ns\|us\|ms\|s\|m\|h\|d\|[KMGT]i\=B\)\>/
syntax match dscriptCharacter /'\%(\\.[^']*\|[^'\\]\)'/
syntax match dscriptEscape /\\\%(u{\x\+}\|u\x\{4}\|.\)/ contained
syntax region dscriptInterpolation matchgroup=dscriptEscape start=/\${/ end=/}/ contained contains=TOP
syntax region dscriptString start=/"/ skip=/\\./ end=/"\|$/ contains=dscriptEscape,dscriptInterpolation
syntax region dscriptString start=/"""/ skip=/\\./ end=/"""/ contains=dscriptEscape,dscriptInterpolation
syntax region dscriptString start=/\<r"/ end=/"/ oneline
syntax region dscriptString start=/\<r#"/ end=/"#/ oneline
syntax match dscriptComment +//.*$+
syntax region dscriptComment start=+/\*+ end=+\*/+

highlight default link dscriptConditional Conditional
highlight default link dscriptRepeat Repeat
highlight default link dscriptStatement Statement
highlight default link dscriptFailure Exception
highlight default link dscriptDeclaration Structure
highlight default link dscriptModifier StorageClass
highlight default link dscriptType Type
highlight default link dscriptConstant Constant
highlight default link dscriptOperation Keyword
highlight default link dscriptAnnotation PreProc
highlight default link dscriptNumber Number
highlight default link dscriptCharacter Character
highlight default link dscriptEscape SpecialChar
highlight default link dscriptString String
highlight default link dscriptComment Comment

let b:current_syntax = 'dscript'
