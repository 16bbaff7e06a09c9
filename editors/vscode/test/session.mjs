// A session as the extension's client has it: the same protocol library, the built compiler (DSC), and the graph that
// the preview draws.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const require = createRequire(import.meta.url);
const protocol = require("vscode-languageserver-protocol/node");

const folder = mkdtempSync(join(tmpdir(), "dscript-"));
const server = spawn(process.env.DSC ?? "dsc", ["lsp"], { env: { ...process.env, XDG_CACHE_HOME: folder } });
try {
  const connection = protocol.createProtocolConnection(
    new protocol.StreamMessageReader(server.stdout),
    new protocol.StreamMessageWriter(server.stdin),
  );
  const said = [];
  const waiting = [];
  connection.onNotification(protocol.PublishDiagnosticsNotification.type, (params) => {
    said.push(params);
    waiting.splice(0).forEach((wake) => wake());
  });
  const diagnostics = async (version) => {
    for (;;) {
      const found = said.find((params) => params.version === version);
      if (found) return found.diagnostics;
      await new Promise((wake) => waiting.push(wake));
    }
  };
  connection.listen();
  const initialized = await connection.sendRequest(protocol.InitializeRequest.type, {
    processId: process.pid,
    rootUri: pathToFileURL(folder).href,
    capabilities: {},
  });
  assert.equal(initialized.serverInfo.name, "dsc");
  await connection.sendNotification(protocol.InitializedNotification.type, {});

  const text = `monitor task look(int floor = 1) {
    return florr > 0;
}

scenario Care() {
    initial state Healthy {
        monitor look() every 5s;
        on failure go Down;
    }
    final state Down {
    }
}
`;
  const uri = pathToFileURL(join(folder, "main.ds")).href;
  writeFileSync(join(folder, "main.ds"), text);
  await connection.sendNotification(protocol.DidOpenTextDocumentNotification.type, {
    textDocument: { uri, languageId: "dscript", version: 1, text },
  });
  const [mistake] = await diagnostics(1);
  assert.equal(mistake.code, "E0101");

  const [fix] = await connection.sendRequest(protocol.CodeActionRequest.type, {
    textDocument: { uri },
    range: mistake.range,
    context: { diagnostics: [mistake] },
  });
  const [edit] = fix.edit.changes[uri];
  assert.equal(edit.newText, "floor");
  await connection.sendNotification(protocol.DidChangeTextDocumentNotification.type, {
    textDocument: { uri, version: 2 },
    contentChanges: [{ range: edit.range, text: edit.newText }],
  });
  assert.deepEqual(await diagnostics(2), []);

  const answer = await connection.sendRequest(protocol.ExecuteCommandRequest.type, {
    command: "dscript.showScenario",
    arguments: [{ uri, name: "Care" }],
  });
  const out = join(folder, "scenario.cjs");
  const shim = { name: "vscode", setup: (b) => {
    b.onResolve({ filter: /^vscode$/ }, () => ({ path: "vscode", namespace: "shim" }));
    b.onLoad({ filter: /.*/, namespace: "shim" }, () => ({ contents: "module.exports = {};" }));
  } };
  await build({ entryPoints: ["src/scenario.ts"], outfile: out, bundle: true, platform: "node", format: "cjs", plugins: [shim] });
  const svg = require(out).draw(answer.scenarios[0]);
  assert.match(svg, /Healthy.*Down/s);
  assert.match(svg, /class="failure"/);

  await connection.sendRequest(protocol.ShutdownRequest.type);
  await connection.sendNotification(protocol.ExitNotification.type);
  const status = await new Promise((resolve) => server.on("exit", resolve));
  assert.equal(status, 0);
  console.log("the session is as it should be");
} finally {
  server.kill();
  rmSync(folder, { recursive: true, force: true });
}
