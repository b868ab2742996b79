"""Running scripts: every backend's name means ours, errors are one line, nothing stays changed."""

import os
import random
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from cosim import script
from cosim.script import ScriptError, run_script


@pytest.fixture
def write(tmp_path):
    def write_script(text, name="script.py"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return path

    return write_script


class NoEngine:
    """Accepts every network and records nothing."""

    name = "none"

    def start(self, network):
        return self

    def advance(self, network, until_step, progress=None):
        if progress is not None:
            progress(until_step)


def run(path, *argv, **options):
    return run_script(path, argv, engine=NoEngine(), **options)


BODY = """
sim.setup(timestep=0.1)
cells = sim.Population(3, sim.IF_curr_exp(i_offset=1.0), label="cells")
sim.run(10.0)
assert sim.__name__ == "cosim.pynn"
"""


@pytest.mark.parametrize(
    "header",
    [
        "import pyNN.nest as sim",
        "import pyNN.neuron as sim",
        "import pyNN.spiNNaker as sim",
        "import pyNN.moose as sim",
        "import spynnaker8 as sim",
        "import spynnaker.pyNN as sim",
        "import cosim.pynn as sim",
        "from pyNN import brian2 as sim",
        "from importlib import import_module\nsim = import_module('pyNN.nest')",
        "import pyNN.mock\nsim = pyNN.mock",
        "from pyNN.utility import get_simulator\nsim, _ = get_simulator()",
        "from pyNN.nest import *\nimport pyNN.nest as sim\nassert setup is sim.setup",
        "from pyNN.nest.simulator import state\nimport pyNN.nest as sim\nassert state is sim.state",
    ],
)
def test_every_backend_is_ours(write, header):
    (experiment,) = run(write(header + "\n" + BODY))
    assert experiment.steps == 100
    assert experiment.network.populations[0].label == "cells"


GET_SIMULATOR = """
import sys
from pyNN.utility import get_simulator
sim, options = get_simulator(("--times", "how often", {"type": int, "default": 1}))
for _ in range(options.times):
    sim.setup()
    sim.Population(1, sim.IF_curr_exp())
    sim.run(1.0)
"""


@pytest.mark.parametrize(
    ("argv", "count"),
    [((), 1), (("nest",), 1), (("--times", "2"), 2), (("neuron", "--times", "3"), 3)],
)
def test_scripts_that_take_the_backend_as_an_argument(write, argv, count):
    assert len(run(write(GET_SIMULATOR), *argv)) == count


def test_the_script_runs_as_main_with_its_own_folder_and_arguments(write, tmp_path):
    write("value = 5", "beside_script.py")
    path = write(
        """
        import os, sys
        import beside_script
        import pyNN.nest as sim
        assert __name__ == "__main__"
        assert sys.argv == [__file__, "a", "b"]
        assert os.getcwd() != os.path.dirname(os.path.abspath(__file__))
        sim.setup()
        sim.Population(beside_script.value, sim.IF_curr_exp())
        sim.run(1.0)
        """
    )
    (experiment,) = run(path, "a", "b")
    assert experiment.network.populations[0].size == 5


def surroundings():
    """What a script finds, and may change while it runs."""
    import pyNN
    import pyNN.mock
    import pyNN.random

    return (
        list(sys.argv),
        list(sys.path),
        dict(os.environ),
        os.getcwd(),
        dict(vars(pyNN)),
        pyNN.random.NumpyRNG,
        sys.modules["pyNN.mock"],
        random.getstate(),
        np.random.get_state()[1].tolist(),  # noqa: NPY002
    )


def test_nothing_stays_changed(write):
    before = surroundings()
    write("", "beside_script.py")
    path = write(
        """
        import os, random, sys
        import numpy as np
        import beside_script
        import pyNN.nest
        sys.argv.append("x"); sys.path.append("x"); os.environ["X_TEST"] = "1"; os.chdir("/")
        random.random(); np.random.rand()
        1 / 0
        """
    )
    with pytest.raises(ScriptError):
        run(path)
    assert surroundings() == before
    assert "beside_script" not in sys.modules
    assert "pyNN.nest" not in sys.modules or "cosim" not in sys.modules["pyNN.nest"].__name__
    assert "spynnaker8" not in sys.modules


UNSEEDED = """
import random
import subprocess
import numpy as np
import pyNN.nest as sim
from pyNN.random import NumpyRNG, RandomDistribution
early = RandomDistribution("uniform", (0.0, 1.0))
sim.setup()
cells = sim.Population(5, sim.IF_curr_exp(i_offset=early))
cells.initialize(v=RandomDistribution("uniform", (-65.0, -55.0), rng=NumpyRNG()))
cells.set(cm=1.0 + np.random.rand(5), tau_m=10.0 + random.random())
sim.Population(5, sim.SpikeSourcePoisson(rate=100.0))
sim.run(50.0)
"""


def test_a_script_without_seeds_is_reproducible_and_its_seed_can_be_given(write):
    path = write(UNSEEDED)
    first, again, other = (run(path, seed=seed)[0].network for seed in (None, None, 7))
    assert first.content_hash == again.content_hash
    for name in ("i_offset", "cm", "tau_m"):
        values = [n.populations[0].parameters[name] for n in (first, other)]
        assert not np.array_equal(*values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n\ny = x / 0\n", "script.py, line 3: ZeroDivisionError: division by zero"),
        ("def f(:\n", "script.py, line 1: SyntaxError: invalid syntax"),
        ("import sys\nsys.exit(3)", "script.py, line 2: the script exited with status 3"),
        ("import sys\nsys.exit('no\\ndata')", "line 2: the script exited: no data"),
        ("import pyNN.nest as s\ns.setup()\ns.HH_cond_exp()", "line 3: HH_cond_exp is not supp"),
        ("import nothing_of_this_name", "line 1: ModuleNotFoundError"),
    ],
)
def test_errors_are_one_line_with_the_line_of_the_script(write, text, message):
    with pytest.raises(ScriptError) as caught:
        run(write(text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_the_line_is_that_of_the_script_and_not_of_what_it_calls(write):
    path = write(
        """
        import pyNN.nest as sim
        def build():
            return sim.Population(2, sim.IF_curr_exp(tau_m="wrong"))
        build()
        """
    )
    with pytest.raises(ScriptError, match=r"script\.py, line 4: InvalidParameterValueError"):
        run(path)


def test_a_script_that_is_not_there(tmp_path):
    with pytest.raises(ScriptError, match=r"cannot read the script .*gone\.py"):
        run(tmp_path / "gone.py")
    with pytest.raises(ScriptError, match="cannot read"):
        run(tmp_path)


def test_leaving_without_an_error(write):
    assert run(write("raise SystemExit")) == []
    assert run(write("import sys; sys.exit(0)")) == []
    assert run(write("import pyNN.nest as sim; sim.setup()")) == []


def test_progress_and_the_engine_of_the_script(write):
    steps = []
    run(write("import pyNN.nest as sim" + BODY), progress=steps.append)
    assert steps == [100]
    path = write("import cosim.pynn as sim\nsim.setup(engine='nonsense')")
    with pytest.raises(ScriptError, match="line 2: unknown engine 'nonsense'"):
        run(path)


def test_show_does_not_wait(write):
    pytest.importorskip("matplotlib")
    path = write(
        """
        import matplotlib.pyplot as plt
        plt.plot([1, 2])
        plt.show()
        assert plt.get_backend().lower() == "agg"
        """
    )
    assert run(path) == []


def test_backends_are_listed_once():
    assert len(set(script.BACKENDS)) == len(script.BACKENDS)


def test_a_script_that_takes_its_simulator_by_name_finds_this_one(tmp_path):
    script = tmp_path / "by_name.py"
    script.write_text(
        "from pyNN.utility import get_simulator\n"
        "sim, options = get_simulator()\n"
        "sim.setup(timestep=1.0)\n"
        "cell = sim.Population(1, sim.IF_curr_exp(i_offset=2.0))\n"
        "cell.record('spikes')\n"
        "sim.run(50.0)\n"
        "print(sim.name, cell.get_spike_counts())\n"
    )
    command = [sys.executable, "-W", "ignore", str(script), "cosim"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.startswith("cosim {")
