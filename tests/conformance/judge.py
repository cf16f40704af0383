"""Starts a sample sky, runs every check over it, and counts.

A check is a function `check_*` of a module `*_checks`; its docstring's first line is its name in the report, and it fails by
raising. A module may also have `checks(sky)`, which gives more of them as (name, function) pairs.
"""

import argparse
import importlib
import inspect
import pathlib
import re
import signal
import sys
import tempfile
import time
import traceback

from sky import SampleSky

HERE = pathlib.Path(__file__).parent
OBJECTS = 3000


def checks(sky, wanted):
    """All checks in the order in which they stand, those whose name or module match."""
    for path in sorted(HERE.glob("*_checks.py")):
        module = importlib.import_module(path.stem)
        found = [
            (inspect.getdoc(function).splitlines()[0], function)
            for name, function in vars(module).items()
            if name.startswith("check_") and inspect.isfunction(function) and function.__module__ == path.stem
        ]
        found += module.checks(sky) if hasattr(module, "checks") else []
        for name, function in found:
            name = f"{path.stem.removesuffix('_checks')}: {name}"
            if wanted is None or re.search(wanted, name):
                yield name, function


def run(sky, wanted):
    """Runs the checks, each whatever became of the others; the numbers of those that passed and failed."""
    passed, failed = 0, []
    for name, function in checks(sky, wanted):
        began = time.monotonic()
        try:
            function(sky)
        except Exception:
            print(f"FAILED  {name}", flush=True)
            print("        " + traceback.format_exc().replace("\n", "\n        ").rstrip(), flush=True)
            failed.append(name)
        else:
            print(f"passed  {name} ({time.monotonic() - began:.1f} s)", flush=True)
            passed += 1
    if failed:
        print("\nfailed:\n  " + "\n  ".join(failed))
    return passed, len(failed)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--program", required=True, type=pathlib.Path, help="the program qserv")
    arguments.add_argument("--only", metavar="REGEX", help="only checks whose name matches")
    arguments = arguments.parse_args()

    # So that the server is stopped and its data removed also when the judge is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="qserv-conformance-") as folder:
        with SampleSky.served(arguments.program, pathlib.Path(folder), OBJECTS) as sky:
            passed, failed = run(sky, arguments.only)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
