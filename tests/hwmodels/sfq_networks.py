"""Networks for tests of the SFQ-style chip."""

from __future__ import annotations

import numpy as np

from tests.hwmodels.networks import cells, network, source, synapses


def lif(size=1, **changes):
    """IF_curr_delta, 15 mV from rest to threshold."""
    return cells(size, celltype="IF_curr_delta", **changes)


def one_cell(times, weight=15.0, delay=5.0, sources=1, **changes):
    """A cell with as many sources, all of which spike at the same times."""
    trains = [times] * sources
    pairs = [(k, 0) for k in range(sources)]
    return network(
        lif(**changes), source(*trains),
        projections=[synapses(1, 0, pairs, weight, delay)], v=(0,),
    )  # fmt: skip


def spikes(result, population=0):
    """Times of a population's spikes in ms."""
    return result.spikes[population].time_ms


def random_net(seed=1, n=30):
    """Sources and cells that excite and inhibit each other."""
    rng = np.random.default_rng(seed)
    trains = [np.sort(rng.choice(np.arange(1, 80), 15, replace=False)) for _ in range(6)]
    pairs = np.stack([rng.integers(0, n, 150), rng.integers(0, n, 150)], 1)
    sign = pairs[:, 0] % 4 != 0
    return network(
        lif(n), source(*trains),
        projections=[
            synapses(0, 0, pairs[sign], 3.0, 6.0, n_pre=n, label="exc"),
            synapses(0, 0, pairs[~sign], -3.0, 6.0, "inhibitory", "inh", n),
            synapses(1, 0, [(s, c) for s in range(6) for c in range(0, n, 2)], 6.0, 4.0,
                     label="in", n_pre=6),
        ],
    )  # fmt: skip
