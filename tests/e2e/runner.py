"""Runs the test_* functions of a file, plain or async, and says how each went: FILE BINARY [TEST…]."""
import asyncio
import inspect
import sys
import time
import traceback


def main(functions):
    chosen = sys.argv[2:]
    tests = {name: f for name, f in functions.items() if name.startswith("test_") and callable(f)}
    failed = []
    for name, test in tests.items():
        if chosen and name not in chosen:
            continue
        began = time.monotonic()
        try:
            asyncio.run(test()) if inspect.iscoroutinefunction(test) else test()
            print(f"ok    {name} ({time.monotonic() - began:.1f} s)", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed.append(name)
            print(f"FAIL  {name}", flush=True)
            traceback.print_exc(limit=-3)
    print(f"{len(failed)} failed: {', '.join(failed)}" if failed else "all passed")
    sys.exit(1 if failed else 0)
