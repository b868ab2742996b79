"""A space file: what it may say, and one line for what it may not."""

from __future__ import annotations

import pytest

from cosim.explore import Space, ready
from cosim.explore.command import read_space, usable_metrics
from cosim.explore.evaluation import metric_names
from hwmodels.chips import chip_names
from hwmodels.errors import ModelError
from tests.cosim.explore.conftest import SPACE


def dimensions(**changes):
    return SPACE | {"dimensions": SPACE["dimensions"] | changes}


def search(**changes):
    return SPACE | {"search": SPACE["search"] | changes}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (dimensions(compartment_per_core={"integer": [1, 2]}),
         "here: dimensions: unknown 'compartment_per_core'; the nearest is 'compartments_per_"),
        (dimensions(maper={"choice": ["traffic"]}), "unknown 'maper'; the nearest is 'mapper'"),
        (SPACE | {"fixed": {"hop_w_ns": 1}}, "unknown 'hop_w_ns'; the nearest is 'hop_ew_ns'"),
        (SPACE | {"minimize": ["x"]}, "here: unknown 'minimize'; the nearest is 'minimise'"),
        (SPACE | {"chip": "lohi"}, "unknown hardware 'lohi'; choose one of"),
        (SPACE | {"minimise": []}, "nothing to minimise or maximise"),
        (SPACE | {"minimise": ["1 +"]}, "minimise: '1 \\+' is not an expression"),
        (SPACE | {"minimise": 3}, "minimise must be a list of texts, got 3"),
        (SPACE | {"dimensions": {}}, "there is no dimension"),
        (SPACE | {"dimensions": 7}, "dimensions must be a table, got 7"),
        (SPACE | {"fixed": {"hop_ew_ns": 1.0}}, "hop_ew_ns is both fixed and a dimension"),
        ({k: v for k, v in SPACE.items() if k != "chip"}, 'chip is missing; for instance chip ='),
        (dimensions(rows=4), "rows: must be a table such as .*, got 4"),
        (dimensions(rows={"integer": [1, 2], "choice": [1]}), "rows: needs exactly one of"),
        (dimensions(rows={"integr": [1, 2]}), "rows: unknown 'integr'; the nearest is 'integer'"),
        (dimensions(rows={"integer": [4, 2]}), "rows: 4 is above 2"),
        (dimensions(rows={"integer": [1.5, 2]}), r"rows: integer must be \[lowest, highest\]"),
        (dimensions(rows={"integer": [0, 4], "log": True}), "logarithmic range begins above 0"),
        (dimensions(rows={"integer": [1, 4], "step": 0}), "rows: step must be > 0, got 0"),
        (dimensions(rows={"choice": []}), "rows: choice must be a list"),
        (dimensions(rows={"expression": "colums / 2"}),
         "here: rows: there is no 'colums'; the nearest is 'columns'"),
        (dimensions(rows={"expression": "columns"}, columns={"expression": "rows"}),
         "expressions wait for each other: (rows -> columns|columns -> rows)"),
        (SPACE | {"dimensions": {"rows": {"expression": "columns"}}}, "nothing varies"),
        (search(sampler="nsga4"), "search.sampler must be one of auto, .*, got 'nsga4'"),
        (search(samplers="tpe"), "search: unknown 'samplers'; the nearest is 'sampler'"),
        (search(trials=0), "search.trials must be an integer >= 1, got 0"),
        (search(seed=-1), "search.seed must be an integer >= 0, got -1"),
        (search(short=2), "search.short is a share of the duration, 0 to 1, got 2"),
        (search(fidelity="open"), "search.fidelity must be one of auto, closed, replay"),
        (search(sampler="grid"), "hop_ew_ns: a grid needs a step, or a choice of values"),
        (dimensions(mapper={"choice": ["sequential", "best"]}),
         "no candidate works with mapper = best: mapper must be one of sequential, traffic"),
        (dimensions(weight_bits={"real": [2.5, 8.0]}),
         "weight_bits is a whole number: use integer ="),
        (dimensions(columns={"integer": [0, 8]}), "no candidate works with columns = 0: "),
    ],
)  # fmt: skip
def test_a_wrong_space_is_one_line_with_the_nearest_name(content, words):
    with pytest.raises(ModelError, match=words) as error:
        Space.from_dict(content, "here")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"minimise": ["energy_mJ"]}, "minimise: .* no 'energy_mJ'; the nearest is 'energy_uJ'"),
        ({"subject_to": ["rate_eror < 1"]}, "subject_to: there is no 'rate_eror'"),
        ({"metrics": {"area": "hop_ew_n"}}, "area: .* the nearest is .hop_ew_ns"),
        ({"metrics": {"two words": "1"}}, "metrics: 'two words' must be a new name, of one word"),
    ],
)  # fmt: skip
def test_a_metric_that_is_not_there_is_named(content, words, workload):
    space = Space.from_dict(SPACE | content)
    with pytest.raises(ModelError, match=words):
        space.check_metrics(usable_metrics(space, workload), "here")


def test_a_file_that_is_none_is_named(tmp_path):
    (tmp_path / "bad.toml").write_text("chip = [")
    with pytest.raises(ModelError, match="bad.toml: not a readable TOML file"):
        read_space(str(tmp_path / "bad.toml"))
    with pytest.raises(ModelError, match="none.toml: no such file"):
        read_space(str(tmp_path / "none.toml"))
    with pytest.raises(ModelError, match="no space 'lohi'; the nearest is 'loihi'"):
        read_space("lohi")


def test_expressions_are_over_dimensions_fixed_fields_and_each_other():
    space = Space.from_dict(
        dimensions(
            rows={"expression": "columns / 2"},
            link_buffer_packets={"expression": "core_buffer_packets / cores_per_tile"},
            columns={"choice": [4, 8]},
            core_buffer_packets={"expression": "rows * 8"},
        )
        | {"fixed": {"host_row": 1}}
    )
    options = space.options({"columns": 8, "compartments_per_core": 4, "hop_ew_ns": 1.0})
    # Four cores a tile stands in the specification.
    assert (options["rows"], options["core_buffer_packets"]) == (4, 32)
    assert options["link_buffer_packets"] == 8
    assert type(options["rows"]) is int
    assert space.engine({"columns": 8}).chip.spec.link_buffer_packets == 8


def test_a_table_of_numbers_may_be_chosen():
    tables = [[[1, 600.0], [2, 1000.0]], []]
    space = Space.from_dict(dimensions(step_overhead_ns={"choice": tables}))
    chosen = space.free[-1].content[0]
    spec = space.engine({"step_overhead_ns": chosen}).chip.spec
    assert spec.step_overhead_ns == ((1, 600.0), (2, 1000.0))


def test_a_grid_has_every_point_once_or_a_sample_of_them():
    content = {
        "dimensions": {
            "rows": {"integer": [1, 4]}, "columns": {"integer": [1, 9], "log": True},
            "hop_ew_ns": {"real": [1.0, 2.0], "step": 0.25}, "mapper": {"choice": ["traffic"]},
        },
    }  # fmt: skip
    space = Space.from_dict(SPACE | content | {"search": {"sampler": "grid", "trials": 100}})
    points = [tuple(p.values()) for p in space.grid()]
    assert len(points) == len(set(points)) == 4 * 5 * 5  # columns 1, 2, 4, 8 and 9
    few = Space.from_dict(SPACE | content | {"search": {"sampler": "grid", "trials": 30}})
    sample = [tuple(p.values()) for p in few.grid()]
    assert len(sample) == len(set(sample)) == 30
    assert set(sample) < set(points)


def test_what_a_trial_means_has_a_name_of_its_own():
    space = Space.from_dict(SPACE)
    assert Space.from_dict(search(trials=99, sampler="tpe", seed=5)).identity == space.identity
    for other in (dimensions(hop_ew_ns={"real": [1.0, 21.0], "log": True}),
                  SPACE | {"minimise": ["energy_uJ"]}, SPACE | {"fixed": {"weight_bits": 4}},
                  SPACE | {"subject_to": ["energy_uJ < 1"]}):  # fmt: skip
        assert Space.from_dict(other).identity != space.identity


@pytest.mark.parametrize("name", ready.names())
def test_a_ready_space_fits_its_chip(name, workload):
    space = read_space(name)
    assert ready.title(name).endswith(".")
    assert space.chip == name.split("-")[0]
    space.check_metrics(usable_metrics(space, workload), name)


def test_every_chip_has_a_ready_space():
    assert set(chip_names()) <= {name.split("-")[0] for name in ready.names()}


def test_metrics_of_the_hardware_are_known_before_anything_runs(workload):
    names = metric_names("loihi", workload)
    assert {"hardware.energy_uJ", "hardware.transport.latency_p99_ns", "hardware.cores.cores",
            "total.coincident_share", "populations.exc.coincident_share"} <= set(names)  # fmt: skip
