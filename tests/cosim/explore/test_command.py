"""``cosim explore`` as it is typed: files, resumption after kill -9, one line for each mistake."""

from __future__ import annotations

import csv
import json
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.cosim.explore.test_workers import alive
from tests.cosim.networks import balanced

SPACE = """
chip = "loihi"
minimise = ["energy_uJ", "step_median_us", "cores"]
subject_to = ["abs(rate_relative_error) < 0.5"]

[dimensions]
compartments_per_core = { integer = [32, 320], log = true }
hop_ew_ns = { real = [1.0, 20.0], log = true }
mapper = { choice = ["sequential", "traffic"] }
weight_bits = { choice = [4, 8] }
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a network and a space."""
    monkeypatch.chdir(tmp_path)
    balanced(40, dt=0.5).save(tmp_path / "net.npz")
    (tmp_path / "space.toml").write_text(SPACE)
    return tmp_path


RUN = ("explore", "net.npz", "--duration", "20", "--space", "space.toml")


def trials(folder):
    with (folder / "cosim-explore" / "trials.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_study_from_the_command_line_and_what_its_commands_repeat(folder, type_in):
    code, out, err = type_in(*RUN, "--trials", 8, "--workers", 1, "--explain")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert "8 candidates: 8 feasible" in lines
    assert all(len(line) <= 80 for line in lines if "cosim compare" not in line)
    assert "energy_uJ is bound by" in out
    rows = trials(folder)
    assert len(rows) == 8
    written = {path.name for path in (folder / "cosim-explore").iterdir()}
    assert {"best.toml", "report.html", "trials.csv", "study.db"} <= written

    # The command of any trial gives its numbers, whether it was computed or replayed.
    closed = next(row for row in rows if row["computed"] == "closed loop")
    replayed = next(row for row in rows if row["computed"] == "replay, exact")
    best = [line.strip() for line in lines if line.startswith("  cosim compare")]
    assert len(best) == 2
    number = int(out.split("best compromise: trial ")[1].split(";")[0])
    chosen = next(row for row in rows if int(row["trial"]) == number)
    assert best[0] == chosen["command"]
    for command, row in ((closed["command"], closed), (replayed["command"], replayed),
                         (best[1], chosen)):  # fmt: skip
        code, out, _ = type_in(*shlex.split(command)[1:], "--json")
        assert code == 0
        hardware = json.loads(out)["comparisons"][0]["hardware"]
        assert hardware["energy_uJ"] == float(row["objective.energy_uJ"])
        assert hardware["step_median_us"] == float(row["objective.step_median_us"])
        assert hardware["cores"]["cores"] == float(row["objective.cores"])

    # The same command again has nothing to do; a longer one goes on.
    before = {row["trial"] for row in rows}
    code, out, _ = type_in(*RUN, "--trials", 10, "--workers", 1, "--json")
    content = json.loads(out)
    assert len(content["trials"]) == 10
    assert before < {str(row["trial"]) for row in content["trials"]}
    assert content["influences"]


def finished(database):
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            (count,) = connection.execute(
                "select count(*) from trials where state in ('COMPLETE', 'FAIL')"
            ).fetchone()
            return count
    except sqlite3.OperationalError:  # not there yet
        return 0


def test_kill_9_and_resume_loses_and_doubles_nothing(folder, type_in):
    command = [sys.executable, "-m", "cosim.cli", *RUN, "--trials", "40", "--workers", "2"]
    source = str(Path(__file__).parents[3])
    environment = os.environ | {"PYTHONPATH": source}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    database = folder / "cosim-explore" / "study.db"
    try:
        deadline = time.monotonic() + 120
        while finished(database) < 6 and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.05)
        children = [
            int(pid)
            for task in Path(f"/proc/{process.pid}/task").iterdir()
            for pid in (task / "children").read_text().split()
        ]
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    before = finished(database)
    assert 6 <= before < 40
    assert len(children) >= 2
    code, out, err = type_in(*RUN, "--trials", 40, "--workers", 1)
    assert (code, err) == (0, "")
    assert "40 candidates" in out
    rows = trials(folder)
    candidates = [tuple(v for k, v in row.items() if k.startswith("parameter.")) for row in rows]
    assert len(set(candidates)) == len(candidates) == 40
    with closing(sqlite3.connect(database)) as connection:
        states = {state for (state,) in connection.execute("select distinct state from trials")}
    assert states <= {"COMPLETE", "FAIL"}
    assert not any(map(alive, children))  # workers end with their coordinator


@pytest.mark.parametrize(
    ("changed", "words", "message"),
    [
        (("hop_ew_ns", "hop_ew_n"), (),
         "space.toml: dimensions: unknown 'hop_ew_n'; the nearest is 'hop_ew_ns'"),
        (('"energy_uJ"', '"energy_J"'), (),
         "space.toml: minimise: there is no 'energy_J'; the nearest is 'energy_uJ'"),
        (("", ""), ("--sampler", "nsga4"), "search.sampler must be one of"),
        (("", ""), ("--trials", "0"), "search.trials must be an integer >= 1, got 0"),
        (("", ""), ("--workers", "0"), "--workers must be >= 1, got 0"),
        (("", ""), ("--storage", "nosuch://x"), "cannot open the study in nosuch://x"),
        (("", ""), ("--out", "no/such/folder"), "cannot write no/such/folder: there is no folder"),
        (("", ""), ("--space", "spase"), "no space 'spase'; the nearest is"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_exit_code_2(folder, type_in, changed, words, message):
    (folder / "space.toml").write_text(SPACE.replace(*changed) if changed[0] else SPACE)
    code, out, err = type_in(*RUN, *words)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert message in err


def test_the_metrics_that_a_space_may_name_are_listed(folder, type_in):
    code, out, _ = type_in(*RUN, "--metrics")
    assert code == 0
    names = out.split()
    assert {"hardware.energy_uJ", "total.coincident_share", "populations.exc.candidate_rate_Hz",
            "parameter.hop_ew_ns"} <= set(names)  # fmt: skip
    assert not (folder / "cosim-explore").exists()


def test_ready_spaces_are_listed_and_shown(type_in):
    code, out, _ = type_in("spaces", "list")
    assert code == 0
    assert "loihi-fabric" in out
    assert max(map(len, out.splitlines())) <= 80
    code, out, _ = type_in("spaces", "show", "loihi")
    assert code == 0
    assert 'chip = "loihi"' in out
    code, _, err = type_in("spaces", "show", "lohi")
    assert code == 2
    assert "the nearest is 'loihi'" in err
