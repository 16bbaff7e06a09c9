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
    "bintrees": ("compute", ["18"], ["10"]),
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


def waited(args, work):
    """Wall seconds of one run, and its peak KiB, which is no less than that of this process."""
    env = dict(os.environ, DSCRIPT_DATA=os.path.join(work, "data"))
    begin = time.perf_counter()
    child = subprocess.Popen(args, stdout=subprocess.DEVNULL, env=env)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{' '.join(args)}: exit {child.returncode}")
    return time.perf_counter() - begin, usage.ru_maxrss


def host_runners(dsc, dsvm, engine, work):
    """As `peers`, for the programs that reach outside."""
    prepare = ours(dsc, dsvm, engine, work)
    found = {"ds": lambda folder, name: prepare(folder, name) + ["--allow", "exec:*"]}
    for language, file in [("perl", "main.pl"), ("python", "main.py"), ("bash", "main.sh")]:
        path = sys.executable if language == "python" else tool(language)
        if path:
            found[language] = lambda folder, _, l=language, p=path, f=file: [p, os.path.join(folder, l, f)]
    return found


def printing_peak(args, work):
    """Peak KiB of a program when it prints: its output is a full pipe, so that it waits there to be looked at.

    What `wait4` gives would be no less than what this process had when it forked.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writer, True)
    env = dict(os.environ, DSCRIPT_DATA=os.path.join(work, "data"))
    child = subprocess.Popen(args, stdout=writer, env=env)
    os.close(writer)

    def status(name):
        with open(f"/proc/{child.pid}/status") as lines:
            return next((line.split()[1] for line in lines if line.startswith(name + ":")), None)

    waiting = 0
    while waiting < 5 and child.poll() is None:
        time.sleep(0.02)
        waiting = waiting + 1 if status("State") == "S" else 0
    peak = int(status("VmHWM") or 0)
    while os.read(reader, 65536):
        pass
    os.close(reader)
    child.wait()
    return peak


def started(runners, options, work):
    """Hello world over `true`, the least of 40 runs of each, and what it has in memory at most."""
    hello = runners["ds"](os.path.join(HERE, "hello"), "hello")
    best = {}
    for _ in range(40):
        for name, args in [("true", [tool("true")]), ("hello", hello)]:
            best[name] = min(best.get(name, math.inf), waited(args, work)[0])
    return {
        "start_over_true_ms": (best["hello"] - best["true"]) * 1000,
        "start_peak_mib": printing_peak(hello, work) / 1024,
    }


def rates(name, count, unit):
    """How many a second, by the wall clock as each program takes it itself: the best of the rounds."""

    def measured(runners, options, work):
        n, best, printed = count[options.quick], {}, set()
        for _ in range(options.rounds):
            for language, prepare in runners.items():
                folder = os.path.join(HERE, name)
                if not os.path.isdir(os.path.join(folder, "dscript" if language == "ds" else language)):
                    continue
                args = prepare(folder, name) + (our_args([str(n)]) if language == "ds" else [str(n)])
                env = dict(os.environ, DSCRIPT_DATA=os.path.join(work, "data"))
                *result, micros = command(args, env=env).split()
                printed.add(tuple(result))
                best[language] = max(best.get(language, 0), n / int(micros) * 1e6)
        if len(printed) != 1:
            sys.exit(f"{name}: outputs differ: {printed}")
        return {f"{name}_{language}_{unit}": rate for language, rate in best.items()}

    return measured


def pauses(runners, options, work):
    """Of the collector with 64 MiB alive, in ms; the least of the rounds, as others use the machine too."""
    args = runners["ds"](os.path.join(HERE, "pause"), "pause") + our_args([["40000", "4000"][options.quick]])
    env = dict(os.environ, DSCRIPT_DATA=os.path.join(work, "data"))
    runs = [command(args, env=env).split() for _ in range(options.rounds)]
    return {
        "pause_p99_ms": min(int(run[1]) for run in runs) / 1e6,
        "pause_max_ms": min(int(run[3]) for run in runs) / 1e6,
    }


def waiting(runners, options, work):
    """KiB of a fiber that waits on a timer: the difference of many and one."""
    args = runners["ds"](os.path.join(HERE, "waiting"), "waiting")
    many = 10_000
    peaks = [waited(args + our_args([str(n)]), work)[1] for n in (1, many)]
    return {"waiting_fiber_kib": (peaks[1] - peaks[0]) / (many - 1)}


# What is no ratio of CPU time.
HOST = {
    "hello": started,
    "lines": rates("lines", [100_000, 10_000], "per_second"),
    "spawn": rates("spawn", [1_000, 100], "per_second"),
    "pause": pauses,
    "waiting": waiting,
}


def geometric(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def main():
    parser = argparse.ArgumentParser(prog="tools/bench runtime", description=__doc__.split("\n")[0])
    parser.add_argument("--dsc", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--dsvm", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="runs of each program (default 3)")
    parser.add_argument("--quick", action="store_true", help="small sizes: checks outputs, measures little")
    parser.add_argument("--only", metavar="NAME,...", help=f"these of {', '.join([*PROGRAMS, *HOST])}")
    parser.add_argument("--engine", metavar="NAME,...", help="these engines of ours (default: all there are)")
    parser.add_argument("--against", metavar="NAME,...", help="these peers (default: all found)")
    parser.add_argument("--host", action="store_true", help=f"also what is no ratio of CPU time: {', '.join(HOST)}")
    parser.add_argument("--json", metavar="FILE", help="writes the figures there")
    options = parser.parse_args()

    work = os.path.join(os.path.dirname(options.dsvm), "bench")
    os.makedirs(work, exist_ok=True)
    if not os.path.exists(os.path.join(work, "vmstat.txt")):
        command([sys.executable, os.path.join(HERE, "gendata.py")], cwd=work)
    names = options.only.split(",") if options.only else [*PROGRAMS, *(HOST if options.host else [])]
    unknown = [name for name in names if name not in PROGRAMS and name not in HOST]
    if unknown:
        parser.error(f"no program is called {unknown[0]}")
    host_names, names = [n for n in names if n in HOST], [n for n in names if n in PROGRAMS]
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

    width = max(map(len, table), default=0) + 1
    if table:
        print(f"CPU time, {base} = 1 (median of {options.rounds})")
        print(" " * width + "".join(f"{l:>11}" for l in runners) + f"{base + ' s':>9}")
    for name, ratios in table.items():
        cells = "".join(f"{ratios[l]:>11.2f}" if l in ratios else f"{'-':>11}" for l in runners)
        seconds = figures.get(name, {}).get("cpu_seconds", {}).get(base)
        print(f"{name:<{width}}{cells}" + (f"{seconds:>9.3f}" if seconds is not None else ""))
    engines_of = ["ds-auto", "ds-interp", "ds-jit"]
    over = {n: r[engines_of[0]] / min(r[e] for e in engines_of[1:]) for n, r in table.items() if all(e in r for e in engines_of)}
    if over:
        worst = max(over, key=over.get)
        print(f"auto over the better of interp and jit: at most {over[worst]:.2f} ({worst})")
    host = {}
    if host_names:
        outside = host_runners(options.dsc, options.dsvm, "interp", work)
        for name in host_names:
            host |= HOST[name](outside, options, work)
        for name, value in host.items():
            print(f"{name}: {value:,.2f}")
    for line in wrong:
        print("WRONG:", line, file=sys.stderr)
    if options.json:
        report = {"base": base, "rounds": options.rounds, "quick": options.quick, "programs": figures, "groups": groups, "host": host}
        report["machine"] = {"load": os.getloadavg(), "cpus": os.cpu_count(), "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        with open(options.json, "w") as out:
            json.dump(report, out, indent=1)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
