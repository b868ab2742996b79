"""SpiNNaker-style hardware on the cortical microcircuit, against the spread between seeds (#7).

    python -m tests.validation.microcircuit            # about half an hour: runs, prints, records
    python -m tests.validation.microcircuit --recorded # prints what was recorded last

Measures and length are those of the reference implementation's own test of its seeds
(``reference_data/params.py``: scale 0.2, five seeds, 1 s after a transient of 0.5 s): rates, the
variation of intervals, and correlations of spike counts in bins of 2 ms, each as a distribution
over the cells of a population. Two distributions are as far apart as Kolmogorov and Smirnov have
it. What is compared is how far the chip's are from the software's *of other seeds*, over how far
the software's are from each other; the datasheet allows 3.
"""

from __future__ import annotations

import argparse
import json
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.validation.table import Target, rows

RECORD = Path(__file__).with_suffix(".json")
CHIP = "spinnaker:neurons_per_core=80:time_scale_factor=20"
MEASURES = ("rate", "CV of intervals", "correlation")
_BIN_ms, _SAMPLE = 2.0, 250


class Distances(NamedTuple):
    """Of one measure in one population.

    Attributes
    ----------
    chip : float
        Mean over the chip's seeds and the software's other ones.
    seeds : float
        Mean over pairs of the software's seeds.
    rates_Hz : tuple of float
        Mean rate in software and on the chip.
    """

    chip: float
    seeds: float
    rates_Hz: tuple[float, float]


def statistics(result, transient_ms: float) -> dict[str, list[NDArray[np.float64]]]:
    """Distributions over the cells of each population, by its name, in the order of MEASURES."""
    from scenarios.microcircuit import interval_cv

    span_ms = result.duration_ms - transient_ms
    found = {}
    for label, size, spikes in zip(result.labels, result.sizes, result.spikes, strict=True):
        late = spikes.time_ms >= transient_ms
        cell, time_ms = spikes.cell[late], spikes.time_ms[late] - transient_ms
        counts = np.bincount(cell, minlength=size)
        found[label] = [
            counts / span_ms * 1e3, interval_cv(cell, time_ms), _correlations(cell, time_ms, counts)
        ]  # fmt: skip
    return found


def _correlations(cell, time_ms, counts) -> NDArray[np.float64]:
    """Of all pairs out of some cells that spike."""
    active = np.flatnonzero(counts)
    chosen = np.random.default_rng(12345).permutation(active)[:_SAMPLE]
    place = np.full(len(counts), -1)
    place[chosen] = np.arange(len(chosen))
    kept = place[cell] >= 0
    bins = (time_ms[kept] / _BIN_ms).astype(int)
    table = np.zeros((len(chosen), bins.max(initial=0) + 1))
    np.add.at(table, (place[cell[kept]], bins), 1)
    return np.corrcoef(table)[np.triu_indices(len(chosen), 1)]


def compare(software: list[dict], chip: list[dict]) -> dict[str, dict[str, Distances]]:
    """Distances by population and measure; the chip's run ``k`` has the software's seed ``k``."""
    from scipy.stats import ks_2samp

    found: dict[str, dict[str, Distances]] = {}
    for label in software[0]:
        for k, measure in enumerate(MEASURES):
            ours = [
                ks_2samp(one[label][k], other[label][k]).statistic
                for i, one in enumerate(chip) for j, other in enumerate(software) if i != j
            ]  # fmt: skip
            theirs = [
                ks_2samp(one[label][k], other[label][k]).statistic
                for one, other in combinations(software, 2)
            ]
            rates = tuple(
                float(np.mean([one[label][0].mean() for one in runs])) for runs in (software, chip)
            )
            found.setdefault(label, {})[measure] = Distances(
                float(np.mean(ours)), float(np.mean(theirs)), rates
            )
    return found


def run(seeds: int, on_chip: int, arguments: list[str]) -> dict:
    """Everything: networks of so many seeds in software, and some of them on the chip."""
    from cosim.engines import get_engine
    from cosim.workload import load_workload
    from scenarios.microcircuit import TRANSIENT_ms

    software, chip, counts = [], [], {}
    for seed in range(123450, 123450 + seeds):
        workload = load_workload(
            "microcircuit", [*arguments, "--seed", str(seed)], get_engine("brian2")
        )
        software.append(statistics(workload.result, TRANSIENT_ms))
        if len(chip) < on_chip:
            result = workload.experiment.execute(get_engine(CHIP))
            chip.append(statistics(result, TRANSIENT_ms))
            counts = dict(result.counts)
    distances = compare(software, chip)
    return {
        "chip": CHIP, "seeds": seeds, "seeds on the chip": on_chip, "arguments": arguments,
        "counts of the last run": counts,
        "distances": {p: {m: list(d) for m, d in of.items()} for p, of in distances.items()},
    }  # fmt: skip


def targets(record: dict) -> list[Target]:
    """The table: distances of the chip, those between seeds as published, at most 3."""
    found = []
    for measure in MEASURES:
        for label, of in record["distances"].items():
            ours, theirs, _ = of[measure]
            found.append(
                Target("#7", f"{label}, {measure}, distance (over seeds')", ours, theirs, "", 0.0,
                       3.0, "own runs of the reference's test")
            )  # fmt: skip
    return found


def recorded() -> list[Target]:
    """From the last run that was recorded."""
    return targets(json.loads(RECORD.read_text()))


def report(record: dict) -> str:
    """The table, and rates beside it."""
    lines = [rows(targets(record)), "", "| population | software | chip | unit |",
             "| --- | --- | --- | --- |"]  # fmt: skip
    for label, of in record["distances"].items():
        software, chip = of["rate"][2]
        lines.append(f"| {label} | {software:.3f} | {chip:.3f} | Hz |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="microcircuit", description=__doc__.splitlines()[0])
    parser.add_argument("--recorded", action="store_true", help="print the last record")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--on-chip", type=int, default=2, help="how many of them on the chip")
    parser.add_argument("--scale", default="0.2")
    parser.add_argument("--duration", default="1500")
    given = parser.parse_args()
    if given.recorded:
        print(report(json.loads(RECORD.read_text())))
        return
    arguments = ["--scale", given.scale, "--duration", given.duration]
    record = run(given.seeds, given.on_chip, arguments)
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    print(report(record))


if __name__ == "__main__":
    main()
