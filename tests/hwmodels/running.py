"""Runs a network on a chip's own neurons, without the platform around it."""

from __future__ import annotations

from hwmodels.chips.loihi import Loihi
from hwmodels.network import Network
from hwmodels.result import Result


def run(network: Network, until_ms: float, **options) -> Result:
    chip = Loihi(**options)
    translation = chip.translate(network)
    placement = chip.map(translation)
    lockstep = chip.run(translation, placement)
    lockstep.advance(translation.network, round(until_ms / translation.network.timestep_ms))
    return lockstep.result("loihi", translation, host_seconds=0.0)
