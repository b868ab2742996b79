"""The neuron pipeline and the STDP engine, a step at a time, in the board's integers.

A slot reads its neuron's membrane ``v`` and two currents, from neurons (``r``) and from inputs
(``i``), and writes them back (Core_engine.vhd, LIF_updater)::

    spikes   if v + bias >= threshold and not refractory:   v' = 0
    else     v' = (v + bias) - ((v + bias) d_v >> 10) + r' + i'
    r'       r + A sum(w)              if any other neuron fired in the step before
             r - (r d_u >> 10)         otherwise; i likewise, with any input event

Shifts round down and sums wrap. Spikes of a step are summed in that step and used in the next, so
every delay is one step. A refractory neuron goes on integrating; it only cannot fire.

STDP (AA_weight_loader, tpre_updater): each neuron has a timer since its last spike, as sender and
as receiver. In its slot a spiking neuron first hands out its weights as they are, then raises those
from senders that spiked within the window before, then lowers those to receivers that did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Arrivals, Translation
from hwmodels.chips.neurocorex.formats import INPUT, RECURRENT, Board, array_of
from hwmodels.chips.neurocorex.spec import NeurocorexSpec
from hwmodels.currents import CurrentSchedule
from hwmodels.errors import UnsupportedError
from hwmodels.network import Network
from hwmodels.quantisation import wrapped
from hwmodels.recorder import only_recorded

#: When a neuron spiked that never did.
_NEVER = -(1 << 40)


class NeurocorexNeurons:
    """All neurons of the board. Implements :class:`hwmodels.chip.Neurons`."""

    def __init__(self, spec: NeurocorexSpec, translation: Translation) -> None:
        network, board = translation.network, translation.formats
        assert isinstance(board, Board)
        self._spec, self._board, self._network = spec, board, network
        self._cells = np.concatenate(
            [np.arange(network.offsets[k], network.offsets[k + 1]) for k in board]
            or [np.empty(0, dtype=np.int64)]
        ).astype(np.int64)
        self._place = np.full(int(network.offsets[-1]), -1, dtype=np.int64)
        self._place[self._cells] = np.arange(len(self._cells))
        self._threshold = self._joined("threshold")
        self._refractory = self._joined("refractory")
        n = len(self._cells)
        self._v = np.zeros(n, dtype=np.int64)
        self._current = np.zeros((2, n), dtype=np.int64)
        self._held = np.zeros(n, dtype=np.int64)
        self._fired = np.zeros(n, dtype=bool)
        #: Sums for the next step, and which arrays had a spike at all.
        self._sums = np.zeros((2, n), dtype=np.int64)
        self._events = False
        self._spikes_before = np.zeros(n, dtype=bool)
        only_recorded(network, ("v",), "NeuroCoreX, where weights of both signs are one current")
        for index in board:
            self._set_potential(index, network.populations[index].initial_values.get("v"))
        self._weights = [m.copy() for m in board.mantissas]
        self._stdp = Stdp(spec, board, network, self._weights, self._place)
        self._currents = CurrentSchedule(network)
        self._bias = np.zeros(n, dtype=np.int64)
        self._wrapped = {"synaptic sums wrapped": 0, "currents wrapped": 0, "membranes wrapped": 0}

    def _joined(self, name: str) -> NDArray:
        parts = [getattr(scale, name) for scale in self._board.values()]
        return np.concatenate(parts or [np.empty(0, dtype=np.int64)])

    def _here(self, index: int) -> slice:
        first = int(self._network.offsets[index])
        begin = int(self._place[first]) if self._network.populations[index].size else 0
        return slice(begin, begin + self._network.populations[index].size)

    def _set_potential(self, index: int, v_mV: NDArray[np.float64] | None) -> None:
        if v_mV is None:
            return
        given = ~np.isnan(v_mV)
        reset = self._network.populations[index].parameters["v_reset"]
        units = np.rint((v_mV[given] - reset[given]) / self._board[index].unit_mV)
        self._v[self._here(index)][given] = units.astype(np.int64)

    def step(self, step: int, arrivals: Sequence[Arrivals]) -> NDArray[np.int64]:
        """Advance to time ``step``; see :class:`hwmodels.chip.Neurons`."""
        spec, board = self._spec, self._board
        self._set_bias(step - 1)
        sums, events = self._sums, self._events
        others = int(np.count_nonzero(self._spikes_before)) - self._spikes_before > 0
        self._spikes_before = self._fired.copy()
        for array, touched in ((RECURRENT, others), (INPUT, np.full(len(others), events))):
            add = self._wrap("synaptic sums wrapped", sums[array], spec.sum_bits)
            add = add * board.amplitude[array]
            decay = self._current[array] * board.decay_u >> spec.decay_bits
            if spec.decay_held_by_input:
                decay = np.where(touched, 0, decay)
            self._current[array] = self._wrap(
                "currents wrapped", self._current[array] - decay + add, spec.state_bits
            )
        v = self._v + self._bias
        v = v - (v * board.decay_v >> spec.decay_bits) + self._current[RECURRENT]
        v = self._wrap("membranes wrapped", v + self._current[INPUT], spec.state_bits)
        self._v = np.where(self._fired, 0, v)
        self._set_bias(step)
        self._fired = (self._v + self._bias >= self._threshold) & (self._held == 0)
        waiting = np.where(self._held < self._refractory, self._held + 1, 0)
        self._held = np.where(self._fired, 1, np.where(self._held > 0, waiting, 0))
        fired = self._cells[self._fired]
        self._collect(step, arrivals)
        self._stdp.neurons(step, fired)
        return fired

    def _wrap(self, what: str, x: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
        inside = wrapped(x, bits)
        self._wrapped[what] += int(np.count_nonzero(inside != x))
        return inside

    def _collect(self, step: int, arrivals: Sequence[Arrivals]) -> None:
        """Sum the weights of the spikes that came out of the step before."""
        self._sums = np.zeros_like(self._sums)
        self._events = False
        for k, synapses in arrivals:
            projection = self._network.projections[k]
            array = array_of(self._network, projection)
            self._events |= array == INPUT
            weights = self._stdp.handed_out(step - 1, k, synapses)
            target = self._place[
                projection.target[synapses] + self._network.offsets[projection.post]
            ]
            np.add.at(self._sums[array], target, weights)

    def _set_bias(self, step: int) -> None:
        change = self._currents.change(step)
        if change is None and step > 0:
            return
        for index, scale in self._board.items():
            offset = self._network.populations[index].parameters["i_offset"]
            current = offset + (change or {}).get(index, 0.0)
            self._bias[self._here(index)] = np.rint(current * scale.bias_gain).astype(np.int64)

    def active(self) -> None:
        """Every slot is computed in every step."""
        return None

    def sample(self, population: int, variable: str, cells: NDArray[np.int32]) -> NDArray:
        """Membrane potential in mV; a neuron that just fired reads as reset."""
        here = self._here(population)
        v = np.where(self._fired[here], 0, self._v[here])[cells]
        reset = self._network.populations[population].parameters["v_reset"][cells]
        return reset + v * self._board[population].unit_mV

    def update(self, network: Network) -> None:
        """Take over changed currents and state; what is loaded cannot change."""
        before, self._network = self._network, network
        for index in self._board:
            old, new = before.populations[index], network.populations[index]
            changed = [name for name in new.changed_since(old) if name != "i_offset"]
            if changed:
                raise UnsupportedError(
                    f"population {new.label!r}: {', '.join(changed)} cannot be changed between "
                    "runs on NeuroCoreX, which is loaded once; use one run, or neurons=exact"
                )
            if old.initial_values.get("v") is not new.initial_values.get("v"):
                self._set_potential(index, new.initial_values.get("v"))
        self._currents = CurrentSchedule(network)

    def counts(self) -> Mapping[str, int]:
        """What wrapped or met a bound so far."""
        return self._wrapped | {"weight changes cut off at a bound": self._stdp.cut_off}

    def weights(self) -> dict[str, NDArray[np.float64]]:
        """Weights of the learning projections now, in PyNN's unit, by label."""
        learned = {}
        for k, plastic in enumerate(self._board.plastic):
            if plastic:
                p = self._network.projections[k]
                amplitude = self._board.amplitude[array_of(self._network, p)]
                gain = self._board[p.post].gain[p.target]
                learned[self._network.projection_names[k]] = self._weights[k] * amplitude / gain
        return learned


class Stdp:
    """Learning in place, on the weights themselves.

    Parameters
    ----------
    spec, board, network
    weights : list of int64 arrays
        Of each projection; changed in place.
    place : int64, shape (cells,)
        Slot order of each computed cell.
    """

    def __init__(
        self,
        spec: NeurocorexSpec,
        board: Board,
        network: Network,
        weights: list[NDArray[np.int64]],
        place: NDArray[np.int64],
    ) -> None:
        self._spec, self._weights, self._place = spec, weights, place
        self._rule = board.rule
        self.cut_off = 0
        n = int(network.offsets[-1])
        #: Step of the last spike of each cell, and as it stood before the last step of neurons.
        self._last = np.full(n, _NEVER, dtype=np.int64)
        self._last_before = self._last.copy()
        self._fired = np.empty(0, dtype=np.int64)
        self._learning = [k for k, plastic in enumerate(board.plastic) if plastic]
        self._ends: dict[int, tuple[NDArray[np.int64], NDArray[np.int64], int]] = {}
        #: Weights that the last spikes were sent with.
        self._sent: dict[int, NDArray[np.int64]] = {}
        for k in self._learning:
            p = network.projections[k]
            source, target = p.source + network.offsets[p.pre], p.target + network.offsets[p.post]
            self._ends[k] = source.astype(np.int64), target, array_of(network, p)
            self._sent[k] = weights[k].copy()

    def handed_out(self, step: int, k: int, synapses: NDArray[np.int64]) -> NDArray[np.int64]:
        """Weights with which spikes of ``step`` act; an input event learns as it comes."""
        if k not in self._ends:
            return self._weights[k][synapses]
        array = self._ends[k][2]
        sent = self._sent[k][synapses]
        if array == INPUT:
            self._input(step, k, synapses)
        return sent

    def neurons(self, step: int, fired: NDArray[np.int64]) -> None:
        """All spikes of a step, slot after slot."""
        if self._rule is None:
            return
        self._last_before = self._last.copy()
        self._fired = fired
        for k in self._learning:
            if self._ends[k][2] == INPUT:
                self._sent[k] = self._weights[k].copy()
        rule = self._rule
        for cell in fired.tolist():
            for k in self._learning:
                source, target, array = self._ends[k]
                weight = self._weights[k]
                out = np.flatnonzero(source == cell) if array == RECURRENT else None
                if out is not None:
                    self._sent[k][out] = weight[out]
                into = np.flatnonzero(target == cell)
                waited = step - self._last[source[into]]
                # Timers of senders count in the slot of the receiver, so one step less where that
                # had passed already when the sender spiked; inputs come before all slots.
                passed = self._place[cell] < self._place[source[into]]
                hit = waited <= rule.plus_steps[array] + passed
                self._change(weight, into[hit], rule.raised)
                if out is not None:
                    waited = step - self._last[target[out]]
                    # Timers of receivers count in their own slots, which may be still to come.
                    to_come = self._place[cell] < self._place[target[out]]
                    hit = waited <= rule.minus_steps[array] + to_come
                    self._change(weight, out[hit], -rule.lowered)
            self._last[cell] = step

    def _input(self, step: int, k: int, synapses: NDArray[np.int64]) -> None:
        """An input event of a step, which came before all slots of it."""
        assert self._rule is not None
        source, target, _ = self._ends[k]
        weight, rule = self._weights[k], self._rule
        # What the slots of that step did to these weights is done anew, after the event.
        weight[synapses] = self._sent[k][synapses]
        waited = step - self._last_before[target[synapses]]
        self._change(weight, synapses[waited <= rule.minus_steps[INPUT] + 1], -rule.lowered)
        self._change(weight, synapses[np.isin(target[synapses], self._fired)], rule.raised)
        self._last[source[synapses]] = step

    def _change(self, weight: NDArray[np.int64], at: NDArray[np.int64], by: int) -> None:
        low, high = self._spec.learned_weight_min, self._spec.learned_weight_max
        wanted = weight[at] + by
        made = np.minimum(wanted, high) if by > 0 else np.maximum(wanted, low)
        self.cut_off += int(np.count_nonzero(made != wanted))
        weight[at] = made
