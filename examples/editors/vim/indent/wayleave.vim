" Four spaces in each block.
if exists("b:did_indent")
  finish
endif
let b:did_indent = 1
setlocal indentexpr=WayleaveIndent() indentkeys=0},o,O nolisp noautoindent
let b:undo_indent = "setlocal indentexpr< indentkeys< lisp< autoindent<"

if exists("*WayleaveIndent")
  finish
endif

function WayleaveIndent()
  let above = prevnonblank(v:lnum - 1)
  if above == 0
    return 0
  endif
  let indent = indent(above)
  if getline(above) =~ '^[^#]*{\s*\(#.*\)\?$'
    let indent += shiftwidth()
  endif
  if getline(v:lnum) =~ '^\s*}'
    let indent -= shiftwidth()
  endif
  return indent
endfunction
