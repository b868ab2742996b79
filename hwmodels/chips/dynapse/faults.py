"""CAM words that do not match, as they were drawn when the chip was made.

Either any (neuron, word, tag) fails with one small chance, or words fail as on real chips: with a
chance that depends on core and half of the tags, for all tags of that half.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.dynapse.spec import DynapseSpec
from hwmodels.mixing import mixed
from hwmodels.spec import read_toml

#: Where the second half of the tags begins, for which real chips fail less.
_HALF = 1024


@dataclass(frozen=True)
class FaultProfile:
    """Where the words of one real chip fail.

    Attributes
    ----------
    name, source : str
    share : tuple of tuple of float
        Of words that fail; by half of the tags, then by core.
    """

    name: str
    source: str
    share: tuple[tuple[float, ...], tuple[float, ...]]

    def of(self, core: NDArray[np.int64], tag: NDArray[np.int64]) -> NDArray[np.float64]:
        """Shares for cores (numbered over the whole board) and tags; broadcast."""
        table = np.array(self.share)
        return table[(np.asarray(tag) >= _HALF).astype(np.int64), core % table.shape[1]]


@cache
def fault_profiles() -> dict[str, FaultProfile]:
    """The chips that were published, by name."""
    path = Path(__file__).parent / "cam_profiles.toml"
    return {
        name: FaultProfile(
            name,
            f"{chip['source']} ({chip['evidence']})",
            (tuple(chip["below_1024"]), tuple(chip["above"])),
        )
        for name, chip in read_toml(path).items()
    }


def faulty(
    neuron: NDArray[np.int64],
    word: NDArray[np.int64],
    tag: NDArray[np.int64],
    spec: DynapseSpec,
    seed: int,
    profile: FaultProfile | None = None,
) -> NDArray[np.bool_]:
    """Which CAM words of a chip never match which tags; nothing but the chip decides it.

    Parameters
    ----------
    neuron, word, tag : int64, shape (n,)
        Neuron of the board, number of the word in its CAM, and tag.
    spec : DynapseSpec
        Its density holds for all words, beside a profile too.
    seed : int
        Of the chip.
    profile : FaultProfile, optional
    """
    bad = _drawn(neuron, word, tag, seed) < spec.cam_fault_density
    if profile is not None:
        # Above all tags, so that no draw is made twice.
        half = (1 << 15) + (tag >= _HALF)
        share = profile.of(neuron // spec.neurons_per_core % spec.cores_per_chip, tag)
        bad |= _drawn(neuron, word, half, seed) < share
    return bad


def _drawn(
    neuron: NDArray[np.int64], word: NDArray[np.int64], tag: NDArray[np.int64], seed: int
) -> NDArray[np.float64]:
    """A uniform number for each place of a chip."""
    chip = mixed(np.array([seed & (1 << 64) - 1], dtype=np.uint64))
    place = (neuron << 32 | word << 16 | tag).astype(np.uint64)
    # 53 bits make a uniform number.
    return (mixed(place ^ chip) >> np.uint64(11)).astype(np.float64) * 2.0**-53
