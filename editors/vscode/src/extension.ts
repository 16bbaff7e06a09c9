// The extension: starts the language server and gives what it says a place in the editor.

import * as vscode from "vscode";
import { LanguageClient, type LanguageClientOptions, type ServerOptions } from "vscode-languageclient/node";
import { ScenarioPreview } from "./scenario";
import { DscTasks } from "./tasks";
import { Tests } from "./tests";

let client: LanguageClient | undefined;

/** The compiler as the user names it. */
export function compiler(): string {
  return vscode.workspace.getConfiguration("dscript").get<string>("path") || "dsc";
}

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const server: ServerOptions = { command: compiler(), args: ["lsp"] };
  const options: LanguageClientOptions = {
    documentSelector: [{ language: "dscript" }],
    synchronize: { fileEvents: vscode.workspace.createFileSystemWatcher("**/{*.ds,dscript.toml}") },
    middleware: {
      // The server knows this command; what it gives is shown here.
      executeCommand: async (command, args, next) => {
        if (command === "dscript.showScenario") {
          return preview.show(args[0] as { uri: string; name?: string }, () => next(command, args));
        }
        return next(command, args);
      },
    },
  };
  client = new LanguageClient("dscript", "D-Script", server, options);
  const preview = new ScenarioPreview();
  const tests = new Tests(compiler);
  context.subscriptions.push(
    preview,
    tests,
    vscode.tasks.registerTaskProvider("dscript", new DscTasks(compiler)),
    vscode.commands.registerCommand("dscript.runTest", (test: { uri: string; name: string }) => tests.runOne(test)),
    vscode.commands.registerCommand("dscript.showCapabilities", showCapabilities),
    vscode.commands.registerCommand("dscript.restart", () => client?.restart()),
    vscode.commands.registerCommand("dscript.showScenarioOfFile", async () => {
      const uri = vscode.window.activeTextEditor?.document.uri.toString();
      if (uri) {
        await vscode.commands.executeCommand("dscript.showScenario", { uri });
      }
    }),
  );
  try {
    await client.start();
  } catch (error) {
    const choice = await vscode.window.showErrorMessage(
      `D-Script: \`${compiler()} lsp\` does not start: ${String(error)}`,
      "Name the Compiler",
    );
    if (choice) {
      await vscode.commands.executeCommand("workbench.action.openSettings", "dscript.path");
    }
  }
}

export async function deactivate(): Promise<void> {
  await client?.stop();
}

function showCapabilities(reached: { lowlevel: string[]; needs: string[] }): void {
  const items = [
    ...reached.lowlevel.map((name) => ({ label: name, description: "Low-Level Script" })),
    ...reached.needs.map((name) => ({ label: name, description: "capability" })),
  ];
  void vscode.window.showQuickPick(items, { title: "What it may reach" });
}
