-- Starts `dsc lsp` for D-Script files; works from Neovim 0.7 on.
--
--   require("dscript").setup({ cmd = { "dsc", "lsp" }, on_attach = function(client, buffer) ... end })

local M = {}

local options = { cmd = { "dsc", "lsp" } }
-- By source root, where `vim.lsp.start` is not there to keep them.
local clients = {}

-- The folder with a `dscript.toml` above a file, else its own: as the compiler decides.
local function root_of(path)
  local folder = vim.fn.fnamemodify(path, ":p:h")
  local found = vim.fn.findfile("dscript.toml", folder .. ";")
  if found ~= "" then
    return vim.fn.fnamemodify(found, ":p:h")
  end
  return folder
end

-- Shows the graph of a scenario, as Mermaid source, in a split.
local function show_scenario(command, context)
  local client = vim.lsp.get_client_by_id(context.client_id)
  client.request("workspace/executeCommand", { command = command.command, arguments = command.arguments }, function(failed, result)
    if failed then
      vim.notify(failed.message, vim.log.levels.WARN)
      return
    end
    vim.cmd("new")
    local buffer = vim.api.nvim_get_current_buf()
    vim.bo[buffer].buftype = "nofile"
    vim.bo[buffer].bufhidden = "wipe"
    vim.bo[buffer].filetype = "mermaid"
    vim.api.nvim_buf_set_lines(buffer, 0, -1, false, vim.split(result.mermaid, "\n"))
  end)
end

-- Runs one test in a terminal.
local function run_test(command)
  local test = command.arguments[1]
  vim.cmd("new")
  vim.fn.termopen({ options.cmd[1], "test", vim.uri_to_fname(test.uri), "--filter", test.name })
end

local function show_capabilities(command)
  local shown = command.arguments[1]
  local lines = { "Reaches: " .. table.concat(shown.lowlevel, ", ") }
  if #shown.needs > 0 then
    lines[#lines + 1] = "Needs: " .. table.concat(shown.needs, ", ")
  end
  vim.notify(table.concat(lines, "\n"))
end

function M.start(buffer)
  local path = vim.api.nvim_buf_get_name(buffer)
  local root = root_of(path)
  local config = {
    name = "dscript",
    cmd = options.cmd,
    root_dir = root,
    capabilities = options.capabilities or vim.lsp.protocol.make_client_capabilities(),
    on_attach = function(client, attached)
      vim.bo[attached].omnifunc = "v:lua.vim.lsp.omnifunc"
      if options.on_attach then
        options.on_attach(client, attached)
      end
    end,
  }
  if vim.lsp.start then
    return vim.lsp.start(config, { bufnr = buffer })
  end
  local known = clients[root]
  if known and not vim.lsp.get_client_by_id(known) then
    known = nil
  end
  clients[root] = known or vim.lsp.start_client(config)
  vim.lsp.buf_attach_client(buffer, clients[root])
  return clients[root]
end

function M.setup(given)
  options = vim.tbl_extend("force", options, given or {})
  vim.lsp.commands["dscript.showScenario"] = show_scenario
  vim.lsp.commands["dscript.runTest"] = run_test
  vim.lsp.commands["dscript.showCapabilities"] = show_capabilities
  local group = vim.api.nvim_create_augroup("dscript", { clear = true })
  vim.api.nvim_create_autocmd("FileType", {
    group = group,
    pattern = "dscript",
    callback = function(event)
      M.start(event.buf)
    end,
  })
end

return M
