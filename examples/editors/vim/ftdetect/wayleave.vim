autocmd BufNewFile,BufRead *.route setfiletype wayleave
