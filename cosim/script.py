"""Running any PyNN script, unmodified, with this platform as its backend.

In: a script written for ``pyNN.nest``, ``pyNN.spiNNaker`` or any other backend, and its arguments.
Out: the :class:`~cosim.experiment.Experiment` objects it ran, ready to be executed on other
engines. Nothing in the process is changed for good. It must not know any engine, and no script.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import runpy
import sys
import types
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cosim.engines import Engine, Progress
from cosim.experiment import Experiment
from hwmodels.errors import ModelError

#: What scripts import as their backend; all of them become ``cosim.pynn`` while a script runs.
BACKENDS = (
    "pyNN.nest",
    "pyNN.neuron",
    "pyNN.brian2",
    "pyNN.brian",
    "pyNN.mock",
    "pyNN.spiNNaker",
    "pyNN.spinnaker",
    "pyNN.moose",
    "pyNN.pcsim",
    "pyNN.arbor",
    "pyNN.genesis",
    "pyNN.nemo",
    "pyNN.cosim",
    "spynnaker8",
    "spynnaker",
    "spynnaker.pyNN",
)

#: A script that mentions one of these takes the name of its backend from the command line.
_TAKES_BACKEND = re.compile(r"""\bget_(simulator|script_args)\b|["']pyNN\.(%|\{|["'])""")


class ScriptError(ModelError):
    """A script that cannot be read or that failed; the message names the line of the script.

    What the script raised, with its traceback, is the ``__cause__``.
    """


def run_script(
    path: str | Path,
    argv: Sequence[str] = (),
    *,
    engine: str | Engine | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int | None = None,
    progress: Progress | None = None,
) -> list[Experiment]:
    """Run a PyNN script on this platform, whatever backend it imports.

    The script runs as ``__main__`` in this process, with its folder first on the module path and
    Matplotlib drawing to nowhere (``plt.show()`` returns at once). Where it takes the name of a
    backend as an argument and ``argv`` gives none, ``cosim`` is put first. Random numbers that the
    script draws without a seed (PyNN's RNGs, ``numpy.random``, ``random``) are seeded, so the same
    script gives the same networks.

    Parameters
    ----------
    path : str or Path
    argv : sequence of str
        What follows the script's name on a command line.
    engine, options, seed, progress
        As for :func:`cosim.pynn.simulator.configure`: an engine the script asks for in ``setup``
        comes first, a seed given here does.

    Returns
    -------
    list of Experiment
        In the order in which they were run; empty if the script never called ``run``.

    Raises
    ------
    ScriptError
        When the script is missing, has a syntax error, raises an error or exits with one.
    """
    path = Path(path)
    source = _read(path)
    from cosim.pynn import simulator

    state = simulator.state
    configured, old_progress = state.configured, state.progress
    simulator.configure(engine, options, seed, progress)
    state.clear_experiments()
    state.clear()
    state.count_rngs_from_setup()
    state.count_rngs_before_setup()
    try:
        with _substituted(path, [str(path), *_arguments(argv, source)], state.seed):
            _execute(path)
        return state.experiments
    finally:
        state.clear()
        state.clear_experiments()
        state.configured, state.progress = configured, old_progress


def _read(path: Path) -> str:
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ScriptError(f"cannot read the script {path}: {error.strerror or error}") from error
    try:
        compile(source, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        where = f"{path.name}, line {error.lineno}" if error.lineno else path.name
        raise ScriptError(f"{where}: {type(error).__name__}: {error.msg}") from error
    except ValueError as error:
        raise ScriptError(f"{path.name} is not a Python script: {error}") from error
    return source.decode("utf-8", errors="replace")


def _arguments(argv: Sequence[str], source: str) -> list[str]:
    """Put the backend's name in front of the arguments where the script wants one."""
    names = {backend.rpartition(".")[2] for backend in BACKENDS}
    if _TAKES_BACKEND.search(source) and not names.intersection(argv):
        return ["cosim", *argv]
    return list(argv)


def _execute(path: Path) -> None:
    try:
        runpy.run_path(str(path), run_name="__main__")
    except SystemExit as error:
        if error.code is None or error.code == 0:
            return
        how = f"exited with status {error.code}"
        if not isinstance(error.code, int):
            how = f"exited: {' '.join(str(error.code).split())}"
        given = " ".join(sys.argv[1:]) or "none"
        raise ScriptError(
            f"{_where(path, error)}: the script {how} (its arguments: {given})"
        ) from error
    except Exception as error:
        text = " ".join(str(error).split())
        if not isinstance(error, ModelError):
            text = f"{type(error).__name__}: {text}" if text else type(error).__name__
        raise ScriptError(f"{_where(path, error)}: {text}") from error


def _where(path: Path, error: BaseException) -> str:
    """Find the innermost line of the script itself that led to an error."""
    line = None
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == str(path):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return path.name if line is None else f"{path.name}, line {line}"


# --- The substitution, and its undoing ----------------------------------------------------------


@contextlib.contextmanager
def _substituted(path: Path, argv: list[str], seed: int) -> Iterator[None]:
    """Everything in the process that a script should find changed, and only while it runs."""
    folder = str(path.resolve().parent)
    environment, working_directory = dict(os.environ), os.getcwd()
    old_argv, old_path, old_modules = sys.argv, list(sys.path), set(sys.modules)
    python_random, numpy_random = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (scripts use it)
    sys.argv = argv
    sys.path.insert(0, folder)
    try:
        with _backend_modules(), _seeded_rngs(), _no_windows():
            yield
    finally:
        sys.argv, sys.path[:] = old_argv, old_path
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(working_directory)
        random.setstate(python_random)
        np.random.set_state(numpy_random)  # noqa: NPY002
        for name in set(sys.modules) - old_modules:
            # Another script's folder may hold other modules of these names.
            file = getattr(sys.modules[name], "__file__", None) or ""
            if file.startswith(folder + os.sep) and "site-packages" not in file:
                del sys.modules[name]


@contextlib.contextmanager
def _backend_modules() -> Iterator[None]:
    """All backends are ``cosim.pynn``, and their modules are its modules."""
    import pyNN

    import cosim.pynn as backend

    inside = {
        name.removeprefix("cosim.pynn"): module
        for name, module in sys.modules.items()
        if name.startswith("cosim.pynn.")
    }
    replaced = [name for name in sys.modules if name.startswith(tuple(b + "." for b in BACKENDS))]
    saved = {name: sys.modules.get(name) for name in (*replaced, *BACKENDS)}
    attributes = dict(vars(pyNN))
    try:
        for name in replaced:
            del sys.modules[name]
        for name in BACKENDS:
            parent, _, child = name.rpartition(".")
            if name == "spynnaker":
                sys.modules[name] = types.ModuleType(name)
                continue
            sys.modules[name] = backend
            if parent:
                setattr(sys.modules[parent], child, backend)
            for suffix, module in inside.items():
                sys.modules[name + suffix] = module
        yield
    finally:
        for name in BACKENDS:
            for suffix in ("", *inside):
                sys.modules.pop(name + suffix, None)
        sys.modules.update({name: module for name, module in saved.items() if module is not None})
        for name in [name for name in vars(pyNN) if name not in attributes]:
            delattr(pyNN, name)
        vars(pyNN).update(attributes)


@contextlib.contextmanager
def _seeded_rngs() -> Iterator[None]:
    """Scripts that take their RNGs from ``pyNN.random`` get reproducible ones too."""
    from pyNN import random as pynn_random

    from cosim.pynn import draws

    names = ("NumpyRNG", "RandomDistribution")
    saved = {name: getattr(pynn_random, name) for name in names}
    try:
        for name in names:
            setattr(pynn_random, name, getattr(draws, name))
        yield
    finally:
        for name, original in saved.items():
            setattr(pynn_random, name, original)


@contextlib.contextmanager
def _no_windows() -> Iterator[None]:
    """Matplotlib draws without a display, so that ``plt.show()`` does not wait for anybody."""
    os.environ["MPLBACKEND"] = "Agg"
    pyplot = sys.modules.get("matplotlib.pyplot")
    backend = pyplot.get_backend() if pyplot is not None else None
    if "matplotlib" in sys.modules:
        sys.modules["matplotlib"].use("Agg")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*non-interactive.*")
            yield
    finally:
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is not None:
            pyplot.close("all")
            if backend is not None:
                pyplot.switch_backend(backend)
