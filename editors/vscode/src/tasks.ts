// `dsc check`, `compile`, `test` and `fmt` as tasks of the editor.

import * as vscode from "vscode";

interface Definition extends vscode.TaskDefinition {
  command: string;
  path?: string;
}

const COMMANDS = ["check", "compile", "test", "fmt"];

export class DscTasks implements vscode.TaskProvider {
  constructor(private readonly compiler: () => string) {}

  provideTasks(): vscode.Task[] {
    return (vscode.workspace.workspaceFolders ?? []).flatMap((folder) =>
      COMMANDS.filter((command) => command !== "compile").map((command) =>
        this.task({ type: "dscript", command, path: "." }, folder),
      ),
    );
  }

  resolveTask(task: vscode.Task): vscode.Task {
    const scope = typeof task.scope === "object" ? task.scope : vscode.workspace.workspaceFolders?.[0];
    return this.task(task.definition as Definition, scope);
  }

  private task(definition: Definition, folder: vscode.WorkspaceFolder | undefined): vscode.Task {
    const run = new vscode.ProcessExecution(this.compiler(), [definition.command, definition.path ?? "."], {
      cwd: folder?.uri.fsPath,
    });
    const task = new vscode.Task(
      definition,
      folder ?? vscode.TaskScope.Workspace,
      definition.command,
      "dsc",
      run,
      "$dsc",
    );
    task.group = definition.command === "test" ? vscode.TaskGroup.Test : vscode.TaskGroup.Build;
    return task;
  }
}
