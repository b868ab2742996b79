"""Loihi-style: asynchronous cores of integer neurons on a mesh, in step by a barrier.

Read from top to bottom like the datasheet: the numbers (:class:`LoihiSpec`), how a network is
expressed in them (:func:`scale_population`, :meth:`Loihi.translate`), the arithmetic of a
compartment (:func:`update_compartments`), and time and energy (:meth:`Loihi.transport`).

A script's network is expressed as current-based compartments with one unit of state, ``q`` mV::

    u(n) = D(u(n-1), du) + w        D(x, d) = x (4096 - d) / 4096, rounded toward zero
    v(n) = D(v(n-1), dv) + u(n) + bias            v = 0 at v_reset; spike if v > threshold

``du`` and ``dv`` are the nearest 12-bit decays to ``1 - exp(-dt / tau)``. A weight is scaled so
that the time integral of its postsynaptic potential is that of the exact membrane, and a bias so
that the potential it settles at is; rates then agree as well as the decays allow. The resting
potential is a bias too, since the chip can only reset to zero. Cells whose two synaptic time
constants differ take a second compartment for inhibition, joined to the first (recalled, not
verified: the datasheet marks dendritic trees R).

On PyNN's grid a synaptic current jumps at spike time plus delay and first moves the membrane one
step later; here it moves it in the step in which it is added, so input is added one step later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodels.chip import Arrivals, Neurons, Translation, choose_effects
from hwmodels.currents import CurrentSchedule
from hwmodels.errors import ModelError, UnsupportedError
from hwmodels.fabric.mesh import MeshTimes
from hwmodels.fabric.multicore import CoreTimes, MulticoreTransport
from hwmodels.mapping import CoreLimits, Placement, mesh_graph
from hwmodels.mapping.sequential import place_sequentially
from hwmodels.network import Network, Population, Projection, to_delay_steps
from hwmodels.result import ENERGY, QUANTISATION, HardwareReport
from hwmodels.spec import Spec, quantity

_SPECS = Path(__file__).parent / "specs"

#: Cell types a compartment computes.
NATIVE = ("IF_curr_exp", "IF_curr_delta")
#: Effective weights are multiples of 2^6 state units.
_WEIGHT_SHIFT = 6


# --- Numbers --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class LoihiSpec(Spec):
    """The numbers of a Loihi-style chip; values and sources stand in TOML files beside this one."""

    columns: int = quantity("routers", "Routers from west to east")
    rows: int = quantity("routers", "Routers from south to north")
    cores_per_tile: int = quantity("cores", "Cores that share a router")
    compartments_per_core: int = quantity("", "Neuron circuits of a core")
    synaptic_words_per_core: int = quantity("64 bit", "Synaptic memory of a core")
    input_axons_per_core: int = quantity("", "Sources a core can listen to")
    output_axons_per_core: int = quantity("", "Pairs of a core's cell and a core it sends to")
    compartment_profiles_per_core: int = quantity("", "Distinct sets of decays and refractory time")

    weight_bits: int = quantity("bit", "Mantissa of a weight, without its sign")
    weight_exponent_max: int = quantity("", "Largest exponent of a projection's weights")
    decay_bits: int = quantity("bit", "Of the decay of current and voltage")
    state_bits: int = quantity("bit", "Of current and voltage, without the sign")
    input_bits: int = quantity("bit", "Of a step's summed input, without the sign")
    threshold_mantissa_bits: int = quantity("bit", "Of the threshold, in units of 64")
    threshold_bits: int = quantity("bit", "Of the state that thresholds take, the rest is headroom")
    bias_mantissa_max: int = quantity("", "Largest mantissa of a bias")
    bias_exponent_max: int = quantity("", "Largest exponent of a bias")
    refractory_max: int = quantity("steps", "Largest refractory register; R holds R - 1 steps")
    delay_steps_max: int = quantity("steps", "Longest synaptic delay")

    host_column: int = quantity("", "Column of the router where the spikes of sources enter")
    host_row: int = quantity("", "Its row")
    link_buffer_packets: int = quantity("packets", "FIFO behind a link")
    core_buffer_packets: int = quantity("packets", "FIFO in front of a core")
    credit_ns: float = quantity("ns", "Until a freed FIFO place is usable")

    visit_ns: float = quantity("ns", "Visit of a compartment in the sweep")
    update_ns: float = quantity("ns", "Extra when it has input, bias or state")
    spike_ns: float = quantity("ns", "Extra when it fires")
    message_out_ns: float = quantity("ns", "One message to one core")
    message_in_ns: float = quantity("ns", "Accepting a message")
    synapse_dense_ns: float = quantity("ns", "One synapse of a contiguous list")
    synapse_sparse_ns: float = quantity("ns", "One synapse of an indexed list")
    hop_ew_ns: float = quantity("ns", "Router and link to the east or west")
    hop_ns_ns: float = quantity("ns", "Router and link to the north or south")

    barrier_ns: float = quantity("ns", "Barrier of one tile")
    barrier_tile_ns: float = quantity("ns", "Barrier, for each further tile")
    step_overhead_ns: tuple = quantity("tiles: ns", "Measured end of a step, from so many tiles on")

    visit_pJ: float = quantity("pJ", "Visit of a compartment in the sweep")
    update_pJ: float = quantity("pJ", "Extra when it has input, bias or state")
    spike_pJ: float = quantity("pJ", "Extra when it fires")
    message_out_pJ: float = quantity("pJ", "One message to one core")
    message_in_pJ: float = quantity("pJ", "Accepting a message")
    synapse_dense_pJ: float = quantity("pJ", "One synapse of a contiguous list")
    synapse_sparse_pJ: float = quantity("pJ", "One synapse of an indexed list")
    hop_ew_pJ: float = quantity("pJ", "Hop to the east or west")
    hop_ns_pJ: float = quantity("pJ", "Hop to the north or south")
    static_mW: float = quantity("mW", "Static power of a chip; not in the dynamic energy")

    def __post_init__(self) -> None:
        for name in (
            "columns", "rows", "cores_per_tile", "decay_bits", "weight_bits",
            "link_buffer_packets", "core_buffer_packets",
        ):  # fmt: skip
            if getattr(self, name) < 1:
                raise ModelError(f"{self.name}: {name} must be >= 1, got {getattr(self, name)}")
        for name in ("hop_ew_ns", "hop_ns_ns", "credit_ns"):
            if getattr(self, name) < 0.001:
                raise ModelError(
                    f"{self.name}: {name} must be >= 0.001 ns, the resolution of the model, "
                    f"got {getattr(self, name):g}"
                )
        if self.host_column >= self.columns or self.host_row >= self.rows:
            raise ModelError(
                f"{self.name}: the host sits at router ({self.host_column}, {self.host_row}), "
                f"outside of {self.columns} x {self.rows}; change host_column and host_row"
            )

    @property
    def one(self) -> int:
        """The decay that keeps nothing."""
        return 1 << self.decay_bits

    @property
    def cores(self) -> int:
        """Cores of the chip."""
        return self.columns * self.rows * self.cores_per_tile

    def barrier_of(self, tiles: int) -> float:
        """Hardware barrier over so many tiles, in ns."""
        return self.barrier_ns + self.barrier_tile_ns * (max(tiles, 1) - 1)

    def management_of(self, tiles: int) -> float:
        """What the embedded processors add to a step, in ns: the measured total less barrier."""
        measured = [row for row in self.step_overhead_ns if row[0] <= max(tiles, 1)]
        return max(0.0, max(measured)[1] - self.barrier_of(tiles)) if measured else 0.0


def synaptic_words(
    synapses: NDArray[np.int64], contiguous: NDArray[np.bool_], bits: int, index_bits: int = 10
) -> int:
    """64-bit words that the synapse lists of some axons take together on one core.

    Blocks of at most 64 synapses with a header of 10 bits, each rounded up to a whole word; an
    index for each synapse where targets are not contiguous (nengo-loihi, ``block.py``).
    """
    per_synapse = bits + np.where(contiguous, 0, index_bits)
    full, rest = np.divmod(synapses, 64)
    words = full * -(-(10 + 64 * per_synapse) // 64)
    words += np.where(rest > 0, -(-(10 + rest * per_synapse) // 64), 0)
    return int(words.sum())


# --- A network in these numbers -------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Scale:
    """One population in units of the chip; arrays have shape (size,).

    Attributes
    ----------
    unit_mV : float
        Of voltage and current state.
    gain : mapping of str to float64 array
        State units that a weight of 1 (nA, or mV for IF_curr_delta) adds, for each receptor.
    decay_u : mapping of str to int64 array
        Effective 12-bit decay of the current, for each receptor.
    decay_v : int64 array
    threshold : int64 array
        In state units, a multiple of 64.
    refractory : int64 array
        Steps the membrane is held.
    bias_gain : float64 array
        State units of bias for each nA.
    rest : float64 array
        Bias in state units that makes the cell rest at v_rest.
    joined : bool
        Whether inhibition has a compartment of its own.
    """

    unit_mV: float
    gain: Mapping[str, NDArray[np.float64]]
    decay_u: Mapping[str, NDArray[np.int64]]
    decay_v: NDArray[np.int64]
    threshold: NDArray[np.int64]
    refractory: NDArray[np.int64]
    bias_gain: NDArray[np.float64]
    rest: NDArray[np.float64]
    joined: bool


def scale_population(
    population: Population, inputs: Sequence[Projection], dt: float, spec: LoihiSpec
) -> Scale:
    """Choose the unit of state and translate the parameters of a native cell type.

    The unit is the one in which the weakest projection uses its whole mantissa, halved until the
    threshold has at least 2^16 units (for resolution), and no finer than lets the threshold stay
    within ``threshold_bits``: what is left of the state's bits is room for inhibition below reset
    before the membrane saturates.

    Raises
    ------
    UnsupportedError
        When a parameter has no counterpart on the chip.
    """
    obstacle = native_obstacle(population, dt, spec)
    if obstacle is not None:
        raise UnsupportedError(f"population {population.label!r}: {obstacle}")
    p = population.parameters
    height = p["v_thresh"] - p["v_reset"]
    refractory = np.rint(p["tau_refrac"] / dt).astype(np.int64)
    exact_v = -np.expm1(-dt / p["tau_m"])
    one = spec.one
    decay_v = np.clip(np.rint(exact_v * one), 0, one - 1).astype(np.int64)
    # What one unit of drive settles at, exactly and with the chip's decay.
    correction = np.where(decay_v > 0, decay_v / one / exact_v, 1.0)
    gain_mV, decay_u = {}, {}
    for receptor, side in (("excitatory", "E"), ("inhibitory", "I")):
        if population.celltype == "IF_curr_delta":
            decay_u[receptor] = np.full(population.size, one)
            gain_mV[receptor] = np.ones(population.size)
            continue
        tau = p[f"tau_syn_{side}"]
        exact_u = -np.expm1(-dt / tau)
        decay_u[receptor] = np.clip(np.rint(exact_u * one), 1, one).astype(np.int64)
        difference = 1 / tau - 1 / p["tau_m"]
        same = np.abs(difference * dt) < 1e-12
        exponent = np.where(same, 1.0, dt * difference)
        ratio = np.where(same, 1.0, -np.expm1(-exponent) / exponent)
        # P21: the exact membrane's rise in one step for a unit current that decays with tau.
        rise = dt / p["cm"] * (1 - exact_v) * ratio
        gain_mV[receptor] = rise / exact_u * decay_u[receptor] / one * correction

    peaks = []
    for projection in inputs:
        if projection.n_synapses:
            effect = np.abs(projection.weight) * gain_mV[projection.receptor][projection.target]
            peaks.append(float(effect.max()) / largest_mantissa(projection, spec)[0])
    # Of one step of the mantissa of the weakest projection.
    weakest = min((peak for peak in peaks if peak > 0), default=float(height.min()))
    finest = float(height.max()) / min(
        2**spec.threshold_bits, 64 * (2**spec.threshold_mantissa_bits - 1)
    )
    coarsest = float(height.min()) / 2**16
    unit = weakest / (1 << _WEIGHT_SHIFT)
    while unit > coarsest:
        unit /= 2
    unit = max(unit, finest)

    resistance = p["tau_m"] / p["cm"]
    bias_gain = resistance * exact_v * correction / unit
    return Scale(
        unit_mV=unit,
        gain={receptor: gain / unit for receptor, gain in gain_mV.items()},
        decay_u=decay_u,
        decay_v=decay_v,
        threshold=np.rint(height / unit / 64).astype(np.int64) * 64,
        refractory=refractory,
        bias_gain=bias_gain,
        rest=(p["v_rest"] - p["v_reset"]) * exact_v * correction / unit,
        joined=bool(np.any(decay_u["excitatory"] != decay_u["inhibitory"])),
    )


def native_obstacle(population: Population, dt: float, spec: LoihiSpec) -> str | None:
    """Why the chip's arithmetic cannot compute a population, and the way out; None if it can."""
    if population.celltype not in NATIVE:
        return (
            f"Loihi computes {' and '.join(NATIVE)}, not {population.celltype}; run with "
            "neurons=exact (exact neurons on this fabric), or use one of those cell types"
        )
    p = population.parameters
    if np.any(p["v_thresh"] <= p["v_reset"]):
        return (
            "v_thresh must lie above v_reset on Loihi, which fires above its reset; run with "
            "neurons=exact"
        )
    refractory = np.rint(p["tau_refrac"] / dt).astype(np.int64)
    if np.any(refractory + 1 > spec.refractory_max):
        return (
            f"tau_refrac of {p['tau_refrac'].max():g} ms is {refractory.max()} steps, Loihi holds "
            f"at most {spec.refractory_max - 1}; use a longer step (step_ms=...) or neurons=exact"
        )
    return None


def quantise_bias(bias: NDArray[np.float64], spec: LoihiSpec) -> tuple[NDArray[np.int64], int]:
    """Biases as mantissa times a power of two, and how many were clipped."""
    over = np.abs(bias) / spec.bias_mantissa_max
    exponent = np.ceil(np.log2(np.maximum(over, 1.0))).astype(np.int64)
    exponent = np.minimum(exponent, spec.bias_exponent_max)
    mantissa = np.rint(bias / 2.0**exponent).astype(np.int64)
    clipped = np.abs(mantissa) > spec.bias_mantissa_max
    mantissa = np.clip(mantissa, -spec.bias_mantissa_max, spec.bias_mantissa_max)
    return mantissa << exponent, int(np.count_nonzero(clipped))


# --- Arithmetic -----------------------------------------------------------------------------------


def decayed(x: NDArray[np.int64], decay: NDArray[np.int64], bits: int = 12) -> NDArray[np.int64]:
    """``x (4096 - decay) / 4096``, rounded toward zero; 4096 is 2 to the ``bits`` of a decay."""
    # A shift rounds down, so what is negative is lifted by all but one unit first.
    one = 1 << bits
    return (x * (one - decay) + ((x >> 63) & (one - 1))) >> bits


def wrapped(x: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """Two's complement wrap to so many bits and a sign."""
    half = 1 << bits
    return ((x + half) & (2 * half - 1)) - half


@dataclass
class Compartments:
    """State and registers of some compartments; int64 arrays of one shape."""

    u: NDArray[np.int64]
    v: NDArray[np.int64]
    held: NDArray[np.int64]
    decay_u: NDArray[np.int64]
    decay_v: NDArray[np.int64]
    threshold: NDArray[np.int64]
    refractory: NDArray[np.int64]
    #: How often a sum left its register.
    input_wraps: int = 0
    current_wraps: int = 0
    voltage_saturations: int = 0


def update_compartments(
    c: Compartments, q: NDArray[np.int64], bias: NDArray[np.int64], spec: LoihiSpec
) -> NDArray[np.bool_]:
    """One step of all compartments, in place; returns which fire. Datasheet 1.3, steps 1 to 10.

    ``q`` is the summed effective weight of this step's slot, ``bias`` the drive without synapses
    (with what a joined compartment passes on).
    """
    update_currents(c, q, spec)
    return update_voltages(c, bias, spec)


def update_currents(c: Compartments, q: NDArray[np.int64], spec: LoihiSpec) -> None:
    """Steps 1 to 3: all that a compartment does which only passes its current on."""
    # 1 The input register wraps; 2, 3 so does the current.
    slot = wrapped(q, spec.input_bits)
    c.input_wraps += int(np.count_nonzero(slot != q))
    u = decayed(c.u, c.decay_u, spec.decay_bits) + slot
    c.u = wrapped(u, spec.state_bits)
    c.current_wraps += int(np.count_nonzero(c.u != u))


def update_voltages(c: Compartments, bias: NDArray[np.int64], spec: LoihiSpec) -> NDArray[np.bool_]:
    """Steps 4 to 10: the membrane takes the current, and fires or not."""
    limit = (1 << spec.state_bits) - 1
    # 4, 5 The voltage decays and takes current and bias; 6 it saturates.
    v = decayed(c.v, c.decay_v, spec.decay_bits) + wrapped(c.u + bias, spec.state_bits)
    clipped = np.clip(v, -limit, limit)
    # 7 While refractory it is held at zero; the current goes on.
    free = c.held == 0
    c.voltage_saturations += int(np.count_nonzero((clipped != v) & free))
    c.v = np.where(free, clipped, 0)
    c.held -= ~free
    # 8 Strictly above threshold; 9 reset to zero; 10 hold for R - 1 further steps.
    fired = c.v > c.threshold
    c.v[fired] = 0
    c.held[fired] = c.refractory[fired]
    return fired


class LoihiNeurons:
    """All compartments of a translated network. Implements :class:`hwmodels.chip.Neurons`."""

    def __init__(self, chip: Loihi, translation: Translation) -> None:
        network = translation.network
        self._chip, self._network = chip, network
        self._scales: Mapping[int, Scale] = translation.formats
        self._bias_clipped = 0
        self._groups: dict[int, Compartments] = {}
        self._dendrites: dict[int, Compartments] = {}
        self._pending: dict[tuple[int, str], NDArray[np.int64]] = {}
        for index, scale in self._scales.items():
            self._check_recordings(index, scale)
            self._build(index, scale)
        self._weights = [self._integer_weights(p) for p in network.projections]
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
            weights = self._weights[projection_index][synapses]
            np.add.at(slot, projection.target[synapses], weights)
        self._set_bias(step - 1)
        spec, offsets, fired = self._chip.spec, self._network.offsets, []
        for index, group in self._groups.items():
            q, bias = now[index, "excitatory"], self._bias[index]
            if index in self._dendrites:
                dendrite = self._dendrites[index]
                update_currents(dendrite, now[index, "inhibitory"], spec)
                bias = bias + dendrite.u
            else:
                q = q + now[index, "inhibitory"]
            was_still = (group.u == 0) & (group.v == 0) & (q == 0) & (bias == 0)
            spiking = update_compartments(group, q, bias, spec)
            self._active[offsets[index] : offsets[index + 1]] = ~was_still
            fired.append(np.flatnonzero(spiking) + offsets[index])
        return np.concatenate(fired) if fired else np.empty(0, dtype=np.int64)

    def _set_bias(self, step: int) -> None:
        change = self._currents.change(step)
        if change is None and self._bias:
            return
        for index, scale in self._scales.items():
            offset = self._network.populations[index].parameters["i_offset"]
            current = offset + (change or {}).get(index, 0.0)
            bias, clipped = quantise_bias(scale.rest + current * scale.bias_gain, self._chip.spec)
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
            changed = [
                name
                for name, values in new.parameters.items()
                if old.parameters[name] is not values and name != "i_offset"
            ]
            if changed:
                raise UnsupportedError(
                    f"population {new.label!r}: {', '.join(changed)} cannot be changed between "
                    "runs on Loihi arithmetic, whose scaling depends on it; run with neurons=exact"
                )
            if old.initial_values.get("v") is not new.initial_values.get("v"):
                reset = new.parameters["v_reset"]
                scaled = (new.initial_values["v"] - reset) / self._scales[index].unit_mV
                self._groups[index].v[:] = np.rint(scaled).astype(np.int64)
        for k, (old_p, new_p) in enumerate(
            zip(before.projections, network.projections, strict=True)
        ):
            if old_p.weight is not new_p.weight:
                self._weights[k] = self._integer_weights(new_p)
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


# --- The chip -------------------------------------------------------------------------------------


class Loihi:
    """Loihi-style: 128 asynchronous cores of integer neurons on an 8 x 4 mesh, barrier steps.

    Parameters
    ----------
    spec : str, Path or LoihiSpec
        A parameter set by name (:meth:`presets`), a TOML file, or the numbers themselves.
    effects : str or sequence of str
        Which deviations from the ideal are on, out of :attr:`all_effects`: ``time_step`` (only
        with ``step_ms``), ``weight_precision``, ``arithmetic`` (integer neurons), ``fabric``
        (sweeps and transport take time).
    fidelity : {"event", "analytic"}
        Timing by SimPy processes, or in closed form without contention.
    clocking : {"barrier", "free_running"}
        Loihi's barrier, or steps of fixed length that wait for nothing (a what-if).
    step_ms : float, optional
        Biological time of one step; the script's own time step by default, since nothing in the
        chip fixes it.
    step_ns : float, optional
        Length of a free-running step; real time by default.
    **changes
        Any field of the specification.

    Raises
    ------
    ModelError
        For an unknown option, name or value.
    """

    name = "loihi"
    spec_type = LoihiSpec
    all_effects = ("time_step", "weight_precision", "arithmetic", "fabric")

    def __init__(
        self,
        spec: str | Path | LoihiSpec | None = None,
        effects: str | Sequence[str] | None = None,
        fidelity: str = "event",
        clocking: str = "barrier",
        step_ms: float | str | None = None,
        step_ns: float | str | None = None,
        **changes: Any,
    ) -> None:
        loaded = spec if isinstance(spec, LoihiSpec) else self.load_spec(spec)
        self.spec = loaded.with_changes(changes)
        self.effects = choose_effects(effects, self.all_effects)
        self.fidelity = _one_of("fidelity", fidelity, ("event", "analytic"))
        self.clocking = _one_of("clocking", clocking, ("barrier", "free_running"))
        self.step_ms = _positive("step_ms", step_ms)
        if self.step_ms is None:
            self.effects = tuple(effect for effect in self.effects if effect != "time_step")
        self.step_ns = _positive("step_ns", step_ns)
        if self.step_ns is not None and self.clocking == "barrier":
            raise ModelError(
                "step_ns is the length of a free-running step: add clocking=free_running"
            )

    @classmethod
    def presets(cls) -> tuple[str, ...]:
        """Names of the parameter sets that ship with the chip, the default first."""
        return ("nahuku_fit", "davies2018")

    @classmethod
    def load_spec(cls, spec: str | Path | None = None) -> LoihiSpec:
        """A parameter set by name or from a TOML file."""
        name = str(spec or cls.presets()[0])
        if name in cls.presets():
            return LoihiSpec.from_toml(_SPECS / f"loihi.{name}.toml")
        if not name.endswith(".toml"):
            raise ModelError(
                f"unknown specification {name!r} of loihi; there are {', '.join(cls.presets())}, "
                "or give a .toml file"
            )
        return LoihiSpec.from_toml(Path(name))

    # A network in the chip's numbers

    def translate(self, network: Network, since: Translation | None = None) -> Translation:
        """The network in the chip's precision; see :class:`hwmodels.chip.Chip`."""
        counts: dict[str, int] = {}
        if self.step_ms is not None and "time_step" in self.effects:
            network, counts = _on_grid(network, self.step_ms)
        counts |= network.rounding()
        self._check_delays(network)
        scales = since.formats if since is not None else self._scales(network)
        rows: list[tuple] = []
        projections = list(network.projections)
        if "weight_precision" in self.effects:
            for k, projection in enumerate(network.projections):
                gain = self._gain(network, projection, scales)
                unit = _weight_unit(network.populations[projection.post].celltype)
                effective, row = quantise_weights(projection, gain, unit, self.spec)
                rows.append(row)
                counts["weights clipped"] = counts.get("weights clipped", 0) + int(row[-1])
                projections[k] = replace(projection, weight=effective)
        for index, scale in scales.items() if "arithmetic" in self.effects else ():
            rows += _parameter_rows(network, index, scale, self.spec)
        return Translation(
            replace(network, projections=tuple(projections)),
            np.array(rows, dtype=QUANTISATION),
            counts,
            scales,
        )

    def _scales(self, network: Network) -> dict[int, Scale]:
        """Number formats of all populations that the chip's arithmetic can compute.

        Without the effect ``arithmetic`` they still say how many compartments a cell takes and
        what its weights are multiples of, so that effects differ only by what they are.
        """
        own, dt = "arithmetic" in self.effects, network.timestep_ms
        scales = {}
        for index, population in enumerate(network.populations):
            if population.is_source or population.size == 0:
                continue
            if not own and native_obstacle(population, dt, self.spec) is not None:
                continue
            inputs = [p for p in network.projections if p.post == index]
            scales[index] = scale_population(population, inputs, network.timestep_ms, self.spec)
        return scales

    def _gain(
        self, network: Network, projection: Projection, scales: Mapping[int, Scale]
    ) -> NDArray[np.float64]:
        """State units that a weight of 1 adds, for each synapse."""
        scale = scales.get(projection.post)
        if scale is not None:
            return scale.gain[projection.receptor][projection.target]
        peaks = [
            float(np.abs(p.weight).max()) / largest_mantissa(p, self.spec)[0]
            for p in network.projections
            if p.post == projection.post and np.any(p.weight)
        ]
        unit = min(peaks, default=1.0) / (1 << _WEIGHT_SHIFT)
        return np.full(projection.n_synapses, 1 / unit)

    def _check_delays(self, network: Network) -> None:
        for projection in network.projections:
            steps = to_delay_steps(projection.delay_ms, network.timestep_ms)
            longest = int(steps.max(initial=0))
            if longest > self.spec.delay_steps_max:
                raise UnsupportedError(
                    f"projection {projection.label!r}: a delay of {projection.delay_ms.max():g} ms "
                    f"is {longest} steps of {network.timestep_ms:g} ms, Loihi holds at most "
                    f"{self.spec.delay_steps_max}; use a longer step (step_ms=...) or shorter "
                    "delays"
                )

    # Where everything goes

    def map(self, translation: Translation) -> Placement:
        """Cells to cores in order, within every limit."""
        network, spec = translation.network, self.spec
        delays = [
            int(to_delay_steps(p.delay_ms, network.timestep_ms).max(initial=0))
            for p in network.projections
        ]
        bits = spec.weight_bits + 1 + max(delays, default=0).bit_length()
        joined = any(scale.joined for scale in translation.formats.values())
        limits = CoreLimits(
            cores=spec.cores,
            units=spec.compartments_per_core,
            input_axons=spec.input_axons_per_core,
            output_axons=spec.output_axons_per_core,
            memory=spec.synaptic_words_per_core,
            # A joined cell takes a profile for each of its compartments.
            profiles=spec.compartment_profiles_per_core // (2 if joined else 1),
            memory_of=lambda synapses, contiguous: synaptic_words(synapses, contiguous, bits),
        )
        graph = mesh_graph(spec.columns, spec.rows, spec.cores_per_tile)
        return place_sequentially(
            network, limits, graph, self._units(translation), _profiles(translation)
        )

    def _units(self, translation: Translation) -> NDArray[np.int64]:
        """Compartments of each cell; 0 for spike sources, which the host injects."""
        network = translation.network
        units = np.zeros(int(network.offsets[-1]), dtype=np.int64)
        for index, population in enumerate(network.populations):
            if not population.is_source:
                joined = index in translation.formats and translation.formats[index].joined
                units[network.offsets[index] : network.offsets[index + 1]] = 2 if joined else 1
        return units

    # Arithmetic and time

    def neurons(self, translation: Translation) -> Neurons:
        """Integer compartments for a translated network."""
        if "arithmetic" not in self.effects:
            raise ModelError(
                "with the effect 'arithmetic' off, Loihi needs exact neurons: neurons=exact"
            )
        return LoihiNeurons(self, translation)

    def transport(self, translation: Translation, placement: Placement) -> LoihiTransport:
        """Sweeps, mesh, receive queues and barrier."""
        return LoihiTransport(self, translation, placement, self._units(translation))


class LoihiTransport(MulticoreTransport):
    """Loihi's numbers on a mesh of cores, with the energy of what happened."""

    def __init__(
        self,
        chip: Loihi,
        translation: Translation,
        placement: Placement,
        units_of: NDArray[np.int64],
    ) -> None:
        spec, self._chip = chip.spec, chip
        self._step_ms = translation.network.timestep_ms
        tiles = len(np.unique(placement.position, axis=0)) if placement.n_cores else 1
        period_ps = None
        if chip.clocking == "free_running":
            step_ns = chip.step_ns if chip.step_ns is not None else self._step_ms * 1e6
            period_ps = _ps(step_ns)
        super().__init__(
            placement,
            units_of,
            MeshTimes(
                columns=spec.columns,
                rows=spec.rows,
                ports=spec.cores_per_tile + 1,
                row_latency_ps=_ps(spec.hop_ew_ns),
                column_latency_ps=_ps(spec.hop_ns_ns),
                row_cycle_ps=_ps(spec.hop_ew_ns),
                column_cycle_ps=_ps(spec.hop_ns_ns),
                link_depth=spec.link_buffer_packets,
                port_depth=spec.core_buffer_packets,
                credit_ps=_ps(spec.credit_ns),
            ),
            CoreTimes(
                visit_ps=_ps(spec.visit_ns),
                update_ps=_ps(spec.update_ns),
                spike_ps=_ps(spec.spike_ns),
                message_out_ps=_ps(spec.message_out_ns),
                message_in_ps=_ps(spec.message_in_ns),
                synapse_dense_ps=_ps(spec.synapse_dense_ns),
                synapse_sparse_ps=_ps(spec.synapse_sparse_ns),
            ),
            overhead_ps=_ps(spec.barrier_of(tiles)) + _ps(spec.management_of(tiles)),
            fidelity=chip.fidelity if "fabric" in chip.effects else "free",
            period_ps=period_ps,
            host=(spec.host_column, spec.host_row),
        )

    def report(self, steps: int) -> HardwareReport:
        """Everything the chip did; see :class:`hwmodels.chip.Transport`."""
        spec, done = self._chip.spec, self.operations
        energy = [
            ("compartment visits", done.visits, spec.visit_pJ),
            ("compartment updates", done.updates, spec.update_pJ),
            ("spikes generated", done.spikes, spec.spike_pJ),
            ("messages sent", done.messages_out, spec.message_out_pJ),
            ("messages received", done.messages_in, spec.message_in_pJ),
            ("synapses, contiguous", done.synapses_dense, spec.synapse_dense_pJ),
            ("synapses, indexed", done.synapses_sparse, spec.synapse_sparse_pJ),
            ("hops east or west", done.hops_row, spec.hop_ew_pJ),
            ("hops north or south", done.hops_column, spec.hop_ns_pJ),
        ]
        return HardwareReport(
            chip=self._chip.name,
            spec=spec.name,
            effects=self._chip.effects,
            fidelity=self.fidelity,
            mesh=(spec.columns, spec.rows),
            packets=self.packets,
            links=self.links(),
            cores=self.cores(spec.synaptic_words_per_core),
            energy=np.array(energy, dtype=ENERGY),
            quantisation=np.empty(0, dtype=QUANTISATION),
            step_ps=np.array(self.step_ps[: steps + 1], dtype=np.int64),
            step_ms=self._step_ms,
            sources={
                "specification": spec.note,
                "static power": f"{spec.static_mW:g} mW a chip, not in the energy shown "
                f"({spec.sources.get('static_mW', ('',))[0]})",
                "spike sources": "injected by the host at router "
                f"({spec.host_column}, {spec.host_row}), one message after another",
                "two time constants": "a joined compartment computes inhibition where tau_syn_E "
                "and tau_syn_I differ; dendritic joins are recalled, not verified",
                "delays": f"up to {spec.delay_steps_max} steps; that more than 8 slots leave room "
                "for fewer compartments is not modelled",
                "synapse format": "contiguous target lists are dense, others indexed",
            },
        )


# --- Steps of the translation ---------------------------------------------------------------------


def quantise_weights(
    projection: Projection, gain: NDArray[np.float64], unit: str, spec: LoihiSpec
) -> tuple[NDArray[np.float64], tuple]:
    """Weights as 8-bit mantissas with one exponent, and a row of QUANTISATION."""
    weight = projection.weight
    if not len(weight):
        return weight, (projection.label, "weight", unit, 0, 0, 0, 0, 0, 0)
    largest, even = largest_mantissa(projection, spec)
    units = np.abs(weight) * gain / (1 << _WEIGHT_SHIFT)
    over = float(units.max()) / largest
    exponent = int(np.clip(np.ceil(np.log2(max(over, 1.0)) - 1e-9), 0, spec.weight_exponent_max))
    mantissa = np.rint(units / 2**exponent / even) * even
    clipped = mantissa > largest
    mantissa = np.minimum(mantissa, largest)
    quantum = even * 2**exponent * (1 << _WEIGHT_SHIFT) / gain
    effective = np.sign(weight) * mantissa / even * quantum
    return effective, _row(
        projection.label, "weight", unit, weight, effective, float(quantum.max()), clipped
    )


def largest_mantissa(projection: Projection, spec: LoihiSpec) -> tuple[int, int]:
    """The largest mantissa of a projection's weights, and the step between mantissas.

    Where both signs occur the mantissa is even, as the sign takes its last bit.
    """
    mixed = bool(np.any(projection.weight > 0) and np.any(projection.weight < 0))
    step = 2 if mixed else 1
    return (2**spec.weight_bits - 1) // step * step, step


def _weight_unit(celltype: str) -> str:
    """PyNN's unit of a weight onto a cell type."""
    if "cond" in celltype:
        return "uS"
    return "nA" if "curr" in celltype and not celltype.endswith("delta") else "mV"


def _row(where, what, unit, exact, effective, step, clipped=None) -> tuple:
    """A row of QUANTISATION from the values before and after."""
    error = np.abs(effective - exact)
    nonzero = exact != 0
    relative = error[nonzero] / np.abs(exact[nonzero])
    return (
        where, what, unit, len(exact), step,
        float(error.max(initial=0)), float(np.sqrt(np.mean(error**2))) if len(error) else 0.0,
        float(relative.max(initial=0)), 0 if clipped is None else int(np.count_nonzero(clipped)),
    )  # fmt: skip


def _parameter_rows(network: Network, index: int, scale: Scale, spec: LoihiSpec) -> list[tuple]:
    """What the integer arithmetic makes of a population's parameters."""
    population, dt = network.populations[index], network.timestep_ms
    p = population.parameters

    def time_constant(decay: NDArray[np.int64]) -> NDArray[np.float64]:
        kept = 1 - np.minimum(decay, spec.one - 1) / spec.one
        return np.where(decay > 0, -dt / np.log(np.where(decay > 0, kept, 0.5)), 1e9)

    rows = [
        _row(population.label, "tau_m", "ms", p["tau_m"], time_constant(scale.decay_v), 0.0),
        _row(
            population.label, "v_thresh", "mV", p["v_thresh"],
            p["v_reset"] + scale.threshold * scale.unit_mV, 64 * scale.unit_mV,
        ),
    ]  # fmt: skip
    if population.celltype == "IF_curr_exp":
        for receptor, name in (("excitatory", "tau_syn_E"), ("inhibitory", "tau_syn_I")):
            effective = time_constant(scale.decay_u[receptor])
            rows.append(_row(population.label, name, "ms", p[name], effective, 0.0))
    exact = scale.rest + p["i_offset"] * scale.bias_gain
    bias, _ = quantise_bias(exact, spec)
    if np.any(exact):
        to_nA = 1 / scale.bias_gain
        rows.append(
            _row(population.label, "bias", "nA", exact * to_nA, bias * to_nA, float(to_nA.max()))
        )
    return rows


def _profiles(translation: Translation) -> NDArray[np.int64]:
    """Number of the set of registers that each cell needs; equal numbers can share a profile."""
    network = translation.network
    registers = np.zeros((int(network.offsets[-1]), 5), dtype=np.int64)
    for index, scale in translation.formats.items():
        registers[network.offsets[index] : network.offsets[index + 1]] = np.stack(
            [
                scale.decay_u["excitatory"],
                scale.decay_u["inhibitory"],
                scale.decay_v,
                scale.threshold,
                scale.refractory,
            ],
            axis=1,
        )
    if not len(registers):
        return np.empty(0, dtype=np.int64)
    return np.unique(registers, axis=0, return_inverse=True)[1].reshape(-1)


def _on_grid(network: Network, step_ms: float) -> tuple[Network, dict[str, int]]:
    """The network on a coarser (or finer) grid; sampling intervals become multiples of it."""
    recordings, adapted = [], 0
    for recording in network.recordings:
        interval = max(1, round(recording.interval_ms / step_ms)) * step_ms
        adapted += abs(interval - recording.interval_ms) > 1e-9 and recording.variable != "spikes"
        recordings.append(replace(recording, interval_ms=interval))
    counts = {"sampling intervals adapted to the step": adapted} if adapted else {}
    return replace(network, timestep_ms=step_ms, recordings=tuple(recordings)), counts


def _ps(ns: float) -> int:
    """Nanoseconds as whole picoseconds."""
    return round(ns * 1000)


def _one_of(name: str, value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise ModelError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    return value


def _positive(name: str, value: float | str | None) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not number > 0:
        raise ModelError(f"{name} must be a number > 0, got {value!r}")
    return number


CHIP = Loihi
