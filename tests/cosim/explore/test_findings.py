"""What a study says: importance with a known answer, the best, tables, the page."""

from __future__ import annotations

import csv
import io
import re

import pytest
from rich.console import Console

from cosim.engines import get_engine
from cosim.explore import findings
from cosim.explore.evaluation import Outcome
from cosim.explore.report import save_study
from cosim.explore.terminal import influence_table, print_study
from tests.cosim.explore.conftest import HereAndNow, pretend

WORDS = ["net.npz", "--duration=20"]
LEVER = {
    "dimensions": {
        "hop_ew_ns": {"real": [1.0, 2.0]}, "hop_ns_ns": {"real": [1.0, 2.0]},
        "mapper": {"choice": ["sequential", "traffic"]},
    },
    "minimise": ["energy_uJ"],
    "maximise": ["speed"],
    "search": {"sampler": "random", "trials": 60},
}  # fmt: skip


@pytest.fixture
def lever(explore):
    """A study in which it is known what each objective depends on."""
    exploration = explore(**LEVER)
    workers = pretend(
        # On [1, 2] the variances of these terms are as 4 : 1 : 0.
        energy_uJ=lambda o: 2 * o["hop_ew_ns"] + o["hop_ns_ns"],
        speed=lambda o: 5.0 * (o["mapper"] == "traffic") + 0.1 * o["hop_ew_ns"],
    )
    exploration.run(workers, 60)
    return exploration


def test_the_parameter_that_binds_each_objective_is_named_with_its_share(lever):
    found = {(i.objective, i.parameter): i for i in findings.influences(lever)}
    assert found["energy_uJ", "hop_ew_ns"].share == pytest.approx(0.8, abs=0.08)
    assert found["energy_uJ", "hop_ns_ns"].share == pytest.approx(0.2, abs=0.08)
    assert found["energy_uJ", "mapper"].share < 0.03
    assert found["speed", "mapper"].share > 0.95
    assert found["energy_uJ", "hop_ew_ns"].trend > 0.8
    assert found["speed", "mapper"].trend is None
    energy, speed = findings.explanation(lever, list(found.values()))
    assert re.match(
        r"energy_uJ is bound by hop_ew_ns: [78]\d% of its variation; less of it", energy
    )
    assert "(then hop_ns_ns " in energy
    assert speed.startswith("speed is bound by mapper: ")


def test_what_never_varies_is_said_to(explore):
    exploration = explore(**LEVER)
    exploration.run(pretend(energy_uJ=lambda o: 1.0, speed=lambda o: o["hop_ew_ns"]), 8)
    sentences = findings.explanation(exploration, findings.influences(exploration))
    assert sentences[0] == "energy_uJ: the same for all candidates so far."


def test_three_candidates_are_too_few_to_explain(explore):
    exploration = explore(**LEVER)
    exploration.run(pretend(energy_uJ=lambda o: 1.0, speed=lambda o: 1.0), 3)
    assert findings.influences(exploration) == []


def test_the_best_is_the_nearest_to_all_ideals(explore):
    exploration = explore(
        minimise=["a", "b"], dimensions={"weight_bits": {"integer": [2, 8]}},
        search={"sampler": "grid"},
    )  # fmt: skip
    exploration.run(
        pretend(a=lambda o: o["weight_bits"], b=lambda o: 64 / o["weight_bits"] ** 2), 9
    )
    # In units of the front's spans: 3 bits have (1/6, 0.41), 4 bits (1/3, 0.2), 5 bits (1/2, 0.1).
    assert findings.best(exploration, exploration.front()).params == {"weight_bits": 4}
    assert findings.best(exploration, []) is None


def test_tables_hold_every_candidate_with_its_command(lever, tmp_path):
    rows = findings.table(lever, WORDS)
    findings.save_table(rows, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open() as file:
        read = list(csv.DictReader(file))
    assert len(read) == 60
    assert [float(r["objective.energy_uJ"]) for r in read] == [
        r["objective.energy_uJ"] for r in rows
    ]
    assert sum(r["front"] == "True" for r in read) == len(lever.front())
    first = read[0]
    assert first["command"] == (
        f"cosim compare net.npz --on loihi:hop_ew_ns={first['parameter.hop_ew_ns']}:hop_ns_ns="
        f"{first['parameter.hop_ns_ns']}:mapper={first['parameter.mapper']} --duration=20"
    )
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs cosim[explore]")
    findings.save_table(rows, tmp_path / "t.parquet")
    assert parquet.read_table(tmp_path / "t.parquet").to_pylist() == rows


def test_the_best_is_written_as_hardware_that_an_engine_reads(explore, tmp_path):
    exploration = explore(
        dimensions={"columns": {"choice": [2, 4]}, "rows": {"expression": "8 / columns"},
                    "mapper": {"choice": ["traffic"]}, "hop_ew_ns": {"real": [1.0, 2.0]}},
        fixed={"spec": "davies2018", "neurons": "exact"}, minimise=["a"],
    )  # fmt: skip
    exploration.run(pretend(a=lambda o: o["hop_ew_ns"]), 4)
    trial = exploration.front()[0]
    findings.save_hardware(exploration, trial, tmp_path / "best.toml")
    engine = get_engine(str(tmp_path / "best.toml"))
    expected = exploration.space.engine(trial.params)
    for field in expected.chip.spec_type.quantities():
        assert getattr(engine.chip.spec, field.name) == getattr(expected.chip.spec, field.name)
    assert engine.chip.mapper == "traffic"
    assert engine.computed_by == "exact"


def published(exploration, tmp_path, width=80):
    rows, front = findings.table(exploration, WORDS), exploration.front()
    influences = findings.influences(exploration)
    sentences = findings.explanation(exploration, influences)
    best = findings.best(exploration, front)
    save_study(tmp_path / "r.html", exploration, rows, front, best, sentences, influences, "Title")
    console = Console(width=width, file=io.StringIO(), highlight=False)
    print_study(exploration, rows, front, sentences, influences, console)
    console.print(influence_table(influences))
    return (tmp_path / "r.html").read_text(), console.file.getvalue()


def test_the_page_stands_alone_and_shows_front_importance_and_commands(lever, tmp_path):
    page, _ = published(lever, tmp_path)
    assert "http" not in page.replace("http://www.w3.org", "")
    assert page.count("<svg") == 3
    for text in ("speed against energy_uJ", "What each objective depends on", "How the search went",
                 "energy_uJ is bound by hop_ew_ns", "1.0 to 2.0",
                 "<br>maximise", "cosim compare net.npz --on loihi:"):  # fmt: skip
        assert text in page
    for trial in lever.front():
        assert f"trial {trial.number}<" in page
    table = page[page.index("<h2>The front") : page.index("To repeat one")]
    assert not re.search(r"\d\.\d{5,}", table)


def test_the_terminal_keeps_to_80_columns_and_hides_the_least_important(explore, tmp_path):
    many = {
        name: {"real": [1.0, 2.0]}
        for name in ("hop_ew_ns", "hop_ns_ns", "hop_ew_pJ", "hop_ns_pJ", "synapse_sparse_ns",
                     "synapse_dense_ns", "barrier_tile_ns", "message_out_ns", "message_in_ns")
    }  # fmt: skip
    exploration = explore(**LEVER | {"dimensions": many})
    exploration.run(
        pretend(energy_uJ=lambda o: o["message_in_ns"], speed=lambda o: o["message_in_ns"]), 40
    )
    _, text = published(exploration, tmp_path)
    assert max(map(len, text.splitlines())) <= 80
    assert "message_in_" in text.split("in the report also:")[0]
    assert "in the report also: " in text


def test_a_study_without_a_feasible_candidate_says_so(explore, tmp_path):
    exploration = explore(**LEVER | {"subject_to": ["energy_uJ < 1"]})
    exploration.run(pretend(energy_uJ=lambda o: 2.0, speed=lambda o: o["hop_ew_ns"]), 6)
    page, text = published(exploration, tmp_path)
    assert "6 infeasible" in text
    assert "no candidate meets all constraints" in text
    assert "No candidate meets all constraints" in page


def test_a_study_in_which_nothing_runs_says_why(explore, tmp_path):
    exploration = explore(**LEVER)
    exploration.run(HereAndNow(lambda job: Outcome(error="the network <is> too large")), 6)
    page, text = published(exploration, tmp_path)
    assert "does not run, 6 times: the network <is> too large" in text
    assert "the network &lt;is&gt; too large" in page
