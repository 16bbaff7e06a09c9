-- A session in headless Neovim: open, type a mistake, see it, mend it by a code action, rename, format, complete.
-- Writes what it saw to the file $SEEN, one line each; the test compares it.

local seen = {}
local function say(text)
  seen[#seen + 1] = text
end

local function finish()
  vim.fn.writefile(seen, vim.env.SEEN)
  vim.cmd("qall!")
end

local function wait(what, condition)
  if not vim.wait(30000, condition, 20) then
    say("waited in vain for " .. what)
    finish()
    error("waited in vain for " .. what)
  end
end

local function request(method, params)
  local answers = vim.lsp.buf_request_sync(0, method, params, 30000)
  for _, answer in pairs(answers or {}) do
    if answer.error then
      say(method .. " failed: " .. answer.error.message)
    end
    return answer.result
  end
end

local function line(number)
  return vim.api.nvim_buf_get_lines(0, number - 1, number, false)[1]
end

local function go_to(row, column)
  vim.api.nvim_win_set_cursor(0, { row, column })
end

vim.opt.runtimepath:append(vim.env.EDITORS .. "/nvim")
vim.cmd("filetype plugin on")
vim.cmd("syntax on")
require("dscript").setup({ cmd = { vim.env.DSC, "lsp" } })

vim.cmd("edit main.ds")
say("file type " .. vim.bo.filetype .. ", syntax " .. tostring(vim.b.current_syntax))
local client
wait("a client", function()
  for _, known in pairs(vim.lsp.buf_get_clients(0)) do
    client = known
  end
  return client ~= nil and client.server_capabilities ~= nil
end)

local capabilities = {}
for name in pairs(client.server_capabilities) do
  capabilities[#capabilities + 1] = name
end
table.sort(capabilities)
say("capabilities " .. table.concat(capabilities, " "))

say("nothing wrong: " .. #vim.diagnostic.get(0))
-- A mistake is typed.
vim.api.nvim_buf_set_lines(0, 5, 6, false, { "    return rest(0) > floo;" })
wait("a diagnostic", function()
  return #vim.diagnostic.get(0) > 0
end)
local mistake = vim.diagnostic.get(0)[1]
say(("%d:%d %s"):format(mistake.lnum + 1, mistake.col + 1, mistake.message:gsub("\n", " | ")))

-- It is mended by what the compiler suggests.
go_to(6, mistake.col + 1)
local params = vim.lsp.util.make_range_params()
params.context = { diagnostics = {} }
for _, action in ipairs(request("textDocument/codeAction", params)) do
  say("action: " .. action.title)
  if action.isPreferred then
    vim.lsp.util.apply_workspace_edit(action.edit, client.offset_encoding or "utf-16")
  end
end
say("mended: " .. line(6))
wait("no diagnostic", function()
  return #vim.diagnostic.get(0) == 0
end)

-- Rename, through the function that a key is bound to.
go_to(1, 5)
vim.lsp.buf.rename("pause")
wait("the new name", function()
  return line(6):find("pause") ~= nil
end)
say("renamed: " .. line(1) .. " ... " .. line(6))

-- Format.
vim.api.nvim_buf_set_lines(0, 1, 2, false, { "  return   n+1;" })
local edits = request("textDocument/formatting", vim.lsp.util.make_formatting_params({}))
vim.lsp.util.apply_text_edits(edits, 0, client.offset_encoding or "utf-16")
say("formatted: " .. line(2))

-- Complete behind a dot.
vim.api.nvim_buf_set_lines(0, 5, 5, false, { "    System." })
go_to(6, 11)
vim.cmd("startinsert!")
local items = request("textDocument/completion", vim.lsp.util.make_position_params())
local labels = {}
for _, item in ipairs(items.items) do
  labels[#labels + 1] = item.label
end
table.sort(labels)
say("completed: " .. table.concat(labels, " "))
vim.cmd("stopinsert")
vim.api.nvim_buf_set_lines(0, 5, 6, false, {})

-- Hover, definition in the library.
go_to(6, 12)
local hover = request("textDocument/hover", vim.lsp.util.make_position_params())
say("hover: " .. hover.contents.value:match("```dscript\n(.-)\n```"))
vim.api.nvim_buf_set_lines(0, 5, 5, false, { "    print(1);" })
go_to(6, 5)
local found = request("textDocument/definition", vim.lsp.util.make_position_params())
local path = vim.uri_to_fname(found[1].uri)
say("defined in " .. vim.fn.fnamemodify(path, ":t") .. ", mode " .. vim.fn.getfperm(path))

wait("nothing to be wrong", function()
  return #vim.diagnostic.get(0) == 0
end)
say("done")
finish()
