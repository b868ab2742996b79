"""What became of pulses that did not get where they should, by names a reader understands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwmodels.fabric.pulse import BLOCKED, DEAF, FLAGGED, FLOOR, TOO_CLOSE
from hwmodels.fabric.pulse_cells import CellLibrary

#: By kind of cell, where a pulse that came too close was absorbed.
_PLACES = {
    "MERGE": "pulses absorbed in mergers",
    "DCSFQ": "pulses absorbed at inputs",
    "SPLIT": "pulses absorbed on lines",
    "JTL": "pulses absorbed on lines",
    "BURST": "pulses absorbed by busy synapses",
    "NDRO": "pulses absorbed by busy synapses",
    "GATE": "pulses absorbed by busy synapses",
    "LOOP": "pulses absorbed at somas",
    "COUNTER": "pulses absorbed at somas",
    "T1": "pulses absorbed at somas",
    "OUT": "pulses absorbed at somas",
    "NOT": "pulses absorbed at somas",
}
_ENDS = {
    FLAGGED: "pulses within setup or hold times",
    BLOCKED: "pulses blocked by stochastic synapses",
    DEAF: "pulses to refractory somas",
    FLOOR: "pulses that inhibit beyond the range of a soma",
}


def count_ends(
    log: NDArray, types: NDArray[np.int64], library: CellLibrary, counts: dict[str, int]
) -> None:
    """Add what a log tells to counts.

    Parameters
    ----------
    log : structured array of :data:`hwmodels.fabric.pulse.LOG`
    types : int64, shape (cells,)
        Of the netlist.
    library : CellLibrary
    counts : dict
        Changed in place.
    """
    for what, name in _ENDS.items():
        n = int(np.count_nonzero(log["what"] == what))
        if n:
            counts[name] = counts.get(name, 0) + n
    absorbed = types[log["cell"][log["what"] == TOO_CLOSE]]
    names = list(library.cells)
    for kind, n in enumerate(np.bincount(absorbed, minlength=len(names)).tolist()):
        if n:
            name = _PLACES.get(names[kind], f"pulses absorbed in {names[kind]}")
            counts[name] = counts.get(name, 0) + n
