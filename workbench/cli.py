"""The command line: ``workbench data | train | sweep | compare | table | predict | export``.

Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 training
failed, 2 input that cannot be used, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

# Threads of torch that wait actively make a busy machine up to forty times slower. The setting
# counts only before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from workbench import __version__
from workbench.commands import (
    compare,
    data,
    export,
    predict,
    report,
    reproduce,
    sweep,
    table,
    train,
    tune,
)
from workbench.errors import InputError, TrainingError


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # One line, like every other error; the usage is one --help away.
        raise InputError(f"{message} (see {self.prog} --help)")


def build_parser() -> argparse.ArgumentParser:
    """All commands and options."""
    parser = _Parser(prog="workbench", description="Train and compare AdaF2M2 models.")
    parser.add_argument("--version", action="version", version=f"workbench {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (data, train, sweep, compare, report, table, predict, export, reproduce, tune):
        module.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    try:
        options = build_parser().parse_args(arguments)
        code: int = options.run(options)
        sys.stdout.flush()
        return code
    except InputError as error:
        return _fail(error, 2)
    except TrainingError as error:
        return _fail(error, 1)
    except MemoryError:
        return _fail("out of memory: the machine has too little for this data or model", 1)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except BrokenPipeError:
        # The reader (head, less) left; nothing more to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # A name too long for the system, a disk that fills up while a result is printed.
        place = f"{str(error.filename)[:200]}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}", 2)


def _fail(error: object, code: int) -> int:
    line = " ".join(str(error).split())
    print(f"workbench: {line}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
