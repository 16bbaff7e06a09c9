" Vim knows another language by this ending.
autocmd BufRead,BufNewFile *.ds set filetype=dscript
