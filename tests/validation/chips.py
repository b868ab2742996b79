"""Every chip that is compared with published figures, by the name its documentation uses."""

from __future__ import annotations

from types import ModuleType

from tests.validation import dynapse, loihi, neurocorex, sfq, spinnaker, truenorth

#: Each module has ``all_targets()`` and the names of those ``KNOWN_OFF``.
CHIPS: dict[str, ModuleType] = {
    "Loihi": loihi,
    "DynapSE": dynapse,
    "NeuroCoreX": neurocorex,
    "SpiNNaker": spinnaker,
    "TrueNorth": truenorth,
    "SFQ": sfq,
}
