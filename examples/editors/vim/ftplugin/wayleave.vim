" `:WayleaveFmt` writes the buffer in the one style, unless it has mistakes.
if exists("b:did_ftplugin")
  finish
endif
let b:did_ftplugin = 1
setlocal commentstring=#\ %s comments=:# expandtab shiftwidth=4 softtabstop=4
command! -buffer WayleaveFmt call s:Format()
let b:undo_ftplugin = "setlocal commentstring< comments< expandtab< shiftwidth< softtabstop< | delcommand WayleaveFmt"

if exists("*s:Format")
  finish
endif

function s:Format()
  let lines = systemlist("wayleave fmt -", getline(1, "$"))
  if v:shell_error
    echohl ErrorMsg | echo join(lines, "\n") | echohl None
    return
  endif
  let view = winsaveview()
  call setline(1, lines)
  if line("$") > len(lines)
    execute "silent" (len(lines) + 1) .. ",$delete _"
  endif
  call winrestview(view)
endfunction
