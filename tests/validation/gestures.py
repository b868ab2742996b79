"""The gesture network packaged with SANA-FE 2.2.9, on our chip: only where SANA-FE is installed.

Its figures are own runs of SANA-FE, recorded in the datasheet (4.3, targets L3 and L4). The network
is read from the installed package; ``python -m tests.benchmarks ticks`` runs SANA-FE beside ours.
"""

from __future__ import annotations

from tests.benchmarks.loihi_cases import dvs_case
from tests.benchmarks.ticks import Chip, examples, sanafe_python
from tests.validation.table import Target, within

_SOURCE = "SANA-FE 2.2.9, own run"


def all_targets() -> list[Target]:
    """None where SANA-FE is not installed."""
    if sanafe_python() is None:
        return []
    case = dvs_case(examples())
    chip = Chip(case)
    chip.advance(20)
    whole = chip.transport
    few_ps = sum(whole.step_ps)
    chip.advance(980)
    done = whole.operations
    events = done.synapses_dense + done.synapses_sparse
    return [
        Target("L3", "neurons fired, 1,000 steps", done.spikes, 365_277, "", *within(0), _SOURCE),
        Target("L3", "packets", done.messages_out, 2_482_643, "", *within(0), _SOURCE),
        Target("L3", "synaptic events", events, 51_549_374, "", *within(0), _SOURCE),
        Target("L3", "energy", whole.report(1000).energy_pJ * 1e-9, 3.440570683, "mJ",
               *within(0.001), _SOURCE),
        Target("L4", "time of 20 steps / cycle", few_ps * 1e-6, 275.965, "us",
               *within(0.05), _SOURCE),
        Target("L4", "time of 1,000 steps / detailed", sum(whole.step_ps) * 1e-9, 25.8851544, "ms",
               *within(0.10), _SOURCE),
    ]  # fmt: skip
