"""The comparator: two results of one network in, one :class:`Comparison` out.

It knows results and, if given, the network; it must not know any engine, PyNN or how to draw. A
comparison keeps the two results for the report, and everything else in it is plain numbers under
names with units, so :meth:`Comparison.to_dict` is the whole of it.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cosim
from cosim.compare.hardware import HardwareMetrics, measure_hardware
from cosim.compare.learned import WeightComparison, compare_weights
from cosim.compare.spiketrains import Alignment, SpikeComparison, align, summarise
from cosim.compare.traces import TraceComparison, compare_traces
from hwmodels.errors import ModelError
from hwmodels.network import Network
from hwmodels.result import Result, Spikes

#: Raised when a key of :meth:`Comparison.to_dict` changes its name or meaning.
FORMAT = 1


@dataclass(frozen=True)
class TaskMetric:
    """A scenario's own measure of success, for instance a classification accuracy."""

    name: str
    reference: float | None
    candidate: float | None

    @property
    def difference(self) -> float | None:
        """Candidate minus reference."""
        if self.reference is None or self.candidate is None:
            return None
        return self.candidate - self.reference


@dataclass(frozen=True, eq=False)
class Comparison:
    """How one candidate deviates from one reference on the same network.

    Attributes
    ----------
    name : str
        Of the candidate: what was given, else its chip, else its engine.
    reference_name : str
    reference, candidate : Result
    duration_ms : float
        The span both runs cover; only spikes in it are compared.
    window_ms, coincidence_ms, tau_ms : float
        Matching window, coincidence window, time constant of the van Rossum distance.
    populations : tuple of SpikeComparison
        In the network's order.
    total : SpikeComparison
        All computed and recorded populations together; all recorded ones when the network is
        not known.
    shifts_ms : tuple of float64 arrays
        For each population the time shifts of its matched spikes, for the histogram.
    traces : tuple of TraceComparison
    weights : tuple of WeightComparison
        Of projections that learned in both.
    hardware : HardwareMetrics or None
    task : tuple of TaskMetric
    notes : tuple of str
        What limits this comparison, in words.
    provenance : mapping of str to str
        Given by the caller (script, seeds, options) and versions.
    """

    name: str
    reference_name: str
    reference: Result
    candidate: Result
    duration_ms: float
    window_ms: float
    coincidence_ms: float
    tau_ms: float
    populations: tuple[SpikeComparison, ...]
    total: SpikeComparison
    shifts_ms: tuple[NDArray[np.float64], ...]
    traces: tuple[TraceComparison, ...]
    hardware: HardwareMetrics | None
    task: tuple[TaskMetric, ...] = ()
    weights: tuple[WeightComparison, ...] = ()
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def identical(self) -> bool:
        """Whether every recorded spike of every population is the same, in cell and time.

        False when nothing was recorded or nothing spiked: then there is nothing to be equal.
        """
        recorded = [p for p in self.populations if p.recorded]
        spikes = sum(p.reference_spikes for p in recorded)
        return spikes > 0 and all(p.identical for p in recorded)

    @property
    def silent(self) -> bool:
        """Whether neither run has a single recorded spike."""
        return all(p.reference_spikes + p.candidate_spikes == 0 for p in self.populations)

    def to_dict(self, volatile: bool = True) -> dict[str, Any]:
        """Everything in plain Python values; the keys are stable and carry their units.

        Parameters
        ----------
        volatile : bool
            Whether to include the key ``"volatile"``, the only one under which values stand
            that differ between two runs of the same thing (seconds on this computer).
        """
        content: dict[str, Any] = {
            "format": FORMAT,
            "kind": "comparison",
            "name": self.name,
            "identical": self.identical,
            "duration_ms": self.duration_ms,
            "window_ms": self.window_ms,
            "coincidence_ms": self.coincidence_ms,
            "tau_ms": self.tau_ms,
            "reference": _describe(self.reference, self.reference_name),
            "candidate": _describe(self.candidate, self.name),
            "total": asdict(self.total),
            "populations": {p.label: asdict(p) for p in self.populations},
            "traces": [asdict(t) for t in self.traces],
            "weights": {w.projection: asdict(w) for w in self.weights},
            "hardware": None if self.hardware is None else asdict(self.hardware),
            "task": {
                t.name: {
                    "reference": t.reference,
                    "candidate": t.candidate,
                    "difference": t.difference,
                }
                for t in self.task
            },
            "notes": list(self.notes),
            "provenance": dict(self.provenance),
        }
        if volatile:
            content["volatile"] = {
                "reference_host_s": float(self.reference.host_seconds),
                "candidate_host_s": float(self.candidate.host_seconds),
            }
        return _plain(content)

    def to_json(self, volatile: bool = True) -> str:
        """:meth:`to_dict` as JSON with sorted keys; the same input gives the same bytes."""
        return json.dumps(self.to_dict(volatile), indent=1, sort_keys=True, allow_nan=False) + "\n"

    def save_json(self, path: str | Path, volatile: bool = True) -> None:
        """Write :meth:`to_json` to a file."""
        Path(path).write_text(self.to_json(volatile), encoding="utf-8")


def compare(
    reference: Result,
    candidate: Result,
    network: Network | None = None,
    *,
    name: str | None = None,
    reference_name: str | None = None,
    window_ms: float = 5.0,
    coincidence_ms: float = 1.0,
    tau_ms: float = 10.0,
    reference_task: Mapping[str, float] | None = None,
    candidate_task: Mapping[str, float] | None = None,
    provenance: Mapping[str, str] | None = None,
) -> Comparison:
    """Compare a candidate run with a reference run of the same network.

    Parameters
    ----------
    reference, candidate : Result
        Of the same populations. Runs of different length are compared over the shorter one, and
        a note says so.
    network : Network, optional
        What was executed. Tells silent populations from those not recorded, spike sources from
        computed cells, and the fan-out where a chip kept no packets.
    name, reference_name : str, optional
        For people. Otherwise the chip's name, or the engine's.
    window_ms : float
        The longest shift at which two spikes still count as the same spike.
    coincidence_ms : float
        The shift at which they count as coincident; at most ``window_ms``.
    tau_ms : float
        Time constant of the van Rossum distance.
    reference_task, candidate_task : mapping of str to float, optional
        A scenario's own metrics, by name.
    provenance : mapping of str to str, optional
        Script, seeds, options: whatever a reader needs to repeat this. Versions are added.

    Returns
    -------
    Comparison

    Raises
    ------
    ModelError
        When the two results are not of the same populations, or a window is out of range.
    """
    _check(reference, candidate, window_ms, coincidence_ms, tau_ms)
    duration_ms = min(reference.duration_ms, candidate.duration_ms)
    recorded, sources = _recorded_cells(reference, candidate, network)
    alignments: list[Alignment] = []
    populations: list[SpikeComparison] = []
    for i, label in enumerate(reference.labels):
        ours, theirs = (_until(r.spikes[i], duration_ms) for r in (reference, candidate))
        alignment = align(ours, theirs, recorded[i], window_ms, tau_ms)
        alignments.append(alignment)
        populations.append(
            summarise(
                label, [alignment], duration_ms, window_ms, coincidence_ms,
                source=sources[i], recorded=recorded[i] > 0 or reference.sizes[i] == 0,
            )
        )  # fmt: skip
    computed = [a for a, p in zip(alignments, populations, strict=True) if not p.source]
    hardware = None
    if candidate.hardware is not None:
        complete = all(p.recorded for p in populations)
        hardware = measure_hardware(
            candidate.hardware,
            spikes=sum(p.candidate_spikes for p in populations) if complete else None,
            synaptic_events=_synaptic_events(candidate, network) if complete else None,
            duration_ms=candidate.duration_ms,
        )
    return Comparison(
        name=name or _name(candidate),
        reference_name=reference_name or _name(reference),
        reference=reference,
        candidate=candidate,
        duration_ms=float(duration_ms),
        window_ms=float(window_ms),
        coincidence_ms=float(coincidence_ms),
        tau_ms=float(tau_ms),
        populations=tuple(populations),
        total=summarise(
            "all", computed, duration_ms, window_ms, coincidence_ms,
            source=None if network is None else False,
            recorded=any(p.recorded for p in populations if not p.source),
        ),
        shifts_ms=tuple(a.shift_ms for a in alignments),
        traces=compare_traces(reference, candidate),
        weights=compare_weights(reference, candidate),
        hardware=hardware,
        task=_task(reference_task or {}, candidate_task or {}),
        notes=_notes(reference, candidate, network),
        provenance=_versions() | {k: str(v) for k, v in (provenance or {}).items()},
    )  # fmt: skip


def _check(
    reference: Result, candidate: Result, window_ms: float, coincidence_ms: float, tau_ms: float
) -> None:
    for what, ours, theirs in (
        ("labels", reference.labels, candidate.labels),
        ("sizes", reference.sizes, candidate.sizes),
    ):
        if tuple(ours) != tuple(theirs):
            raise ModelError(
                f"results of different networks cannot be compared: {what} of the populations "
                f"are {', '.join(map(str, ours))} and {', '.join(map(str, theirs))}"
            )
    if not (np.isfinite(window_ms) and window_ms > 0):
        raise ModelError(f"matching window must be > 0 ms, got {window_ms}")
    if not 0 <= coincidence_ms <= window_ms:
        raise ModelError(
            f"coincidence window must lie in 0..{window_ms} ms (the matching window), "
            f"got {coincidence_ms}"
        )
    if not (np.isfinite(tau_ms) and tau_ms > 0):
        raise ModelError(f"van Rossum time constant must be > 0 ms, got {tau_ms}")


def _until(spikes: Spikes, duration_ms: float) -> Spikes:
    kept = spikes.time_ms <= duration_ms * (1 + 1e-12)
    return spikes if kept.all() else Spikes(spikes.cell[kept], spikes.time_ms[kept])


def _recorded_cells(
    reference: Result, candidate: Result, network: Network | None
) -> tuple[list[int], list[bool | None]]:
    """How many cells of each population were recorded, and which populations are sources."""
    if network is None:
        return list(reference.sizes), [None] * len(reference.sizes)
    asked = [np.zeros(p.size, dtype=bool) for p in network.populations]
    for recording in network.recordings:
        if recording.variable == "spikes":
            asked[recording.population][recording.cells] = True
    # A result that holds more than the network asks for was made from one that asked for more.
    for result in (reference, candidate):
        for i, spikes in enumerate(result.spikes):
            if len(spikes.cell) and not asked[i][spikes.cell].all():
                asked[i][:] = True
    return [int(a.sum()) for a in asked], [p.is_source for p in network.populations]


def _synaptic_events(result: Result, network: Network | None) -> int | None:
    """Spikes times fan-out."""
    if network is None:
        return None
    events = 0
    for projection in network.projections:
        fan_out = np.diff(projection.indptr)
        events += int(fan_out[result.spikes[projection.pre].cell].sum())
    return events


def _name(result: Result) -> str:
    return result.engine if result.hardware is None else result.hardware.chip


def _task(reference: Mapping[str, float], candidate: Mapping[str, float]) -> tuple[TaskMetric, ...]:
    names = list(dict.fromkeys((*reference, *candidate)))
    return tuple(
        TaskMetric(
            name,
            float(reference[name]) if name in reference else None,
            float(candidate[name]) if name in candidate else None,
        )
        for name in names
    )


def _notes(reference: Result, candidate: Result, network: Network | None) -> tuple[str, ...]:
    notes = []
    if reference.duration_ms != candidate.duration_ms:
        notes.append(
            f"The runs differ in length ({reference.duration_ms:g} ms and "
            f"{candidate.duration_ms:g} ms); only the common part is compared."
        )
    if reference.network_hash != candidate.network_hash:
        notes.append(
            "The two runs executed networks with different content hashes (which cover recordings)."
        )
    elif network is not None and network.content_hash != reference.network_hash:
        notes.append("The network given to the comparator is not the one that was executed.")
    if network is None:
        notes.append(
            "The network was not given: populations that were not recorded count as silent, "
            "and spike sources count with the computed cells."
        )
    hardware = candidate.hardware
    if hardware is not None and not len(hardware.packets):
        notes.append(
            f"No packet table (fidelity {hardware.fidelity!r}): latency, interval distortion and "
            "order of packets are not known."
        )
    if candidate.timestep_ms != reference.timestep_ms:
        notes.append(
            f"The grids differ: {reference.timestep_ms:g} ms and {candidate.timestep_ms:g} ms, "
            "so rounding alone shifts spikes."
        )
    return tuple(notes)


def _describe(result: Result, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "engine": result.engine,
        "network_hash": result.network_hash,
        "timestep_ms": float(result.timestep_ms),
        "duration_ms": float(result.duration_ms),
        "counts": {k: int(v) for k, v in sorted(result.counts.items())},
    }


def _plain(value: Any) -> Any:
    """JSON knows no infinity and no NaN (a relative error against zero): they become None."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value


def _versions() -> dict[str, str]:
    return {
        "cosim": cosim.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
