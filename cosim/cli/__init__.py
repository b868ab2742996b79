"""The ``cosim`` command: run and compare PyNN scripts, look at hardware and scenarios.

What a person reads goes to the terminal, what a program reads goes to standard output with
``--json``. A mistake of the user is one line on standard error and exit code 2. One module a
subject; what several need is in ``parameters``, ``workloads`` and ``terminal``.
"""

from __future__ import annotations

import sys
import traceback

import typer

import cosim
from cosim.cli.compare import compare
from cosim.cli.explore import explore, spaces_app
from cosim.cli.hardware import hardware_app
from cosim.cli.run import run
from cosim.cli.scenarios import scenarios_app
from hwmodels.errors import ModelError

app = typer.Typer(
    name="cosim",
    help="Spiking networks written in PyNN, in software and on models of neuromorphic hardware.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (run, compare, explore):
    app.command()(command)
for name, group in (
    ("hardware", hardware_app), ("scenarios", scenarios_app), ("spaces", spaces_app)
):  # fmt: skip
    app.add_typer(group, name=name, no_args_is_help=True)


@app.command()
def version() -> None:
    """Versions of this package and of what it computes with."""
    from importlib.metadata import version as version_of

    print(f"cosim {cosim.__version__}")
    for package in ("pynn", "brian2", "simpy", "networkx", "numpy", "neo"):
        print(f"{package} {version_of(package)}")


def main() -> None:
    """Run the command; the user's mistakes become one line and exit code 2."""
    verbose = bool({"-v", "--verbose"} & set(sys.argv))
    try:
        # Typer hands back the code of an Exit, and raises usage errors for us to say in one line.
        code = app(standalone_mode=False)
    except ModelError as error:
        if verbose:
            traceback.print_exc()
        code = _fail(str(error))
    except (KeyboardInterrupt, typer.Abort):
        print("cosim: interrupted", file=sys.stderr)
        code = 130
    except BrokenPipeError:
        sys.stderr.close()
        code = 0
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        message = error.format_message()
        if message.lstrip().startswith("Usage:"):  # a command without arguments
            print(message)
            code = 2
        else:
            code = _fail(f"{' '.join(message.split())} (try cosim --help)")
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str) -> int:
    print(f"cosim: error: {message}", file=sys.stderr)
    return 2
