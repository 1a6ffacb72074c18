#!/usr/bin/env python3
"""Runs a conformance suite against the programs of this tree, and compares the failures with the expected ones.

    tests/conformance.py SUITE [--bin target/release] [--jobs N] [--case GLOB]... [--list] [-v]

SUITE is a folder with a program `run.py` and a folder `cases` (a folder for each case, with its `case.json`). The
cases of our daemons are run. Those whose configuration uses a feature that is not implemented yet are skipped, and
the output counts them by reason.

`tests/conformance-expected-failures.tsv` lists the expected failures with their reasons, mostly deliberate
differences. A failure that is not listed fails the run, and so does a listed case that passes, so
that the list stays accurate. The last line is `N passed, N failed`, where `failed` counts unexpected results.
"""
import argparse
import collections
import fnmatch
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
EXPECTED = HERE / "conformance-expected-failures.tsv"

# Implemented programs.
DAEMONS = {"nfacctd", "sfacctd", "pmacctd", "uacctd", "pmbgpd", "pmbmpd", "pmtelemetryd"}

# Plugins that the suite can check.
PLUGINS = {"memory", "nfprobe", "print", "sfprobe", "tee"}

ENTRY = re.compile(r"^\s*([a-z0-9_ \t]+?)\s*(?:\[[^\]]*\])?\s*:\s*(.*?)\s*$")


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("suite", type=pathlib.Path, help="folder of the suite")
    p.add_argument("--bin", type=pathlib.Path, default=HERE.parent / "target/release", help="folder of our programs")
    p.add_argument("--jobs", type=int, default=4, help="number of cases to run in parallel")
    p.add_argument("--case", action="append", default=[], metavar="GLOB", help="run only matching cases; may be repeated")
    p.add_argument("--list", action="store_true", help="list the cases that would run and those that are skipped")
    p.add_argument("-v", "--verbose", action="store_true", help="show the output of the suite's own program")
    return p.parse_args()


def entries(config):
    """The keys and values of a configuration file."""
    for line in config.splitlines():
        if not line.lstrip().startswith(("!", "#")):
            match = ENTRY.match(line)
            if match:
                yield re.sub(r"\s", "", match[1]), match[2]


def unimplemented(folder, spec):
    """The unimplemented feature that the case needs; None if it can run."""
    programs = {spec["daemon"], *(d["daemon"] for d in spec.get("daemons", []))} - DAEMONS
    if programs:
        return "programs: " + ", ".join(sorted(programs))
    configs = [folder / daemon.get("config", "daemon.conf") for daemon in [spec, *spec.get("daemons", [])]]
    texts = [config.read_text(errors="replace") for config in configs if config.is_file()]
    for key, value in (entry for text in texts for entry in entries(text)):
        if key == "plugins":
            types = {word.split("[")[0].strip().lower() for word in value.split(",")}
            known = {"mysql", "pgsql", "sqlite3", "amqp", "kafka", "nfprobe", "sfprobe", "tee"}
            if types & known - PLUGINS:
                return "plugins: " + ", ".join(sorted(types & known - PLUGINS))
    return None


def choose(suite, patterns):
    """Names of the cases to run, and the skipped ones by reason."""
    chosen, skipped = [], collections.defaultdict(list)
    root = suite / "cases"
    for path in sorted(root.rglob("case.json")):
        name = path.parent.relative_to(root).as_posix()
        if patterns and not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            continue
        reason = unimplemented(path.parent, json.loads(path.read_text()))
        if reason is None:
            chosen.append(name)
        else:
            skipped[reason].append(name)
    return chosen, skipped


def expected_failures():
    """Name and reason of each expected failure."""
    expected = {}
    for number, line in enumerate(EXPECTED.read_text().splitlines(), 1):
        if line and not line.startswith("#"):
            name, tab, reason = line.partition("\t")
            if not tab or not reason.strip():
                sys.exit(f"{EXPECTED.name}:{number}: expected a name, a tab and a reason")
            expected[name] = reason.strip()
    return expected


def run(args, names):
    """Runs the suite's program; returns the status and the first difference of each case by name."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        results = os.path.join(folder, "results.json")
        command = [sys.executable, str(args.suite / "run.py"), "--bin", str(args.bin), "--json", results,
                   "--jobs", str(args.jobs)]
        for name in names:
            command += ["--case", name]
        if args.verbose:
            command.append("-v")
        output = subprocess.run(command, stdout=None if args.verbose else subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, check=False)
        try:
            with open(results) as file:
                found = json.load(file)["results"]
        except (OSError, ValueError, KeyError):
            sys.stdout.write(output.stdout or "")
            sys.exit(f"{args.suite / 'run.py'} exited with {output.returncode} and wrote no results")
    return {r["case"]: (r["status"], (r["differences"] or [""])[0]) for r in found}


def main():
    args = arguments()
    chosen, skipped = choose(args.suite, args.case)
    for reason, names in sorted(skipped.items(), key=lambda item: -len(item[1])):
        print(f"skipped: {len(names):4} for {reason}" + (": " + " ".join(names) if args.list else ""))
    if args.list:
        print("\n".join(chosen))
        return 0
    if not chosen:
        sys.exit(f"no matching case in {args.suite}")
    sys.stdout.flush()
    expected = expected_failures()
    results = run(args, chosen)
    passed, unexpected = 0, []
    for name in chosen:
        status, difference = results.get(name, ("FAIL", "no result"))
        if status == "SKIP":
            print(f"skipped: {name}: {difference}")
        elif status == "PASS" and name in expected:
            unexpected.append(f"{name}: passes, but is listed as failing: {expected[name]}")
        elif status == "PASS":
            passed += 1
        elif name in expected:
            print(f"fails as expected: {name}: {expected[name]}")
        else:
            unexpected.append(f"{name}: {difference}")
    if not args.case:
        unexpected += [f"{name}: is listed as failing, but is not a case that runs" for name in expected.keys() - set(chosen)]
    for result in unexpected:
        print(f"FAILED: {result}")
    print(f"{passed} passed, {len(unexpected)} failed")
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
