// A scenario as a graph: states in the order in which they can be reached, ways between them as curves.

import * as vscode from "vscode";

interface Way {
  go: string;
  after: string | null;
}

interface Step {
  task: string;
  role: string;
}

interface State {
  name: string;
  kind: string;
  steps: Step[];
  queries: { key: string; go: string }[];
  success: Way | null;
  failure: Way | null;
}

interface Scenario {
  name: string;
  initial: string;
  states: State[];
}

interface Answer {
  scenarios: Scenario[];
  mermaid: string;
}

export class ScenarioPreview implements vscode.Disposable {
  private panel: vscode.WebviewPanel | undefined;

  dispose(): void {
    this.panel?.dispose();
  }

  async show(asked: { uri: string; name?: string }, ask: () => vscode.ProviderResult<unknown>): Promise<void> {
    let answer: Answer;
    try {
      answer = (await ask()) as Answer;
    } catch (error) {
      void vscode.window.showWarningMessage(error instanceof Error ? error.message : String(error));
      return;
    }
    const shown = answer.scenarios.filter((s) => asked.name === undefined || s.name === asked.name);
    if (shown.length === 0) {
      void vscode.window.showInformationMessage("There is no scenario in this file.");
      return;
    }
    if (!this.panel) {
      this.panel = vscode.window.createWebviewPanel("dscript.scenario", "Scenario", vscode.ViewColumn.Beside, {});
      this.panel.onDidDispose(() => (this.panel = undefined));
    }
    this.panel.title = shown.map((s) => s.name).join(", ");
    this.panel.webview.html = page(shown);
  }
}

const WIDTH = 260;
const LINE = 18;
const GAP = 70;

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** States by how many steps they are from the first. */
function order(scenario: Scenario): State[] {
  const byName = new Map(scenario.states.map((state) => [state.name, state]));
  const found: State[] = [];
  const ask = [scenario.initial];
  while (ask.length > 0) {
    const state = byName.get(ask.shift() ?? "");
    if (!state || found.includes(state)) {
      continue;
    }
    found.push(state);
    ask.push(...ways(state).map((way) => way.to));
  }
  return found.concat(scenario.states.filter((state) => !found.includes(state)));
}

function ways(state: State): { to: string; label: string; kind: string }[] {
  const found = state.queries.map((query) => ({ to: query.go, label: `log ${query.key}`, kind: "query" }));
  for (const kind of ["success", "failure"] as const) {
    const way = state[kind];
    if (way) {
      found.push({ to: way.go, label: way.after ? `${kind} after ${way.after}` : kind, kind });
    }
  }
  return found;
}

export function draw(scenario: Scenario): string {
  const states = order(scenario);
  const boxes = new Map<string, { y: number; height: number }>();
  let y = 20;
  for (const state of states) {
    const height = 34 + state.steps.length * LINE;
    boxes.set(state.name, { y, height });
    y += height + GAP;
  }
  const parts: string[] = [];
  const left = 220;
  states.forEach((state) => {
    const box = boxes.get(state.name);
    if (!box) {
      return;
    }
    const double = state.kind === "final" ? " final" : state.name === scenario.initial ? " initial" : "";
    parts.push(`<rect class="state${double}" x="${left}" y="${box.y}" width="${WIDTH}" height="${box.height}" rx="8"/>`);
    parts.push(`<text class="name" x="${left + 12}" y="${box.y + 22}">${escape(state.name)}</text>`);
    state.steps.forEach((step, index) => {
      const at = box.y + 22 + (index + 1) * LINE;
      parts.push(`<text x="${left + 12}" y="${at}">${escape(`${step.role} ${step.task}`)}</text>`);
    });
    ways(state).forEach((way, index) => {
      const target = boxes.get(way.to);
      if (!target) {
        return;
      }
      const [from, to] = [box.y + box.height / 2 + index * 10, target.y + target.height / 2];
      const right = way.kind !== "failure";
      const x = right ? left + WIDTH : left;
      const reach = Math.min(190, 50 + Math.abs(to - from) / 4) * (right ? 1 : -1);
      parts.push(`<path class="${way.kind}" d="M${x} ${from} C${x + reach} ${from} ${x + reach} ${to} ${x} ${to}" marker-end="url(#arrow)"/>`);
      const anchor = right ? "start" : "end";
      parts.push(`<text class="label" text-anchor="${anchor}" x="${x + reach * 0.78}" y="${(from + to) / 2 + index * 12}">${escape(way.label)}</text>`);
    });
  });
  return `<svg width="${left * 2 + WIDTH + 60}" height="${y}">${parts.join("")}</svg>`;
}

function page(scenarios: Scenario[]): string {
  const drawn = scenarios.map((s) => `<h2>${escape(s.name)}</h2>${draw(s)}`).join("");
  return `<!DOCTYPE html><html><head>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
  text { fill: var(--vscode-editor-foreground); font: 12px var(--vscode-font-family); }
  .name { font-weight: bold; font-size: 14px; }
  .state { fill: var(--vscode-editorWidget-background); stroke: var(--vscode-editor-foreground); }
  .initial { stroke-width: 2.5; }
  .final { stroke-dasharray: 6 3; }
  path { fill: none; stroke: var(--vscode-charts-green); }
  path.failure { stroke: var(--vscode-charts-red); }
  path.query { stroke: var(--vscode-charts-blue); }
  .label { font-size: 11px; }
</style></head><body>
<svg width="0" height="0"><defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
<path d="M0 0 L8 4 L0 8 z"/></marker></defs></svg>
${drawn}</body></html>`;
}
