// Tests in the test explorer: found in the text of files, run by `dsc test`.

import { spawn } from "node:child_process";
import * as vscode from "vscode";

/** `test "a name" {`, where a declaration begins. */
const TEST = /^test\s*"((?:[^"\\]|\\.)*)"\s*\{/;

export class Tests implements vscode.Disposable {
  private readonly controller = vscode.tests.createTestController("dscript", "D-Script");
  private readonly parts: vscode.Disposable[] = [this.controller];

  constructor(private readonly compiler: () => string) {
    this.controller.createRunProfile("Run", vscode.TestRunProfileKind.Run, (request, token) => this.run(request, token), true);
    this.controller.resolveHandler = async (item) => {
      if (!item) {
        await this.findAll();
      }
    };
    this.parts.push(
      vscode.workspace.onDidOpenTextDocument((document) => this.find(document.uri, document.getText())),
      vscode.workspace.onDidChangeTextDocument((change) => this.find(change.document.uri, change.document.getText())),
      vscode.workspace.onDidDeleteFiles((gone) => gone.files.forEach((uri) => this.controller.items.delete(uri.toString()))),
    );
    vscode.workspace.textDocuments.forEach((document) => this.find(document.uri, document.getText()));
  }

  dispose(): void {
    this.parts.forEach((part) => part.dispose());
  }

  /** Runs one test, as a code lens asks. */
  async runOne(test: { uri: string; name: string }): Promise<void> {
    const file = this.controller.items.get(vscode.Uri.parse(test.uri).toString());
    const item = file?.children.get(test.name);
    if (item) {
      await this.run(new vscode.TestRunRequest([item]), new vscode.CancellationTokenSource().token);
    }
  }

  private async findAll(): Promise<void> {
    for (const uri of await vscode.workspace.findFiles("**/*.ds")) {
      const bytes = await vscode.workspace.fs.readFile(uri);
      this.find(uri, new TextDecoder().decode(bytes));
    }
  }

  private find(uri: vscode.Uri, text: string): void {
    if (!uri.path.endsWith(".ds")) {
      return;
    }
    const found: vscode.TestItem[] = [];
    text.split("\n").forEach((line, number) => {
      const name = TEST.exec(line)?.[1];
      if (name !== undefined) {
        const item = this.controller.createTestItem(name, name, uri);
        item.range = new vscode.Range(number, 0, number, line.length);
        found.push(item);
      }
    });
    if (found.length === 0) {
      this.controller.items.delete(uri.toString());
      return;
    }
    const file = this.controller.createTestItem(uri.toString(), vscode.workspace.asRelativePath(uri), uri);
    file.children.replace(found);
    this.controller.items.add(file);
  }

  private async run(request: vscode.TestRunRequest, token: vscode.CancellationToken): Promise<void> {
    const run = this.controller.createTestRun(request);
    const asked: vscode.TestItem[] = [];
    const add = (item: vscode.TestItem) => (item.children.size > 0 ? item.children.forEach(add) : asked.push(item));
    request.include ? request.include.forEach(add) : this.controller.items.forEach(add);
    for (const item of asked) {
      if (token.isCancellationRequested || !item.uri) {
        run.skipped(item);
        continue;
      }
      run.started(item);
      const began = Date.now();
      const { status, output } = await this.dsc(["test", item.uri.fsPath, "--filter", item.id], token);
      run.appendOutput(output.replace(/\r?\n/g, "\r\n"), undefined, item);
      if (status === 0) {
        run.passed(item, Date.now() - began);
      } else {
        run.failed(item, new vscode.TestMessage(output), Date.now() - began);
      }
    }
    run.end();
  }

  private dsc(args: string[], token: vscode.CancellationToken): Promise<{ status: number | null; output: string }> {
    return new Promise((resolve) => {
      let output = "";
      const child = spawn(this.compiler(), args);
      token.onCancellationRequested(() => child.kill());
      child.stdout.on("data", (bytes: Buffer) => (output += bytes.toString()));
      child.stderr.on("data", (bytes: Buffer) => (output += bytes.toString()));
      child.on("error", (error) => resolve({ status: null, output: String(error) }));
      child.on("close", (status) => resolve({ status, output }));
    });
  }
}
