"""Boards of several chips: where cells go, what a link between chips costs, what a report says."""

from __future__ import annotations

import numpy as np
import pytest

from hwmodels.chips.loihi import Loihi
from hwmodels.errors import CapacityError, ModelError
from hwmodels.mapping.placement import core_positions, mesh_graph
from tests.hwmodels.networks import cells, network, random_network, source, synapses
from tests.hwmodels.running import run

#: Chips of 2 x 2 routers with one core of four cells each, so that 40 cells need three of them.
SMALL = {"columns": 2, "rows": 2, "cores_per_tile": 1, "compartments_per_core": 4}
BOARD = {**SMALL, "chip_columns": 2, "chip_rows": 2}


def busy_network():
    return random_network(np.random.default_rng(5), synapse_count=400)


def test_cores_are_numbered_chip_after_chip_and_down_the_columns_of_each():
    positions = core_positions(mesh_graph(2, 3, 2, chips=(2, 2))).tolist()
    assert len(positions) == 2 * 3 * 2 * 4
    assert positions[:5] == [[0, 0], [0, 0], [0, 1], [0, 1], [0, 2]]
    assert positions[12] == [0, 3]  # the first chip is full: the next one to the north
    assert positions[24] == [2, 0]  # the column of chips is full


def test_a_network_that_one_chip_cannot_hold_spreads_over_the_board():
    net = busy_network()
    with pytest.raises(CapacityError, match="larger than the hardware.*board=nahuku"):
        run(net, 1.0, **SMALL)
    report = run(net, 20.0, **BOARD).hardware
    assert report.sources["chips used"] == "3 of 2 x 2; 2 to 4 cores on each"
    chips = {(x // 2, y // 2) for x, y in zip(report.cores["x"], report.cores["y"], strict=True)}
    assert chips == {(0, 0), (0, 1), (1, 0)}
    assert "3 in use" in report.sources["static power"]


@pytest.mark.parametrize("clocking", ["barrier", "free_running"])
def test_engines_agree_across_chips_packet_for_packet(clocking):
    more = {"clocking": clocking}
    if clocking == "free_running":
        more["step_ns"] = 400
    reference, compiled = (
        run(busy_network(), 40.0, fidelity=fidelity, **BOARD, **more)
        for fidelity in ("reference", "compiled")
    )
    assert np.array_equal(reference.hardware.packets, compiled.hardware.packets)
    assert np.array_equal(reference.hardware.links, compiled.hardware.links)
    assert np.array_equal(reference.hardware.step_ps, compiled.hardware.step_ps)
    assert len(reference.hardware.packets) > 200
    if clocking == "free_running":
        assert reference.counts["synaptic events late"] > 0


def test_with_a_barrier_the_board_does_not_change_what_is_computed():
    one = run(busy_network(), 50.0)
    many = run(busy_network(), 50.0, **BOARD)
    for a, b in zip(one.spikes, many.spikes, strict=True):
        assert np.array_equal(a.time_ms, b.time_ms)
        assert np.array_equal(a.cell, b.cell)


def one_packet(target, **options):
    """A lone spike from the host at router (0, 0) to a cell on the core with this number."""
    net = network(
        cells(16), source([5.0]), projections=[synapses(1, 0, [(0, target)], 0.1)],
    )  # fmt: skip
    size = {**BOARD, "compartments_per_core": 1} | options
    return run(net, 8.0, **size).hardware


@pytest.mark.parametrize("fidelity", ["compiled", "reference", "analytic"])
@pytest.mark.parametrize(
    ("core", "east", "north", "bridges"),
    [(0, 0, 0, 0), (3, 1, 1, 0), (4, 0, 1, 1), (7, 1, 2, 1), (8, 1, 0, 1), (15, 2, 2, 2)],
)
def test_a_link_between_chips_replaces_a_hop_at_its_own_price(fidelity, core, east, north, bridges):
    report = one_packet(core, fidelity=fidelity)
    (packet,) = report.packets
    assert packet["hops"] == east + north + bridges
    hops_ps = round(1000 * (east * 4.1 + north * 6.5 + bridges * 75.0))
    assert packet["arrive_ps"] - packet["inject_ps"] == hops_ps
    counted = {row["operation"]: int(row["count"]) for row in report.energy}
    assert counted["hops east or west"] == east
    assert counted["hops north or south"] == north
    assert counted["hops from chip to chip"] == bridges


def test_each_further_column_or_row_of_chips_lengthens_the_barrier():
    spec = Loihi(spec="davies2018").spec
    assert spec.barrier_of(32, (2, 3)) == pytest.approx(465.0 + 3 * spec.barrier_chip_ns)
    idle = network(cells(16))
    one, four = (
        run(idle, 3.0, compartments_per_core=size, chip_columns=2, chip_rows=2, columns=2, rows=2,
            cores_per_tile=1).hardware.step_ps[1]
        for size in (4, 1)
    )  # fmt: skip
    # On one chip: 4 cells a core. On four chips: one cell a core, the same tiles on each.
    assert four - one == pytest.approx(1000 * 2 * spec.barrier_chip_ns - 3 * 6_000, abs=2)


def test_only_what_several_chips_bring_along_is_of_low_confidence_on_loihi():
    assert "low confidence" not in run(network(cells(3)), 1.0, board="nahuku").hardware.sources
    several = run(busy_network(), 1.0, **BOARD).hardware.sources
    assert several["low confidence"] == "chip_hop_ns, chip_hop_pJ"


@pytest.mark.parametrize(
    ("board", "chips", "cores"),
    [("kapoho_bay", 2, 256), ("nahuku", 32, 4096), ("pohoiki_springs", 768, 98_304)],
)
def test_boards_have_a_name(board, chips, cores):
    spec = Loihi(board=board).spec
    assert (spec.chips, spec.cores) == (chips, cores)


def test_a_board_nobody_knows_is_one_line_and_explicit_numbers_win():
    with pytest.raises(ModelError, match="board must be one of chip, kapoho_bay, nahuku"):
        Loihi(board="nahuku64")
    assert Loihi(board="nahuku", chip_rows=1).spec.chips == 4


def test_a_large_board_costs_only_the_chips_in_use():
    report = run(network(cells(3), v=[0]), 2.0, board="pohoiki_springs").hardware
    assert report.mesh == (8, 4)
    assert report.sources["chips used"] == "1 of 12 x 64"
