"""What was tried to explain the rise of the four membrane traces (#11), one reading at a time.

Each variant changes one thing of the experiment as it is read and says what becomes of the ratio
of rise to what was measured. Nothing here is used anywhere else: the model has what is published.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from hwmodels.chips.dynapse import Dynapse
from hwmodels.chips.dynapse.analogue import GATED_POWER, constants, integrate, resting_state
from hwmodels.chips.dynapse.devices import pulse_factor
from hwmodels.chips.dynapse.silicon import AMPA
from tests.validation.dynapse import ALPHA, GAIN_A, ON_S, TRACES, arc, lone_neuron

_STEP_S = 20e-6
#: What the oscilloscope resolves: time in ms by trace, voltage in V (datasheet 1.6).
_GRID_MS, _GRID_V = {0: 0.4, 1: 0.4, 2: 0.1, 3: 0.1}, 2e-3
#: Measured rise in ms from 10 to 90 % of the plateau and not of the peak, and slope in V/s from
#: 10 to 50 % (TEK0000, 1 and 3, read from the recordings).
_OF_PLATEAU = {0: 56.8, 1: 53.4}
_FALL = {number: fall for number, *_, fall, _, _ in TRACES}
_SLOPE = {0: 8.49, 1: 8.15, 3: 112.0}


@dataclass(frozen=True)
class Neuron:
    """One trace's experiment; currents in pA, the weight in nA, times in ms."""

    number: int
    dc: float
    leak: float
    ampa: float
    weight: float
    rise: float
    feedback: bool = True
    thermal: float = 1.0
    pulse: float = 0.0
    synapse: float = 1.0
    start: float = 1.0


def _as_published() -> list[Neuron]:
    return [Neuron(n, dc, leak, ampa, w, rise) for n, dc, leak, ampa, w, _, rise, _ in TRACES]


def simulated(neurons: list[Neuron], step_s: float = _STEP_S) -> np.ndarray:
    """Membranes in V above rest; float64, shape (steps, neurons)."""
    spec = Dynapse(membrane_pF=3.0, dark_pA=0.05).spec

    def column(value: Callable[[Neuron], float]) -> np.ndarray:
        return np.array([value(n) for n in neurons])

    ampa, thermal = column(lambda n: n.ampa) * 1e-12, column(lambda n: n.thermal)
    one = np.ones(len(neurons))
    small = lone_neuron(spec, 1.0, 1.0, 1.0)
    # Every field is one number for one neuron; here it is one for each.
    wide = {
        name: np.repeat(np.asarray(value), len(neurons), axis=-1)
        for name, value in vars(small).items()
    }
    silicon = replace(
        small,
        **wide
        | dict(
            leak=column(lambda n: n.leak) * 1e-12,
            gain=GAIN_A * one,
            synapse_leak=np.tile(ampa, (4, 1)),
            synapse_time=np.tile(thermal * column(lambda n: n.synapse), (4, 1)),
            membrane_time=thermal,
            feedback_threshold=column(lambda n: GAIN_A if n.feedback else 1.0),
            feedback_norm=one / ALPHA,
        ),
    )
    c = constants(silicon, spec, step_s, GATED_POWER)
    state = resting_state(c.dark * column(lambda n: n.start))
    jump = 70e-12 / ampa * column(lambda n: n.weight) * 1e-9
    jump = jump * pulse_factor(ampa, spec) / spec.synapse_gain_ratio
    # A wide pulse brings the same charge in equal parts.
    parts = np.maximum(np.rint(column(lambda n: n.pulse) * 1e-3 / step_s), 1).astype(int)
    volts, on = [], round(ON_S / step_s)
    spiked, offset = np.empty(len(neurons), np.int64), np.empty(len(neurons))
    c.dc[:] = column(lambda n: n.dc) * 1e-12
    for step in range(on):
        state.synapse[AMPA] += np.where(step < parts, jump / parts, 0.0)
        integrate(state, c, 1, spiked, offset)
        volts.append(np.log(state.membrane / c.dark))
    return np.array(volts) * thermal * spec.thermal_mV * 1e-3 / spec.kappa


def rise_ms(v: np.ndarray, step_ms: float, top: float | None = None) -> float:
    """From 10 to 90 % of the highest value, or of another."""
    top = float(v.max()) if top is None else top
    return float(np.argmax(v >= 0.9 * top) - np.argmax(v >= 0.1 * top)) * step_ms


def _seen(v: np.ndarray, number: int) -> tuple[np.ndarray, float]:
    """As the oscilloscope shows it: on its grid of time and voltage."""
    every = round(_GRID_MS[number] * 1e-3 / _STEP_S)
    return np.rint(v[::every] / _GRID_V) * _GRID_V, _GRID_MS[number]


def variants() -> list[tuple[str, list[float | None]]]:
    """Names, and the ratio of ours to measured rise of traces 0, 2, 1 and 3; None: it has none."""
    published = _as_published()
    changed: dict[str, Callable[[Neuron], Neuron]] = {
        "as published": lambda n: n,
        "without positive feedback": lambda n: replace(n, feedback=False),
        "chip at 47 C (thermal voltage 27.6 mV)": lambda n: replace(n, thermal=320.3 / 290.1),
        "starts at five times the dark current": lambda n: replace(n, start=5.0),
        "input pulse of 100 us, same charge": lambda n: replace(n, pulse=0.1),
        "input pulse of 1 ms, same charge": lambda n: replace(n, pulse=1.0),
        "constant currents of 0 and 1 exchanged": lambda n: replace(
            n, dc={0: 47.0, 1: 40.0}.get(n.number, n.dc)
        ),
        "leaks of 0/2 and 1/3 exchanged": lambda n: replace(n, leak=9.1 - n.leak),
        "synaptic leak of trace 2 for trace 3": lambda n: replace(n, ampa=50.0),
        "synaptic leaks of 2 and 3 exchanged": lambda n: replace(n, ampa=120.0 - n.ampa),
        "synapse capacitance of the membrane's size (3 pF)": lambda n: replace(n, synapse=1.5),
        "a fit: constant current from the trace's own slopes": lambda n: replace(
            n, dc=n.leak * (1 - _SLOPE[n.number] / _FALL[n.number]) if n.dc else 0.0
        ),
    }
    every = [change(n) for change in changed.values() for n in published]
    volts = simulated(every)
    ratios = [rise_ms(v, _STEP_S * 1e3) / n.rise for v, n in zip(volts.T, every, strict=True)]
    rows: list[tuple[str, list[float | None]]] = []
    for k, name in enumerate(changed):
        mine = every[4 * k : 4 * k + 4]
        same = [k > 0 and a == b for a, b in zip(mine, published, strict=True)]
        rows.append((name, [None if s else r for s, r in zip(same, ratios[4 * k :], strict=False)]))
    first = volts.T[:4]
    readings: list[tuple[str, list[float | None]]] = [
        ("rise read on the oscilloscope's grid", [
            rise_ms(*_seen(v, n.number)) / n.rise for v, n in zip(first, published, strict=True)
        ]),
        ("rise to 90 % of the plateau, not of the peak", [
            rise_ms(v, _STEP_S * 1e3, float(v[-1])) / _OF_PLATEAU[n.number]
            if n.number in _OF_PLATEAU else None
            for v, n in zip(first, published, strict=True)
        ]),
        ("ARC's equations in ARC's steps (0.4, 0.1 ms)", [
            arc(n.number, _GRID_MS[n.number] * 1e-3)[1] / n.rise for n in published
        ]),
        ("slope from 10 to 50 %, over the measured one", [
            _slope(v) / _SLOPE[n.number] if n.number in _SLOPE else None
            for v, n in zip(first, published, strict=True)
        ]),
    ]  # fmt: skip
    return [*rows[:-1], *readings, rows[-1]]


def _slope(v: np.ndarray) -> float:
    low, high = (int(np.argmax(v >= share * v.max())) for share in (0.1, 0.5))
    return float(v[high] - v[low]) / ((high - low) * _STEP_S)


def table() -> str:
    """The variants as Markdown."""
    lines = ["| reading | trace 0 | trace 2 | trace 1 | trace 3 |", "| --- " * 5 + "|"]
    for name, ratios in variants():
        cells = ["" if r is None else f"{r:.3f}" for r in ratios]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
