#!/usr/bin/env python3
"""How fast the language server is: a project of 200 files, one of them a module of 10,000 lines.

Prints CPU time (user and system, of the server and what it starts) and wall time: from an edit to the diagnostics of
that version, of a completion behind a dot that was just typed, and from the start to the first diagnostics. With
`--peer`, the same of TypeScript's language server on a project of as many files and lines in TypeScript, and how many
times as much it takes: fewer edits, for it takes seconds for some, and to its first word on each, which is not its last.
An edit that a server says nothing of within 20 s is left out; if they are half of all, there is no figure.

Exit status: 0 every target is met, 1 one is missed, 2 it could not be measured.
"""

import argparse
import json
import os
import pathlib
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time

# Targets, in milliseconds.
EDIT_P99_MS = 50
COMPLETION_P99_MS = 20
START_MS = 500

PEER_EDITS_MAX = 34

# Seconds after which a server is not going to say any more about an edit: one that does not repeat what it said before
# says nothing of many.
SILENCE_S = 20
# And of a project that it has just been given.
FIRST_SILENCE_S = 180


class Server:
    def __init__(self, command, folder):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.next_id = 0
        self.messages = queue.SimpleQueue()
        threading.Thread(target=self.receive, daemon=True).start()
        capabilities = {"textDocument": {"publishDiagnostics": {"versionSupport": True}}}
        self.request("initialize", {"processId": os.getpid(), "rootUri": uri(folder), "capabilities": capabilities})
        self.notify("initialized", {})

    def processes(self):
        """The server and all that it started."""
        found = [self.process.pid]
        for pid in found:
            for task in listed(f"/proc/{pid}/task"):
                try:
                    with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as children:
                        found.extend(int(child) for child in children.read().split())
                except FileNotFoundError:
                    pass  # a thread that has just ended
        return found

    def cpu_ms(self):
        """User and system time of all threads."""
        total = 0
        for pid in self.processes():
            for task in listed(f"/proc/{pid}/task"):
                try:
                    with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as stat:
                        total += int(stat.read().split()[0])
                except FileNotFoundError:
                    pass  # a thread that has just ended
        return total / 1e6

    def memory_mib(self):
        """Resident memory."""
        total = 0
        for pid in self.processes():
            with open(f"/proc/{pid}/status", encoding="ascii") as status:
                total += next(int(l.split()[1]) for l in status if l.startswith("VmRSS"))
        return total / 1024

    def kill(self):
        for pid in reversed(self.processes()):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def settle(self):
        """Waits until the server has nothing more to do."""
        known = -1
        while self.cpu_ms() - known > 1:
            known = self.cpu_ms()
            time.sleep(1)

    def send(self, message):
        text = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(text), text))
        self.process.stdin.flush()

    def receive(self):
        length = 0
        while line := self.process.stdout.readline():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            if line == b"\r\n":
                self.messages.put(json.loads(self.process.stdout.read(length)))
        self.messages.put(None)

    def read(self, seconds=None):
        """The next message; none if it does not come in time."""
        try:
            message = self.messages.get(timeout=seconds)
        except queue.Empty:
            return None
        if message is None:
            sys.exit("the server has ended")
        return message

    def notify(self, method, params):
        self.send({"method": method, "params": params})

    def request(self, method, params):
        self.next_id += 1
        self.send({"id": self.next_id, "method": method, "params": params})
        while True:
            message = self.read()
            if message.get("id") == self.next_id and "method" not in message:
                if "error" in message:
                    sys.exit(f"{method}: {message['error']}")
                return message["result"]

    def diagnostics(self, address, version, silence_s=SILENCE_S):
        """What is said of a version next, if anything; a server that names none speaks of the last."""
        while (message := self.read(silence_s)) is not None:
            params = message.get("params", {})
            if message.get("method") == "textDocument/publishDiagnostics" and params["uri"] == address:
                if params.get("version", version) == version:
                    return params["diagnostics"]
        return None

    def change(self, address, version, change):
        document = {"uri": address, "version": version}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})


def listed(folder):
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []  # a process that has just ended


def uri(path):
    return "file://" + str(path)


def project(folder, generator, lines, files):
    """The large module `large.ds`, and small ones that import each other and it."""
    (folder / "dscript.toml").write_text("")
    subprocess.run([generator, "--write", folder / "large.ds", "--lines", str(lines)], check=True)
    for number in range(1, files):
        before = f"import part{number - 1}.*;\n" if number > 1 else "import large.*;\n"
        text = before + "".join(
            f"""
/** Part {number}, function {f}. */
int work{number}x{f}(List<int> values, int floor = {f}) {{
    var total = 0;
    for (int value : values) {{
        if (value > floor) {{
            total += value * {number};
        }}
    }}
    return total;
}}
"""
            for f in range(6)
        )
        (folder / f"part{number}.ds").write_text(text)


# One part of the large module of the peer's project: 25 lines.
PART_TS = """
/** A way to count backup. */
interface CounterN { count(word: string): number; }
class LengthsN implements CounterN {
    constructor(private readonly factor: number) {}
    count(word: string): number { return word.length * this.factor; }
}
class CallsN implements CounterN {
    private readonly seen = new Map<string, number>();
    count(word: string): number {
        this.seen.set(word, (this.seen.get(word) ?? 0) + 1);
        return this.seen.get(word) ?? 0;
    }
}
export function pickN<T>(values: T[], index: number, other: T): T {
    return index < 0 || index >= values.length ? other : values[index];
}
export function workN(words: string[], floor: number = N): number {
    let sum = 0;
    const counters: CounterN[] = [new LengthsN(N), new CallsN()];
    for (const word of words) {
        for (const counter of counters) { sum += counter.count(word) > floor ? 1 : 0; }
    }
    return sum + pickN([1, 2, N], 1, 0);
}
"""


def peer_project(folder, lines, files):
    """As `project`, in TypeScript."""
    options = {"strict": True, "target": "es2022", "module": "es2022", "noEmit": True}
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "include": ["*.ts"]}))
    parts = lines // PART_TS.count("\n")
    (folder / "large.ts").write_text("".join(PART_TS.replace("N", str(n)) for n in range(1, parts + 1)))
    for number in range(1, files):
        other = f"part{number - 1}" if number > 1 else "large"
        text = f'import * as other from "./{other}";\nexport const above = Object.keys(other).length;\n' + "".join(
            f"""
/** Part {number}, function {f}. */
export function work{number}x{f}(values: number[], floor: number = {f}): number {{
    let total = 0;
    for (const value of values) {{
        if (value > floor) {{
            total += value * {number};
        }}
    }}
    return total;
}}
"""
            for f in range(6)
        )
        (folder / f"part{number}.ts").write_text(text)


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


class Language:
    """What is typed into the large module."""

    def __init__(self, name, suffix, line, statement, word):
        self.name, self.suffix = name, suffix
        # Lines that begin so stand at the start of a body; behind one of them is typed.
        self.line = line
        self.statement = statement
        # Declares a text, and names it.
        self.word = word


DSCRIPT = Language("dscript", "ds", "    int sum = 0;", " int spare = Math.max(sum, 12);", '    String word = "a"; word')
TYPESCRIPT = Language("typescript", "ts", "    let sum = 0;", " let spare = Math.max(sum, 12);", '    let text = "a"; text')


def measure(command, folder, language, edits_count, starts_count):
    """Times of a server; the large module must be without mistakes."""
    address = uri(folder / f"large.{language.suffix}")
    text = (folder / f"large.{language.suffix}").read_text()
    starts = []
    for number in range(starts_count):
        begin = time.monotonic()
        server = Server(command, folder)
        document = {"uri": address, "languageId": language.name, "version": 1, "text": text}
        server.notify("textDocument/didOpen", {"textDocument": document})
        wrong = server.diagnostics(address, 1, FIRST_SILENCE_S)
        if wrong is None:
            sys.exit(f"{command[0]} says nothing of the module it was given")
        starts.append(((time.monotonic() - begin) * 1e3, server.cpu_ms()))
        if any(d["severity"] == 1 for d in wrong):
            sys.exit(f"the generated module is wrong: {wrong[0]}")
        if number < starts_count - 1:
            server.kill()
    # A statement is typed at the start of a body in the middle of the module, again and again.
    rows = text.split("\n")
    places = [row for row, line in enumerate(rows) if line.startswith(language.line)]
    row = places[len(places) // 2]
    line = rows[row]
    edits, completions = [], []
    version = 1
    server.request("textDocument/documentSymbol", {"textDocument": {"uri": address}})
    # What is done once nothing was typed for a while is no part of an edit.
    server.settle()
    column = 0
    for _ in range(edits_count):
        # One character more, or the whole taken back.
        if column < len(language.statement):
            at = len(line) + column
            change = {"range": span(row, at, at), "text": language.statement[column]}
            column += 1
        else:
            change = {"range": span(row, len(line), len(line) + column), "text": ""}
            column = 0
        version += 1
        before, begin = server.cpu_ms(), time.monotonic()
        server.change(address, version, change)
        if server.diagnostics(address, version) is None:
            continue
        edits.append((server.cpu_ms() - before, (time.monotonic() - begin) * 1e3))
    # A dot is typed, and what may follow is asked for at once.
    version += 1
    server.change(address, version, {"range": span(row, len(line), len(line) + column), "text": language.word})
    server.diagnostics(address, version)
    at = len(line) + len(language.word)
    for _ in range(edits_count // 4):
        version += 1
        server.change(address, version, {"range": span(row, at, at), "text": "."})
        # The edit itself was measured above.
        server.diagnostics(address, version)
        before, begin = server.cpu_ms(), time.monotonic()
        place = {"textDocument": {"uri": address}, "position": {"line": row, "character": at + 1}}
        found = server.request("textDocument/completion", place)
        if not any(i["label"] == "length" for i in found["items"]):
            sys.exit("the completion misses `length`")
        completions.append((server.cpu_ms() - before, (time.monotonic() - begin) * 1e3))
        version += 1
        server.change(address, version, {"range": span(row, at, at + 1), "text": ""})
        server.diagnostics(address, version)
    memory = server.memory_mib()
    server.kill()
    if len(edits) < edits_count / 2:
        sys.exit(f"{command[0]} said something of {len(edits)} of {edits_count} edits")
    cpu = lambda rows: [r[0] for r in rows]
    wall = lambda rows: [r[1] for r in rows]
    return {
        "lines": text.count("\n"),
        "edit_cpu_p50_ms": percentile(cpu(edits), 0.5),
        "edit_cpu_p99_ms": percentile(cpu(edits), 0.99),
        "edit_wall_p50_ms": percentile(wall(edits), 0.5),
        "edit_wall_p99_ms": percentile(wall(edits), 0.99),
        "completion_cpu_p50_ms": percentile(cpu(completions), 0.5),
        "completion_cpu_p99_ms": percentile(cpu(completions), 0.99),
        "completion_wall_p99_ms": percentile(wall(completions), 0.99),
        "start_wall_ms": percentile(wall(starts), 0.5),
        "start_cpu_ms": percentile(cpu(starts), 0.5),
        "memory_mib": memory,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dsc", default="target/release/dsc")
    parser.add_argument("--generator", default="target/release/dscript-bench-compile")
    parser.add_argument("--peer", metavar="CLI", help="typescript-language-server's `cli.mjs`, run by Node")
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--edits", type=int, default=200)
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch).resolve()
        (folder / "ours").mkdir()
        project(folder / "ours", args.generator, args.lines, args.files)
        ours = measure([args.dsc, "lsp"], folder / "ours", DSCRIPT, args.edits, 3)
        peer = None
        if args.peer:
            (folder / "peer").mkdir()
            peer_project(folder / "peer", args.lines, args.files)
            peer = measure(["node", args.peer, "--stdio"], folder / "peer", TYPESCRIPT, min(args.edits, PEER_EDITS_MAX), 1)
    print(f"{'':24} {'dsc lsp':>10}" + (f" {'TypeScript':>10} {'ratio':>7}" if peer else ""))
    for name, value in ours.items():
        print(f"{name:24} {value:10.1f}" + (f" {peer[name]:10.1f} {peer[name] / value:7.1f}" if peer else ""))
    if args.json:
        figures = {"dsc": ours, "typescript": peer}
        pathlib.Path(args.json).write_text(json.dumps(figures, indent=1) + "\n")
    missed = []
    for name, limit in [("edit_cpu_p99_ms", EDIT_P99_MS), ("completion_cpu_p99_ms", COMPLETION_P99_MS), ("start_cpu_ms", START_MS)]:
        if ours[name] > limit:
            missed.append(f"{name} is {ours[name]:.1f}, the target {limit}")
    print("\n".join(missed) if missed else "every target is met")
    return 1 if missed else 0


def span(row, start, end):
    return {"start": {"line": row, "character": start}, "end": {"line": row, "character": end}}


if __name__ == "__main__":
    sys.exit(main())
