"""Pair STDP as the board has it: rectangles in place of exponentials, one rule for all weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hwmodels.chips.neurocorex.formats import Board, Rule, array_of
from hwmodels.chips.neurocorex.spec import NeurocorexSpec
from hwmodels.errors import UnsupportedError
from hwmodels.network import Network, Projection
from hwmodels.quantisation import quantisation_row

_ARRAYS = ("recurrent", "input")


def learning_rule(
    network: Network, board: Board, spec: NeurocorexSpec
) -> tuple[Rule | None, list[tuple], int]:
    """The pair rule of the learning projections as rectangles, with what that changed.

    A rectangle of twice the time constant and half the height has the area and the mean interval
    of the exponential.

    Raises
    ------
    UnsupportedError
        When projections learn by different rules, or weights change by less than a unit.
    """
    learning = [p for p, plastic in zip(network.projections, board.plastic, strict=True) if plastic]
    if not learning:
        return None, [], 0
    windows: dict[str, list[int | None]] = {"tau_plus": [None, None], "tau_minus": [None, None]}
    rows: list[tuple] = []
    clipped = 0
    units, first = [], {k: float(v) for k, v in learning[0].dynamics.parameters.items()}
    for p in learning:
        _check_learning(p, board, first, spec)
        array = array_of(network, p)
        units.append(board.amplitude[array] / board[p.post].gain[p.target])
        for name, registers in windows.items():
            tau = float(p.dynamics.parameters[name])
            steps = round(2 * tau / network.timestep_ms) - 1
            register = min(max(steps, 0), spec.window_max_steps)
            clipped += register != steps
            made = np.array([(register + 1) * network.timestep_ms / 2])
            rows.append(quantisation_row(p.label, name, "ms", np.array([tau]), made, 0.0))
            if registers[array] not in (None, register):
                raise UnsupportedError(
                    f"projection {p.label!r}: {name} of {tau:g} ms: NeuroCoreX has one window for "
                    f"all {_ARRAYS[array]} weights; give all the same"
                )
            registers[array] = register
    heights = {}
    unit = float(np.mean(np.concatenate(units)))
    for name in ("A_plus", "A_minus"):
        height = first[name] * first["w_max"] / 2 / unit
        if height and round(height) < 1:
            raise UnsupportedError(
                f"projection {learning[0].label!r}: {name} of {first[name]:g} changes weights by "
                f"{height:.2g} of their unit on NeuroCoreX, which changes them by whole units; use "
                f"at least {first[name] * 0.5 / height:.2g}"
            )
        heights[name] = round(height)
        for p, own in zip(learning, units, strict=True):
            made = heights[name] * 2 * own / first["w_max"]
            exact = np.full(p.n_synapses, first[name])
            rows.append(quantisation_row(p.label, name, "", exact, made, 0.0))
    plus, minus = ((r[0] or 0, r[1] or 0) for r in windows.values())
    return Rule(plus, minus, heights["A_plus"], heights["A_minus"]), rows, clipped


def _check_learning(
    p: Projection, board: Board, first: Mapping[str, float], spec: NeurocorexSpec
) -> None:
    """Refuse a learning projection that the board's one rule is not."""
    if p.post not in board.scales:
        raise UnsupportedError(
            f"projection {p.label!r}: NeuroCoreX learns in its own arithmetic alone; run with "
            "neurons=chip, or use static synapses"
        )
    if np.any(p.weight < 0):
        raise UnsupportedError(
            f"projection {p.label!r}: NeuroCoreX lowers no weight below {spec.learned_weight_min} "
            "unit, so inhibitory weights cannot learn; use static synapses"
        )
    for name in ("A_plus", "A_minus", "w_max"):
        value = float(p.dynamics.parameters[name])
        if value != first[name]:
            raise UnsupportedError(
                f"projection {p.label!r}: {name} of {value:g}: NeuroCoreX changes all weights by "
                f"the same, and another projection has {first[name]:g}; give all the same"
            )
