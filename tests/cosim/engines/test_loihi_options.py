"""Loihi's boards, formats, noise and second generation: ideal they are all the reference."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest

from cosim.engines import get_engine
from cosim.study import study
from tests.cosim.engines.test_every_chip import workload

SMALL = "compartments_per_core=4:columns=2:rows=1:cores_per_tile=1"
OPTIONS = [
    f"board=nahuku:{SMALL}",
    f"chip_columns=8:chip_rows=2:mapper=traffic:{SMALL}",
    "sharing=auto:weight_bits=3",
    "spec=loihi2_scaled:sharing=auto",
    "noise=current:noise_exponent=12:floor_exponent=10",
]


def same(one, other):
    return all(
        np.array_equal(a.cell, b.cell) and np.array_equal(a.time_ms, b.time_ms)
        for a, b in zip(one.spikes, other.spikes, strict=True)
    )


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("effects", ["none", "fabric"])
def test_with_everything_ideal_or_a_barrier_in_between_it_is_the_reference(options, effects):
    result = workload().experiment.execute(get_engine(f"loihi:effects={effects}:{options}"))
    assert same(result, workload().result)
    assert result.counts == {}


def test_noise_is_attributed_with_the_arithmetic_that_it_is_part_of():
    engine = get_engine("loihi:noise=voltage:noise_exponent=15")
    outcome = study(
        workload(), [("loihi", engine)], lambda *_: nullcontext(), attribute=True, chips=3
    )
    assert not outcome.failures
    rows = {row.effect: row for row in outcome.attributions["loihi"].rows}
    assert list(rows) == [
        "none", "weight_precision", "arithmetic", "arithmetic+noise", "fabric", "all",
    ]  # fmt: skip
    assert rows["none"].identical
    assert not rows["arithmetic+noise"].identical
    assert outcome.spreads["loihi"] is not None
