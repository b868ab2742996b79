"""All compartments of a network, in lock-step: input, bias, update, samples in PyNN's units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Arrivals, Translation
from hwmodels.chips.loihi import block, kernel
from hwmodels.chips.loihi.arithmetic import (
    Compartments,
    noise_draws,
    update_compartments,
    update_currents,
)
from hwmodels.chips.loihi.formats import Scale, quantise_bias
from hwmodels.chips.loihi.spec import CoreSettings, LoihiSpec
from hwmodels.compiling import LINE, aligned, compiled
from hwmodels.currents import CurrentSchedule
from hwmodels.delivery import Inputs, SummedInput
from hwmodels.errors import UnsupportedError
from hwmodels.network import Network, Projection

#: Compartments in a cache line; populations begin at one.
_AT_ONCE = LINE // np.dtype(np.int32).itemsize


class LoihiNeurons:
    """All compartments of a translated network. Implements :class:`hwmodels.chip.Neurons`.

    Parameters
    ----------
    spec : LoihiSpec
    translation : Translation
    settings : CoreSettings, optional
        Noise and the limits of the membrane.
    noise_seed : int
    """

    def __init__(
        self,
        spec: LoihiSpec,
        translation: Translation,
        settings: CoreSettings | None = None,
        noise_seed: int = 1,
    ) -> None:
        network = translation.network
        self._spec, self._network = spec, network
        self._settings, self._noise_seed = settings or CoreSettings(), noise_seed
        self._scales: Mapping[int, Scale] = translation.formats
        self._bias_clipped = 0
        self._groups: dict[int, Compartments] = {}
        self._dendrites: dict[int, Compartments] = {}
        self._pending: dict[tuple[int, str], NDArray[np.int64]] = {}
        for index, scale in self._scales.items():
            self._check_recordings(index, scale)
            self._build(index, scale)
        #: Made when arrivals come one by one.
        self._weights: dict[int, NDArray[np.int64]] = {}
        self._currents = CurrentSchedule(network)
        self._bias: dict[int, NDArray[np.int64]] = {}
        self._active = np.ones(int(network.offsets[-1]), dtype=bool)

    def _check_recordings(self, index: int, scale: Scale) -> None:
        label = self._network.populations[index].label
        used = {p.receptor for p in self._network.projections if p.post == index and p.n_synapses}
        for recording in self._network.recordings:
            if recording.population != index or recording.variable in ("spikes", "v"):
                continue
            if recording.variable not in ("isyn_exc", "isyn_inh") or not (
                scale.joined or len(used) < 2
            ):
                raise UnsupportedError(
                    f"population {label!r}: {recording.variable!r} cannot be recorded on Loihi, "
                    "where all synapses of a compartment share one current; record v, or run "
                    "with neurons=exact"
                )

    def _build(self, index: int, scale: Scale) -> None:
        population = self._network.populations[index]
        size = population.size
        zeros = np.zeros(size, dtype=np.int64)
        initial, reset = population.initial_values, population.parameters["v_reset"]
        self._groups[index] = Compartments(
            u=zeros.copy(),
            v=np.rint((initial.get("v", reset) - reset) / scale.unit_mV).astype(np.int64),
            held=zeros.copy(),
            decay_u=scale.decay_u["excitatory"],
            decay_v=scale.decay_v,
            threshold=scale.threshold,
            refractory=scale.refractory,
        )
        if scale.joined:
            # It passes its current on at once; its own voltage is not used.
            self._dendrites[index] = Compartments(
                u=zeros.copy(),
                v=zeros.copy(),
                held=zeros.copy(),
                decay_u=scale.decay_u["inhibitory"],
                decay_v=zeros,
                threshold=zeros,
                refractory=zeros,
            )
        for receptor, name in (("excitatory", "isyn_exc"), ("inhibitory", "isyn_inh")):
            value = np.rint(initial.get(name, np.zeros(size)) * scale.gain[receptor])
            self._home(index, receptor).u += value.astype(np.int64)
            self._pending[index, receptor] = np.zeros(size, dtype=np.int64)

    def _home(self, index: int, receptor: str) -> Compartments:
        """The compartment of a population on which a receptor acts."""
        if receptor == "inhibitory" and index in self._dendrites:
            return self._dendrites[index]
        return self._groups[index]

    def _integer_weights(self, projection: Projection) -> NDArray[np.int64]:
        scale = self._scales.get(projection.post)
        if scale is None:
            return np.empty(0, dtype=np.int64)
        gain = scale.gain[projection.receptor][projection.target]
        return np.rint(projection.weight * gain).astype(np.int64)

    def step(self, step: int, arrivals: Sequence[Arrivals]) -> NDArray[np.int64]:
        """Advance to time ``step``; see :class:`hwmodels.chip.Neurons`."""
        now = self._pending
        self._pending = {key: np.zeros_like(slot) for key, slot in now.items()}
        for projection_index, synapses in arrivals:
            projection = self._network.projections[projection_index]
            delta = self._network.populations[projection.post].celltype == "IF_curr_delta"
            slot = (now if delta else self._pending)[projection.post, projection.receptor]
            if projection_index not in self._weights:
                self._weights[projection_index] = self._integer_weights(projection)
            weights = self._weights[projection_index][synapses]
            np.add.at(slot, projection.target[synapses], weights)
        self._set_bias(step - 1)
        spec, offsets, fired = self._spec, self._network.offsets, []
        for index, group in self._groups.items():
            q, bias = now[index, "excitatory"], self._bias[index]
            # A current that a step forgets as a whole is no state.
            still = (group.v == 0) & ((group.u == 0) | (group.decay_u == spec.one))
            if index in self._dendrites:
                dendrite, joined_q = self._dendrites[index], now[index, "inhibitory"]
                still &= (joined_q == 0) & ((dendrite.u == 0) | (dendrite.decay_u == spec.one))
                update_currents(dendrite, joined_q, spec)
                bias = bias + dendrite.u
            else:
                q = q + now[index, "inhibitory"]
            if self._settings.noise != "none":
                noise = noise_draws(
                    self._noise_seed, step, int(offsets[index]), len(q), self._settings
                )
                if self._settings.noise == "current":
                    q = q + noise
                else:
                    bias = bias + noise
            still &= (q == 0) & (bias == 0)
            spiking = update_compartments(group, q, bias, spec, self._settings)
            self._active[offsets[index] : offsets[index + 1]] = ~still
            fired.append(np.flatnonzero(spiking) + offsets[index])
        return np.concatenate(fired) if fired else np.empty(0, dtype=np.int64)

    # The same on sums of input, by kernels

    def inputs(self) -> Inputs | None:
        """See :class:`hwmodels.chip.SummingNeurons`."""
        network, spec, first = self._network, self._spec, 0
        if (
            spec.state_bits > block.STATE_BITS_MAX
            or spec.input_bits > block.INPUT_BITS_MAX
            or spec.decay_bits > block.DECAY_BITS_MAX
        ):
            return None
        self._slots: dict[tuple[int, str], slice] = {}
        for receptor, groups in (("excitatory", self._groups), ("inhibitory", self._dendrites)):
            for index, group in groups.items():
                self._slots[index, receptor] = slice(first, first + len(group.v))
                first += -(-len(group.v) // _AT_ONCE) * _AT_ONCE
        compartments = [self._home(*key) for key in self._slots]
        for index in self._groups:
            self._slots.setdefault((index, "inhibitory"), self._slots[index, "excitatory"])
        inputs = Inputs(
            first,
            tuple(
                self._slots[p.post, p.receptor].start if p.post in self._groups else -1
                for p in network.projections
            ),
            tuple(
                int(network.populations[p.post].celltype != "IF_curr_delta")
                for p in network.projections
            ),
            tuple(
                self._scales[p.post].gain[p.receptor] if p.post in self._groups else np.empty(0)
                for p in network.projections
            ),
        )
        if not SummedInput.possible(network, inputs):
            return None
        # One array for all compartments; each group sees its part.
        self._cells = kernel.Cells(*(aligned(first, kind) for kind in kernel.KINDS))
        for one, slots in zip(compartments, self._slots.values(), strict=False):
            for name in kernel.Cells._fields:
                if name != "free_from":
                    part = getattr(self._cells, name)[slots]
                    part[:] = getattr(one, name)
                    if not name.startswith("decay"):  # narrower than what is computed with them
                        setattr(one, name, part)
        self._populations = np.array(
            [
                (
                    self._slots[index, "excitatory"].start, len(group.v), network.offsets[index],
                    self._slots[index, "inhibitory"].start if index in self._dendrites else -1,
                    self._varies(index),
                )
                for index, group in self._groups.items()
            ],
            dtype=np.int64,
        ).reshape(-1, 5)  # fmt: skip
        blocks = sum(-(-len(group.v) // kernel.BLOCK) for group in self._groups.values())
        self._room = kernel.Room(
            zeros=aligned(kernel.BLOCK, np.int32),
            moved=aligned(kernel.BLOCK, np.int32),
            spiking=aligned(kernel.BLOCK, bool),
            most=np.zeros((blocks, kernel.BOUNDS), dtype=np.int64),
        )
        self._registers = block.Registers(
            spec.input_bits, spec.state_bits, spec.decay_bits, *self._settings.voltage_limits(spec)
        )
        self._fired = np.zeros(int(network.offsets[-1]), dtype=np.int64)
        return inputs

    def _drive(self) -> NDArray[np.int32]:
        """Bias of each compartment by slot; those that are joined have none."""
        drive: NDArray[np.int32] = aligned(len(self._cells.v), np.int32)
        for index in self._groups:
            drive[self._slots[index, "excitatory"]] = self._bias[index]
        return drive

    def _count(self, counts: NDArray[np.int64]) -> None:
        """Add what left its register, in rows by population, joined compartments behind others."""
        for k, index in enumerate(self._groups):
            self._groups[index].count(counts[2 * k])
            if index in self._dendrites:
                self._dendrites[index].count(counts[2 * k + 1])

    def step_summed(self, step: int, sums: NDArray) -> NDArray[np.int64]:
        """See :class:`hwmodels.chip.SummingNeurons`."""
        self._set_bias(step - 1)
        settings, drive, offsets = self._settings, self._drive(), self._network.offsets
        if settings.noise != "none":
            for index, group in self._groups.items():
                own = self._slots[index, "excitatory"]
                size, target = len(group.v), sums if settings.noise == "current" else drive
                target[own] += noise_draws(
                    self._noise_seed, step, int(offsets[index]), size, settings
                ).astype(np.int32)
        counts = np.zeros((2 * len(self._groups), 3), dtype=np.int64)
        n = compiled(kernel.update_once, *kernel.PARTS, allocates=False)(
            step, sums, kernel.UNKNOWN, drive, self._cells, self._populations, self._registers,
            self._room, self._active, True, self._fired, counts,
        )  # fmt: skip
        self._count(counts)
        return self._fired[:n].copy()

    def steps_summed(
        self, first: int, given_start: NDArray[np.int64], given: NDArray[np.int64],
        sums: SummedInput, fired: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None] | None:  # fmt: skip
        """See :class:`hwmodels.chip.SummingNeurons`."""
        if not self._groups or not self._currents.steady or self._settings.noise != "none":
            return None
        steps, drive = len(given_start) - 1, self._drive()
        # Where every compartment has a bias, all are active.
        noted = not all(bias.all() for bias in self._bias.values())
        rows, cells = steps if noted else 1, int(self._network.offsets[-1])
        active = np.full((rows, cells), not noted)
        started = np.zeros(steps + 1, dtype=np.int64)
        counts = np.zeros((2 * len(self._groups), 3), dtype=np.int64)
        done = compiled(kernel.many, *kernel.PARTS, allocates=False)(
            first, steps, *sums.tables, sums.most, given_start, given, drive, self._cells,
            self._populations, self._registers, self._room, active, self._fired, fired, started,
            counts,
        )  # fmt: skip
        self._count(counts)
        if done:
            self._active = active[done - 1 if noted else 0]
        return started[: done + 1], active[:done] if noted else None

    def _varies(self, index: int) -> bool:
        """Whether registers differ among the cells of a population."""
        groups = [one[index] for one in (self._groups, self._dendrites) if index in one]
        names = ("decay_u", "decay_v", "threshold", "refractory")
        return any(np.ptp(getattr(c, name)) > 0 for c in groups for name in names if len(c.v))

    def _set_bias(self, step: int) -> None:
        change = self._currents.change(step)
        if change is None and self._bias:
            return
        for index, scale in self._scales.items():
            offset = self._network.populations[index].parameters["i_offset"]
            current = offset + (change or {}).get(index, 0.0)
            bias, clipped = quantise_bias(scale.rest + current * scale.bias_gain, self._spec)
            self._bias[index] = bias
            self._bias_clipped += clipped

    def active(self) -> NDArray[np.bool_]:
        """Compartments that had state, input or bias in the last step."""
        return self._active

    def sample(self, population: int, variable: str, cells: NDArray[np.int32]) -> NDArray:
        """State in PyNN's units; a refractory membrane reads as reset."""
        if population not in self._scales:
            return np.empty(0)  # a population without cells
        scale = self._scales[population]
        if variable == "v":
            reset = self._network.populations[population].parameters["v_reset"][cells]
            return reset + self._groups[population].v[cells] * scale.unit_mV
        receptor = "excitatory" if variable == "isyn_exc" else "inhibitory"
        used = {p.receptor for p in self._network.projections if p.post == population}
        if not scale.joined and used and receptor not in used:
            return np.zeros(len(cells))
        return self._home(population, receptor).u[cells] / scale.gain[receptor][cells]

    def update(self, network: Network) -> None:
        """Take over changed parameters, weights, currents and state."""
        before, self._network = self._network, network
        for index, old in enumerate(before.populations):
            new = network.populations[index]
            if index not in self._groups or new is old:
                continue
            # The offset current is part of the bias, which is set anew; all others are in the
            # scale that state and weights already have.
            changed = [name for name in new.changed_since(old) if name != "i_offset"]
            if changed:
                raise UnsupportedError(
                    f"population {new.label!r}: {', '.join(changed)} cannot be changed between "
                    "runs on Loihi arithmetic, whose scaling depends on it; run with neurons=exact"
                )
            if old.initial_values.get("v") is not new.initial_values.get("v"):
                reset = new.parameters["v_reset"]
                scaled = (new.initial_values["v"] - reset) / self._scales[index].unit_mV
                given = ~np.isnan(scaled)
                self._groups[index].v[given] = np.rint(scaled[given]).astype(np.int64)
        for k, (old_p, new_p) in enumerate(
            zip(before.projections, network.projections, strict=True)
        ):
            if old_p.weight is not new_p.weight:
                self._weights.pop(k, None)
        self._currents = CurrentSchedule(network)

    def counts(self) -> Mapping[str, int]:
        """What left its register so far."""
        groups = [*self._groups.values(), *self._dendrites.values()]
        return {
            "synaptic inputs wrapped": sum(g.input_wraps for g in groups),
            "currents wrapped": sum(g.current_wraps for g in groups),
            "voltages saturated": sum(g.voltage_saturations for g in groups),
            "biases clipped": self._bias_clipped,
        }
