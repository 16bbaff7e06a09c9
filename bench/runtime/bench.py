#!/usr/bin/env python3
"""Runs the programs of this folder in D-Script and in the peers' languages, and prints CPU time as ratios.

Each program is a folder with one source a language. A run is a process; its time is what the kernel says it has used
(user and system), the median of several rounds, in which all languages take turns. Every output must be the same.
"""

import argparse
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
# Arguments for a full run and for --quick; FILE names stand for generated data.
PROGRAMS = {
    "fib": ("compute", ["35"], ["27"]),
    "loop": ("compute", ["100000000"], ["3000000"]),
    "nbody": ("compute", ["500000"], ["20000"]),
    "spectral": ("compute", ["500"], ["100"]),
    "sieve": ("compute", ["5000000", "4"], ["300000", "2"]),
    "bintrees": ("compute", ["16"], ["10"]),
    "wordcount": ("text", ["FILE:log.txt"], ["FILE:log.txt"]),
    "hash_str": ("text", ["1000000"], ["50000"]),
    "vmstat": ("text", ["FILE:vmstat.txt"], ["FILE:vmstat.txt"]),
    "intmap": ("text", ["2000000"], ["100000"]),
    "sort": ("text", ["300000"], ["20000"]),
    "strings": ("text", ["1000000"], ["50000"]),
}
# The names of a program's task parameters, in the order of the arguments.
PARAMETERS = {"FILE": "file", 0: "n", 1: "reps"}
ENGINES = ["interp", "jit", "native", "auto"]


def tool(*names):
    return next((path for path in map(shutil.which, names) if path), None)


def command(args, **options):
    done = subprocess.run(args, capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(args)}: {done.stdout}{done.stderr}")
    return done.stdout


def peers(work):
    """By language: what prepares a program, given its folder, and gives the command that runs it."""
    found = {}

    def c(folder, name):
        out = os.path.join(work, name + ".c.out")
        command([tool("gcc"), "-O2", "-w", "-o", out, os.path.join(folder, "c", "main.c"), "-lm"])
        return [out]

    def java(folder, name):
        out = os.path.join(work, name + ".java")
        command([tool("javac"), "-nowarn", "-d", out, os.path.join(folder, "java", "Main.java")])
        return [tool("java"), "-cp", out, "Main"]

    def script(language, path, file):
        return lambda folder, name: [path, os.path.join(folder, language, file)]

    if tool("gcc"):
        found["c"] = c
    if tool("java") and tool("javac"):
        found["java"] = java
    for language, names, file in [
        ("lua", ["lua5.4", "lua"], "main.lua"),
        ("luajit", ["luajit"], "main.lua"),
        ("python", ["python3"], "main.py"),
        ("node", ["node", "nodejs"], "main.js"),
    ]:
        path = tool(*names)
        if language == "python":
            # A wrapper script that looks for the interpreter costs time of its own.
            path = sys.executable
        if path:
            found[language] = script(language, path, file)
    return found


def ours(dsc, dsvm, engine, work):
    def prepare(folder, name):
        image = os.path.join(work, f"{name}.{engine}.dsb")
        native = ["--native"] if engine == "native" else []
        command([dsc, "compile", os.path.join(folder, "dscript", "main.ds"), "-o", image, *native])
        return [dsvm, "exec", image, "--engine", engine, "--memory", "2GiB"]

    return prepare


def our_args(args):
    options = []
    for index, arg in enumerate(args):
        name = "file" if os.sep in arg else PARAMETERS[index]
        options += ["--set", f"{name}={arg}"]
    return options


def run(args, work):
    """CPU seconds, peak KiB, and what was printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    env = dict(os.environ, DSCRIPT_DATA=os.path.join(work, "data"))
    done = subprocess.run(args, capture_output=True, text=True, env=env)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        return None, f"exit {done.returncode}: {done.stderr.strip()[:200]}"
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def engines(dsc, dsvm, work):
    """Those that this build has."""
    found = []
    for engine in ENGINES:
        try:
            args = ours(dsc, dsvm, engine, work)(os.path.join(HERE, "fib"), "fib")
        except SystemExit:
            continue
        if run(args + our_args(["1"]), work)[0] is not None:
            found.append(engine)
    return found


HELLO = 'print("hello");\n'
LINES = """task bench(int n) {
    Subprocess p = new Command("seq", "${n}").start();
    Time begin = System.now();
    int count = 0;
    for (String line : p.lines()) {
        count++;
    }
    Duration took = System.now() - begin;
    print("${count} ${took / 1us}");
    print(p.wait());
}
"""
SPAWN = """task bench(int n) {
    Time begin = System.now();
    for (int i = 0; i < n; i++) {
        ignore(new Command("true").run());
    }
    Duration took = System.now() - begin;
    print("${took / 1us}");
}
"""


def host_figures(dsc, dsvm, work):
    """What is no ratio of CPU time: starting, reading lines of a subprocess, starting subprocesses."""

    def image(name, text):
        source = os.path.join(work, name + ".ds")
        with open(source, "w") as out:
            out.write(text)
        command([dsc, "compile", source, "-o", source + "b"])
        return source + "b"

    def wall(args):
        best, peak = math.inf, 0
        for _ in range(40):
            begin = time.perf_counter()
            child = subprocess.Popen(args, stdout=subprocess.DEVNULL)
            _, _, usage = os.wait4(child.pid, 0)
            best, peak = min(best, time.perf_counter() - begin), max(peak, usage.ru_maxrss)
            child.returncode = 0
        return best, peak

    def ours(path, n):
        options = ["--allow", "exec:*", "--set", f"n={n}"]
        return command([dsvm, "exec", path, *options], env=dict(os.environ, DSCRIPT_DATA=os.path.join(work, "data")))

    (true, _), (hello, peak) = wall([tool("true")]), wall([dsvm, "exec", image("hello", HELLO)])
    lines = image("lines", LINES)
    count, micros = map(int, ours(lines, 1_000_000).split()[:2])
    spawn = image("spawn", SPAWN)
    begin = time.perf_counter()
    command(["bash", "-c", f"for ((i = 0; i < 1000; i++)); do {tool('true')}; done"])
    shell = 1000 / (time.perf_counter() - begin)
    own = 1000 / (int(ours(spawn, 1000)) / 1e6)
    return {
        "start_over_true_ms": (hello - true) * 1000,
        "start_peak_mib": peak / 1024,
        "lines_per_second": count / micros * 1e6,
        "spawn_per_second": own,
        "spawn_over_bash": own / shell,
    }


def geometric(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def main():
    parser = argparse.ArgumentParser(prog="tools/bench runtime", description=__doc__.split("\n")[0])
    parser.add_argument("--dsc", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--dsvm", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="runs of each program (default 3)")
    parser.add_argument("--quick", action="store_true", help="small sizes: checks outputs, measures little")
    parser.add_argument("--only", metavar="NAME,...", help="these programs")
    parser.add_argument("--engine", metavar="NAME,...", help="these engines of ours (default: all there are)")
    parser.add_argument("--against", metavar="NAME,...", help="these peers (default: all found)")
    parser.add_argument("--host", action="store_true", help="also starting, lines of a subprocess, subprocesses")
    parser.add_argument("--json", metavar="FILE", help="writes the figures there")
    options = parser.parse_args()

    work = os.path.join(os.path.dirname(options.dsvm), "bench")
    os.makedirs(work, exist_ok=True)
    if not os.path.exists(os.path.join(work, "vmstat.txt")):
        command([sys.executable, os.path.join(HERE, "gendata.py")], cwd=work)
    names = options.only.split(",") if options.only else list(PROGRAMS)
    runners = {}
    for engine in options.engine.split(",") if options.engine else engines(options.dsc, options.dsvm, work):
        runners["ds-" + engine] = ours(options.dsc, options.dsvm, engine, work)
    for peer, prepare in peers(work).items():
        if not options.against or peer in options.against.split(","):
            runners[peer] = prepare

    figures, wrong = {}, []
    for name in names:
        group, full, quick = PROGRAMS[name]
        args = [os.path.join(work, a[5:]) if a.startswith("FILE:") else a for a in (quick if options.quick else full)]
        folder = os.path.join(HERE, name)
        commands = {}
        for language, prepare in runners.items():
            own = our_args(args) if language.startswith("ds-") else args
            commands[language] = prepare(folder, name) + own
        times, output = {language: [] for language in commands}, {}
        for _ in range(options.rounds):
            for language, args_of in commands.items():
                seconds, printed = run(args_of, work)
                output[language] = printed
                if seconds is not None:
                    times[language].append(seconds)
        reference = output.get("c") or next(iter(output.values()))
        for language, printed in output.items():
            if printed != reference:
                wrong.append(f"{name} in {language} printed {printed!r}, not {reference!r}")
        figures[name] = {
            "group": group,
            "cpu_seconds": {language: statistics.median(t) for language, t in times.items() if t},
        }
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)

    base = "c" if "c" in runners else next(iter(runners))
    table = {}
    for name, row in figures.items():
        seconds = row["cpu_seconds"]
        row["ratio"] = {l: s / max(seconds[base], 0.001) for l, s in seconds.items()} if base in seconds else {}
        table[name] = row["ratio"]
    groups = {}
    for group in dict.fromkeys(row["group"] for row in figures.values()):
        rows = [row["ratio"] for row in figures.values() if row["group"] == group]
        groups[group] = {l: geometric([r[l] for r in rows]) for l in runners if all(l in r for r in rows)}
        table[f"= {group}"] = groups[group]

    width = max(map(len, table)) + 1
    print(f"CPU time, {base} = 1 (median of {options.rounds})")
    print(" " * width + "".join(f"{l:>11}" for l in runners) + f"{base + ' s':>9}")
    for name, ratios in table.items():
        cells = "".join(f"{ratios[l]:>11.2f}" if l in ratios else f"{'-':>11}" for l in runners)
        seconds = figures.get(name, {}).get("cpu_seconds", {}).get(base)
        print(f"{name:<{width}}{cells}" + (f"{seconds:>9.3f}" if seconds is not None else ""))
    host = host_figures(options.dsc, options.dsvm, work) if options.host else {}
    for name, value in host.items():
        print(f"{name}: {value:,.2f}")
    for line in wrong:
        print("WRONG:", line, file=sys.stderr)
    if options.json:
        report = {"base": base, "rounds": options.rounds, "quick": options.quick, "programs": figures, "groups": groups, "host": host}
        report["machine"] = {"cpus": os.cpu_count(), "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        with open(options.json, "w") as out:
            json.dump(report, out, indent=1)
    sys.exit(1 if wrong else 0)


main()
