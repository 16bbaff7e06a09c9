#!/usr/bin/env python3
"""How fast the language server is: a project of 200 files, one of them a module of 10,000 lines.

Prints CPU time (user and system, of all threads of the server) and wall time: from an edit to the diagnostics of that
version, of a completion behind a dot that was just typed, and from the start to the first diagnostics.

Exit status: 0 every target is met, 1 one is missed, 2 it could not be measured.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

# Targets, in milliseconds.
EDIT_P99_MS = 50
COMPLETION_P99_MS = 20
START_MS = 500


class Server:
    def __init__(self, dsc, folder):
        self.process = subprocess.Popen([dsc, "lsp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.next_id = 0
        self.request("initialize", {"rootUri": uri(folder), "capabilities": {}})
        self.notify("initialized", {})

    def cpu_ms(self):
        """User and system time of all its threads."""
        total = 0
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            try:
                with open(f"/proc/{self.process.pid}/task/{task}/schedstat", encoding="ascii") as stat:
                    total += int(stat.read().split()[0])
            except FileNotFoundError:
                pass  # a thread that has just ended
        return total / 1e6

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

    def read(self):
        length = 0
        while True:
            line = self.process.stdout.readline()
            if not line:
                sys.exit("the server has ended")
            if line == b"\r\n":
                break
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return json.loads(self.process.stdout.read(length))

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

    def diagnostics(self, address, version):
        while True:
            message = self.read()
            params = message.get("params", {})
            if message.get("method") == "textDocument/publishDiagnostics" and params["uri"] == address:
                if params.get("version") == version:
                    return params["diagnostics"]


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


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dsc", default="target/release/dsc")
    parser.add_argument("--generator", default="target/release/dscript-bench-compile")
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--edits", type=int, default=200)
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch).resolve()
        project(folder, args.generator, args.lines, args.files)
        address = uri(folder / "large.ds")
        text = (folder / "large.ds").read_text()
        starts = []
        for _ in range(3):
            begin = time.monotonic()
            server = Server(args.dsc, folder)
            document = {"uri": address, "languageId": "dscript", "version": 1, "text": text}
            server.notify("textDocument/didOpen", {"textDocument": document})
            wrong = server.diagnostics(address, 1)
            starts.append(((time.monotonic() - begin) * 1e3, server.cpu_ms()))
            if any(d["severity"] == 1 for d in wrong):
                sys.exit(f"the generated module is wrong: {wrong[0]}")
            if len(starts) < 3:
                server.process.kill()
        # A statement is typed at the start of a loop in the middle of the module, again and again.
        rows = text.split("\n")
        places = [row for row, line in enumerate(rows) if line.startswith("    int sum = 0;")]
        row = places[len(places) // 2]
        typed = " int spare = Math.max(sum, 12);"
        edits, completions = [], []
        version = 1
        server.request("textDocument/documentSymbol", {"textDocument": {"uri": address}})
        # What is compiled to the end once nothing was typed for a while is no part of an edit.
        server.settle()
        column = 0
        line = rows[row]
        for _ in range(args.edits):
            # One character more, or the whole taken back.
            if column < len(typed):
                at = len(line) + column
                change = {"range": span(row, at, at), "text": typed[column]}
                column += 1
            else:
                change = {"range": span(row, len(line), len(line) + column), "text": ""}
                column = 0
            version += 1
            before, begin = server.cpu_ms(), time.monotonic()
            document = {"uri": address, "version": version}
            server.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})
            server.diagnostics(address, version)
            edits.append((server.cpu_ms() - before, (time.monotonic() - begin) * 1e3))
        # A dot is typed, and what may follow is asked for at once.
        if column:
            version += 1
            change = {"range": span(row, len(line), len(line) + column), "text": ""}
            server.notify("textDocument/didChange", {"textDocument": {"uri": address, "version": version}, "contentChanges": [change]})
            server.diagnostics(address, version)
        head = "    String word = \"a\"; word"
        version += 1
        change = {"range": span(row, len(line), len(line)), "text": head}
        server.notify("textDocument/didChange", {"textDocument": {"uri": address, "version": version}, "contentChanges": [change]})
        server.diagnostics(address, version)
        at = len(line) + len(head)
        for number in range(args.edits // 2):
            version += 1
            change = {"range": span(row, at, at), "text": "."} if number % 2 == 0 else {"range": span(row, at, at + 1), "text": ""}
            server.notify("textDocument/didChange", {"textDocument": {"uri": address, "version": version}, "contentChanges": [change]})
            if number % 2 == 0:
                # The edit itself was measured above.
                server.diagnostics(address, version)
                before, begin = server.cpu_ms(), time.monotonic()
                place = {"textDocument": {"uri": address}, "position": {"line": row, "character": at + 1}}
                found = server.request("textDocument/completion", place)
                if not any(i["label"] == "length" for i in found["items"]):
                    sys.exit("the completion misses `length`")
                completions.append((server.cpu_ms() - before, (time.monotonic() - begin) * 1e3))
        with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
            memory = next(int(l.split()[1]) for l in status if l.startswith("VmRSS")) / 1024
        server.request("shutdown", None)
        server.notify("exit", None)
        server.process.wait()
    cpu = lambda rows: [r[0] for r in rows]
    wall = lambda rows: [r[1] for r in rows]
    start_wall, start_cpu = percentile([s[0] for s in starts], 0.5), percentile([s[1] for s in starts], 0.5)
    figures = {
        "lines": text.count("\n"),
        "files": args.files,
        "edit_cpu_p50_ms": percentile(cpu(edits), 0.5),
        "edit_cpu_p99_ms": percentile(cpu(edits), 0.99),
        "edit_wall_p50_ms": percentile(wall(edits), 0.5),
        "edit_wall_p99_ms": percentile(wall(edits), 0.99),
        "completion_cpu_p50_ms": percentile(cpu(completions), 0.5),
        "completion_cpu_p99_ms": percentile(cpu(completions), 0.99),
        "completion_wall_p99_ms": percentile(wall(completions), 0.99),
        "start_wall_ms": start_wall,
        "start_cpu_ms": start_cpu,
        "memory_mib": memory,
    }
    for name, value in figures.items():
        print(f"{name:24} {value:10.1f}")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(figures, indent=1) + "\n")
    missed = []
    for name, limit in [("edit_cpu_p99_ms", EDIT_P99_MS), ("completion_cpu_p99_ms", COMPLETION_P99_MS), ("start_cpu_ms", START_MS)]:
        if figures[name] > limit:
            missed.append(f"{name} is {figures[name]:.1f}, the target {limit}")
    print("\n".join(missed) if missed else "every target is met")
    return 1 if missed else 0


def span(row, start, end):
    return {"start": {"line": row, "character": start}, "end": {"line": row, "character": end}}


if __name__ == "__main__":
    sys.exit(main())
