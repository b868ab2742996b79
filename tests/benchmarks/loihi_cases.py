"""The same networks for our Loihi-style chip and for SANA-FE, at equal parameters.

Both get the same cores, synapses, weights, biases and thresholds; neurons add up input and bias
without leak and fire above the threshold, in units of 1/64 on both sides, so both compute the
same spikes and all counts must be equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwmodels.chip import Translation
from hwmodels.chips.loihi import Loihi
from hwmodels.chips.loihi.formats import Scale
from hwmodels.lockstep import LockstepRun
from hwmodels.mapping import Placement
from hwmodels.mapping.placement import build_axons
from hwmodels.network import Network, Population, Projection
from hwmodels.result import QUANTISATION

#: Cores over which SANA-FE's tutorial maps each layer of its gesture network.
DVS_CORES = (1, 4, 16, 16, 4, 1)


@dataclass(frozen=True)
class Case:
    """Neurons on cores (by number on the chip), with their synapses sorted by source."""

    name: str
    core: np.ndarray
    bias: np.ndarray
    threshold: np.ndarray
    indptr: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    dense: bool = False

    @property
    def neurons(self) -> int:
        return len(self.core)

    @property
    def synapses(self) -> int:
        return len(self.target)


def random_case(neurons: int, fan_out: int, rate: float, cores: int = 128, seed: int = 0) -> Case:
    """Neurons that fire at fixed intervals and send to random targets.

    Weights are so small against the threshold that the bias alone decides when a neuron fires;
    intervals spread around ``1 / rate`` steps.
    """
    rng = np.random.default_rng(seed)
    threshold = np.full(neurons, 2.0**14)
    interval = np.maximum(1, rng.uniform(0.5, 1.5, neurons) / rate)
    target = rng.integers(0, neurons, neurons * fan_out, dtype=np.int32)
    return Case(
        f"random {neurons:,} neurons x {fan_out}",
        np.arange(neurons) * cores // neurons,
        np.ceil(threshold / interval * 64) / 64,
        threshold,
        np.arange(neurons + 1, dtype=np.int64) * fan_out,
        target,
        rng.choice([-1.0, 1.0], len(target)),
    )


def dvs_case(examples: Path) -> Case:
    """The gesture network packaged with SANA-FE, read from the installed package."""
    arrays = np.load(examples / "dvs_challenge.npz")
    sizes, edges = [1024], []
    width, first = 32, 0
    for name, stride in (("conv1", 2), ("conv2", 1), ("conv3", 1), ("conv4", 1)):
        kernel = arrays[name].astype(np.float64)
        out = 1 + (width - kernel.shape[0]) // stride
        edges.append(_convolution(kernel, width, out, stride, first, first + sizes[-1]))
        first += sizes[-1]
        sizes.append(out * out * kernel.shape[3])
        width = out
    dense = arrays["dense1"].astype(np.float64)
    source, target = np.divmod(np.arange(dense.size), dense.shape[1])
    edges.append((source + first, target + first + sizes[-1], dense.ravel()))
    sizes.append(dense.shape[1])
    source, target, weight = (np.concatenate(part) for part in zip(*edges, strict=True))
    order = np.argsort(source, kind="stable")
    cores, core = 0, []
    for size, count in zip(sizes, DVS_CORES, strict=True):
        core.append(cores + np.minimum(np.arange(size) // (size // count), count - 1))
        cores += count
    n = sum(sizes)
    bias = np.zeros(n)
    bias[: sizes[0]] = arrays["inputs"]
    return Case(
        "DVS gesture, packaged with SANA-FE",
        np.concatenate(core),
        bias,
        np.repeat(arrays["thresholds"].astype(np.float64), sizes),
        np.searchsorted(source[order], np.arange(n + 1)),
        target[order].astype(np.int32),
        weight[order],
        dense=True,
    )


def _convolution(kernel, width, out, stride, first, after):
    """Source, target and weight of a convolution; maps lie one channel after another."""
    high, wide, channels, filters = kernel.shape
    filter_, y, x, channel, ky, kx = np.meshgrid(
        np.arange(filters), np.arange(out), np.arange(out), np.arange(channels), np.arange(high),
        np.arange(wide), indexing="ij",
    )  # fmt: skip
    source = (channel * width + y * stride + ky) * width + x * stride + kx
    target = (filter_ * out + y) * out + x
    weight = kernel[ky, kx, channel, filter_]
    return source.ravel() + first, target.ravel() + after, weight.ravel()


def prepare(case: Case, fidelity: str = "compiled", **options) -> tuple[LockstepRun, Network]:
    """The chip with a network on it, ready to run."""
    n = case.neurons
    parameters = {
        "v_rest": np.zeros(n), "v_reset": np.zeros(n), "v_thresh": case.threshold,
        "tau_m": np.full(n, 1e12), "cm": np.ones(n), "tau_refrac": np.zeros(n),
        "i_offset": case.bias,
    }  # fmt: skip
    population = Population("all", "IF_curr_delta", n, parameters)
    one = np.broadcast_to(1.0, len(case.target))
    projection = Projection(
        "p", 0, 0, "excitatory", case.indptr.astype(np.int64), case.target, case.weight, one
    )
    network = Network(1.0, (population,), (projection,))
    chip = Loihi(spec="nahuku_fit", fidelity=fidelity, bias_mantissa_max=2**21, **options)
    zeros = np.zeros(n, dtype=np.int64)
    units = np.full(n, 64.0)
    scale = Scale(
        unit_mV=1 / 64,
        gain={"excitatory": units, "inhibitory": units},
        decay_u={"excitatory": zeros + chip.spec.one, "inhibitory": zeros + chip.spec.one},
        decay_v=zeros,
        threshold=np.rint(case.threshold * 64).astype(np.int64),
        refractory=zeros,
        bias_gain=units,
        rest=np.zeros(n),
        joined=False,
    )
    translation = Translation(network, np.empty(0, dtype=QUANTISATION), {}, {0: scale})
    placement = place(case, network, chip)
    return chip.run(translation, placement), network


def place(case: Case, network: Network, chip: Loihi, known: list | None = None) -> Placement:
    """Cores as the case says, whatever the chip's own limits are: SANA-FE checks none of them.

    Axons depend on no option of the chip: ``known`` keeps those of the last call.
    """
    used, core_of = np.unique(case.core, return_inverse=True)
    core_of = core_of.astype(np.int32)
    first = np.searchsorted(core_of, np.arange(len(used)))
    if known:
        axons = known[0]
    else:
        axons = build_axons(network, core_of, np.arange(case.neurons) - first[core_of])
        if known is not None:
            known.append(axons)
    axons.contiguous[:] = case.dense  # one synapse format for all, as in SANA-FE
    tile = used // chip.spec.cores_per_tile
    return Placement(
        core_of=core_of,
        position=np.stack([tile // chip.spec.rows, tile % chip.spec.rows], 1).astype(np.int16),
        neurons=np.bincount(core_of),
        synapses=np.bincount(core_of[case.target], minlength=len(used)),
        memory=np.zeros(len(used), dtype=np.int64),
        axons=axons,
    )
