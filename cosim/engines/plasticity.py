"""Synapses that learn, for the software reference: PyNN's pair STDP with additive changes.

Brian2's own synapses use a weight when it arrives; here, as in NEST, a spike takes the weight that
its synapse has when it gets there, and the rest of the delay is that of the dendrite. With
``f`` PyNN's ``dendritic_delay_fraction``, a presynaptic spike reaches the synapse ``(1 - f)`` of
the delay later, a postsynaptic one ``f`` of it::

    post arrives:  w = w + A_plus w_max sum over pre arrivals before it of exp(-dt / tau_plus)
    pre arrives:   w = w - A_minus w_max sum over post arrivals before it of exp(-dt / tau_minus)

kept within ``w_min`` and ``w_max`` after each. Arrivals in one step are no pair.

On a chip with exact neurons its fabric says when each spike's input is due, and the spike was at
the synapse as long before as its dendrite is long (at once, where it came too late for that).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodels.errors import UnsupportedError
from hwmodels.lockstep import copies
from hwmodels.network import STDP_PAIR, STDP_PAIR_PARAMETERS, Network, Projection, to_delay_steps

_Synapses = NDArray[np.int64]
#: Synapses, and the weights with which spikes act on them.
Carried = tuple[_Synapses, NDArray[np.float64]]


class LearningPathway:
    """One projection with STDP, acting on the memory of its target's Brian2 group.

    Parameters
    ----------
    network : Network
    projection : Projection
    target : Any
        Group of the cells it ends at, with ``model`` and ``arrays``; None where there are none.

    Raises
    ------
    UnsupportedError
        For dynamics other than pair STDP.
    """

    def __init__(self, network: Network, projection: Projection, target: Any) -> None:
        if projection.dynamics.kind != STDP_PAIR:
            raise UnsupportedError(
                f"projection {projection.label!r}: synapse dynamics {projection.dynamics.kind!r} "
                "are not computed by brian2; use StaticSynapse"
            )
        self.weight = projection.weight.copy()
        self._projection = projection
        self._timestep_ms = network.timestep_ms
        self._target = target
        n = projection.n_synapses
        self._by_source = np.arange(n)
        self._by_target = np.argsort(projection.target, kind="stable")
        size = network.populations[projection.post].size
        self._target_start = np.searchsorted(
            projection.target[self._by_target], np.arange(size + 1)
        ).astype(np.int64)
        #: Traces of arrivals at each synapse, as they were at a step of its own.
        self._pre, self._post = _Trace(n), _Trace(n)
        self._post_due: dict[int, list[_Synapses]] = defaultdict(list)
        self._pre_due: dict[int, list[tuple[_Synapses, NDArray[np.int64]]]] = defaultdict(list)
        self._input_due: dict[int, list[Carried]] = defaultdict(list)
        self._set_delays()

    def _set_delays(self) -> None:
        p = self._projection
        fraction = p.dynamics.parameters.get("dendritic_delay_fraction", np.array(1.0))
        steps = to_delay_steps(p.delay_ms, self._timestep_ms)
        self._dendrite = np.rint(steps * np.broadcast_to(fraction, steps.shape)).astype(np.int64)
        self._delay = steps

    def update(self, projection: Projection) -> None:
        """Take over what the script changed between two runs; what was learned stays otherwise."""
        before, self._projection = self._projection, projection
        if before.weight is not projection.weight:
            self.weight[:] = projection.weight
        if before.delay_ms is not projection.delay_ms or before.dynamics is not projection.dynamics:
            self._set_delays()

    @property
    def jumps(self) -> bool:
        """Input is a voltage jump, which the next update takes to its own time."""
        return self._target is not None and self._target.model.jump

    def run(self, step: int, fired: Mapping[int, NDArray[np.int32]]) -> None:
        """Queue the spikes of a step, learn from those that arrive, and apply what is due."""
        p = self._projection
        for synapses in _reached(fired.get(p.pre), p.indptr, self._by_source):
            self.send(step, synapses, step + self._delay[synapses])
        for carried in self.learn(step, fired.get(p.post)):
            self.apply(carried)

    def send(self, step: int, synapses: _Synapses, due: NDArray[np.int64]) -> None:
        """Let spikes reach synapses, now or later, whose input is due at steps given."""
        if self._target is None:
            return
        arrival = np.maximum(due - self._dendrite[synapses], step)
        number = copies(synapses)  # two spikes of a cell at one time follow each other
        for copy in range(int(number.max(initial=-1)) + 1):
            for at in np.unique(arrival[number == copy]).tolist():
                here = (number == copy) & (arrival == at)
                self._pre_due[at].append((synapses[here], due[here]))

    def learn(self, step: int, returning: NDArray[np.int32] | None) -> list[Carried]:
        """Change weights by what reaches the synapses in a step, given the targets that fire.

        Returns
        -------
        list of (int64 array, float64 array)
            Input that is to be applied now: synapses, and the weights their spikes carry.
        """
        if self._target is None or not len(self.weight):
            return []
        for synapses in _reached(returning, self._target_start, self._by_target):
            _queue(self._post_due, step, synapses, self._dendrite)
        arrived, returned = self._pre_due.pop(step, []), self._post_due.pop(step, [])
        if arrived or returned:
            self._pair(step, arrived, returned)
        return self._input_due.pop(step, [])

    def _pair(
        self,
        step: int,
        arrived: list[tuple[_Synapses, NDArray[np.int64]]],
        returned: list[_Synapses],
    ) -> None:
        parameters = self._projection.dynamics.parameters
        rule = {name: float(parameters[name]) for name in STDP_PAIR_PARAMETERS}
        per_step = {k: self._timestep_ms / rule[f"tau_{k}"] for k in ("plus", "minus")}
        for synapses in returned:
            self._change(synapses, rule["A_plus"], self._pre.at(synapses, step, per_step["plus"]))
        for synapses, due in arrived:
            depressed = self._post.at(synapses, step, per_step["minus"])
            self._change(synapses, -rule["A_minus"], depressed)
            carried = self.weight[synapses]
            applied = np.maximum(due - int(self.jumps), step)
            for at in np.unique(applied).tolist():
                here = applied == at
                self._input_due[at].append((synapses[here], carried[here]))
        for synapses, _ in arrived:
            self._pre.add(synapses, step, per_step["plus"])
        for synapses in returned:
            self._post.add(synapses, step, per_step["minus"])

    def _change(self, synapses: _Synapses, amplitude: float, trace: NDArray[np.float64]) -> None:
        parameters = self._projection.dynamics.parameters
        low, high = float(parameters["w_min"]), float(parameters["w_max"])
        changed = self.weight[synapses] + amplitude * high * trace
        # The bounds of inhibition are below zero. Who never changes stays where it was set.
        bounded = np.clip(changed, min(low, high), max(low, high))
        self.weight[synapses] = np.where(trace > 0, bounded, self.weight[synapses])

    def apply(self, carried: Carried) -> None:
        """Give the target input with the weights that spikes carry."""
        synapses, weight = carried
        receptor, arrays = self._projection.receptor, self._target.arrays
        target = self._projection.target[synapses]
        gain = self._target.model.gain.get(receptor)
        contribution = weight * arrays[gain][target] if gain else weight
        np.add.at(arrays[self._target.model.receptors[receptor]], target, contribution)


class _Trace:
    """Sums of decaying exponentials, brought up to date where they are read."""

    def __init__(self, n: int) -> None:
        self._value, self._step = np.zeros(n), np.zeros(n, dtype=np.int64)

    def at(self, synapses: _Synapses, step: int, per_step: float) -> NDArray[np.float64]:
        age = step - self._step[synapses]
        return self._value[synapses] * np.exp(-age * per_step)

    def add(self, synapses: _Synapses, step: int, per_step: float) -> None:
        self._value[synapses] = self.at(synapses, step, per_step) + 1.0
        self._step[synapses] = step


def _reached(
    cells: NDArray[np.int32] | None, start: NDArray[np.int64], synapses: _Synapses
) -> Iterator[_Synapses]:
    """Synapses of cells that spike; again for each that does so twice at one time."""
    if cells is None or not len(cells):
        return
    once, times = np.unique(cells, return_counts=True)
    for number in range(int(times.max())):
        now = once[times > number]
        counts = start[now + 1] - start[now]
        before = np.cumsum(counts) - counts
        yield synapses[np.repeat(start[now] - before, counts) + np.arange(int(counts.sum()))]


def _queue(
    due: dict[int, list[_Synapses]], step: int, synapses: _Synapses, delay: NDArray[np.int64]
) -> None:
    for steps in np.unique(delay[synapses]).tolist():
        due[step + steps].append(synapses[delay[synapses] == steps])
