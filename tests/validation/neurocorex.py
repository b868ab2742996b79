"""NeuroCoreX-style hardware against its published VHDL, tutorial and power report.

There are no measured spikes or times of the board in public; what is published is the design itself
(ORNL/NeuroCoreX). So these rows show that the model is that design: its arithmetic, written down a
second time from the VHDL, its clocks, its line and its power estimate.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from hwmodels.chips.neurocorex import Line, Neurocorex
from hwmodels.chips.neurocorex.formats import INPUT, RECURRENT
from hwmodels.errors import CapacityError
from tests.hwmodels.networks import cells, network, source
from tests.hwmodels.running import run_on
from tests.hwmodels.test_neurocorex import all_to_all, as_vhdl, in_vhdl
from tests.validation.table import Target, within

#: Targets that do not hold; ``docs/validation.md`` says why.
KNOWN_OFF: set[str] = set()
_EXACT = (1.0, 1.0)


def arithmetic_targets() -> list[Target]:
    """Potentials and learned weights that differ from those of the VHDL's own counters."""
    different = values = wrong_weights = weights = 0
    for seed in range(5):
        net = all_to_all(np.random.default_rng(seed), n=8, steps=100, plastic=True)
        # The last input event is learned with the step after it, so it comes well before the end.
        chip = Neurocorex(effects="delays+weight_precision+arithmetic+stdp")
        translation = chip.translate(net)
        result = run_on(chip, net, 102.0)
        vhdl = as_vhdl(chip, net, stdp=True)
        spikes, v = in_vhdl(vhdl, net, 102)
        board = translation.formats
        reset = net.populations[0].parameters["v_reset"]
        ours = np.rint((result.traces[0].values - reset) / board[0].unit_mV)
        fired = np.zeros(ours.shape, dtype=bool)
        for step, cell in spikes:
            fired[step, cell] = True
        different += int(np.count_nonzero(ours[~fired] != v[~fired]))
        values += int(np.count_nonzero(~fired))
        for p, matrix, array in zip(
            net.projections, (vhdl.weight, vhdl.weight_FF), (RECURRENT, INPUT), strict=True
        ):
            units = result.weights[p.label] * board[0].gain[p.target] / board.amplitude[array]
            there = np.array([matrix[i][j] for j, i in zip(p.source, p.target, strict=True)])
            wrong_weights += int(np.count_nonzero(np.rint(units) != there))
            weights += len(there)
    return [
        Target("N1", f"membranes out of {values} that differ", different, 0, "", *_EXACT,
               "Core_engine.vhd, LIF_updater"),
        Target("N1", f"learned weights out of {weights} that differ", wrong_weights, 0, "", *_EXACT,
               "Core_engine.vhd, AA_weight_loader, tpre_updater"),
    ]  # fmt: skip


def _fits(neurons: int, sources: int) -> bool:
    chip = Neurocorex()
    net = network(cells(neurons), source(*[[1.0]] * sources), dt=1.0)
    try:
        chip.map(chip.translate(net))
    except CapacityError:
        return False
    return True


def structure_targets() -> list[Target]:
    chip = Neurocorex()
    together = Line(chip.spec).step(0, 0, 10)
    line = Line(chip.spec)
    lost = sum(taken is None for _, taken in line.step(0, 0, 1100))
    rows = [
        ("neurons", max(n for n in range(80, 100) if _fits(n, 0)), 90, ""),
        ("inputs", max(n for n in range(90, 100) if _fits(1, n)), 96, ""),
        ("steps that ten events of one step take", len({s for _, s in together}), 10, ""),
        ("events of one step that are kept", 1100 - lost, 1024 + 1100 * 30 // 960, ""),
    ]
    return [
        Target("N2", what, ours, published, unit, *_EXACT, "c8f575e, VHDL and FIFO settings")
        for what, ours, published, unit in rows
    ]


def time_targets() -> list[Target]:
    net = network(cells(4, i_offset=2.0), dt=1.0)
    report = run_on(Neurocorex(biased_neurons=4), net, 100.0).hardware
    spec = Neurocorex().spec
    events = np.array([s for _, s in Line(spec).step(0, 0, 1)])
    run_s = float(report.step_ps.sum()) * 1e-12
    dynamic = report.energy[report.energy["operation"] == "steps"][0]
    mW = float(dynamic["count"] * dynamic["unit_pJ"]) * 1e-9 / run_s
    return [
        Target("N3", "a step", float(np.median(report.step_ps)) * 1e-9, 0.96, "ms", *within(1e-9),
               "Trig_LIF.vhd: 96 cycles of 100 kHz"),
        Target("N3", "a byte to the board", spec.byte_ps * 1e-6, 10.0, "us", *within(1e-9),
               "uart_rx_ctrl.vhd: 1 Mbaud"),
        Target("N3", "a byte to the host", spec.transmit_byte_ps * 1e-6, 10.1, "us", *within(1e-9),
               "UART_TX_CTRL: 10 x 101 cycles"),
        Target("N3", "reading back an array", spec.read_out_ps * 1e-9, 9216 * 0.021, "ms",
               *within(1e-3), "Core_engine.vhd: 9216 x 2100 cycles"),
        Target("N3", "step that takes an event of step 0", float(events[0]) + 1, 1, "", *_EXACT,
               "uart_rx_sorter_input.vhd"),
        Target("N4", "dynamic power over a run", mW, 231.0, "mW", *within(1e-6),
               "main_power_routed.rpt"),
        Target("N4", "total power", mW + spec.static_mW, 305.0, "mW", *within(1e-6),
               "main_power_routed.rpt"),
    ]  # fmt: skip


@cache
def all_targets() -> list[Target]:
    return [*arithmetic_targets(), *structure_targets(), *time_targets()]
