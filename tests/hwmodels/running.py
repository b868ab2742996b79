"""Runs a network on a chip's own neurons, without the platform around it."""

from __future__ import annotations

from hwmodels.chips.loihi import Loihi
from hwmodels.network import Network
from hwmodels.result import Result


def run(network: Network, until_ms: float, **options) -> Result:
    return run_on(Loihi(**options), network, until_ms)


def run_on(chip, network: Network, until_ms: float) -> Result:
    translation = chip.translate(network)
    placement = chip.map(translation)
    running = chip.run(translation, placement)
    running.advance(translation.network, round(until_ms / translation.network.timestep_ms))
    return running.result(chip.name, translation, host_seconds=0.0)
