"""What the fabric of a chip did to spikes on their way: latency, distortion of intervals, order.

In: the packet table of a :class:`~hwmodels.result.HardwareReport`. Out: one
:class:`TransportMetrics`, in hardware time, with the factor that ties it to biological time. This
module knows no populations and no reference run: these metrics concern the chip alone.

A *stream* is all packets of one source neuron to one destination core. Latency is measured from
the moment the neuron hands its spike to the fabric, so waiting at the source counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.compare.spiketrains import mean, percentile
from hwmodels.result import HardwareReport


@dataclass(frozen=True)
class TransportMetrics:
    """Latency, interval distortion and order of the packets of one run.

    Attributes
    ----------
    packets, delivered, undelivered : int
        ``packets = delivered + undelivered``; undelivered ones were dropped, or still under way
        when the run ended.
    later_step, later_steps_max : int
        Packets that arrived in a later step than they were sent in, and by how many at most.
        Whether a synapse's delay hides that is told by the counts of the result.
    synaptic_events, lost_synaptic_events : int
        Synapses behind delivered and behind undelivered packets.
    streams : int
        Pairs of source neuron and destination core.
    latency_median_ns, latency_mean_ns, latency_p99_ns, latency_max_ns : float or None
        Arrival minus injection of delivered packets.
    step_latency_median_ns, step_latency_p99_ns, step_latency_max_ns : float or None
        Arrival minus the start of the hardware step in which the neuron fired, which adds the
        wait for the neuron's turn in its core. None where the packet table and the step times do
        not share a clock (an injection before the start of its step).
    latency_median_ms, latency_p99_ms, latency_max_ms : float or None
        The same in biological time: multiplied by ``biological_ms_per_hardware_s``.
    biological_ms_per_hardware_s : float or None
        Biological time that passed for each second of the chip, over the whole run.
    hops_mean : float or None
    hops_max : int or None
    isi_distortion_mean_ns, isi_distortion_abs_mean_ns, isi_distortion_abs_p95_ns,
    isi_distortion_abs_max_ns : float or None
        (r_i - r_{i-1}) - (s_i - s_{i-1}) of consecutive delivered packets of a stream; r arrival,
        s injection.
    disordered : int
        Arrivals at a core whose injection is strictly earlier than that of the arrival before.
    disordered_steps : int
        The same by step: arrivals of an earlier time step after one of a later time step.
    disordered_cores : int
        Destination cores with at least one disordered arrival.
    """

    packets: int
    delivered: int
    undelivered: int
    later_step: int
    later_steps_max: int
    synaptic_events: int
    lost_synaptic_events: int
    streams: int
    latency_median_ns: float | None
    latency_mean_ns: float | None
    latency_p99_ns: float | None
    latency_max_ns: float | None
    step_latency_median_ns: float | None
    step_latency_p99_ns: float | None
    step_latency_max_ns: float | None
    latency_median_ms: float | None
    latency_p99_ms: float | None
    latency_max_ms: float | None
    biological_ms_per_hardware_s: float | None
    hops_mean: float | None
    hops_max: int | None
    isi_distortion_mean_ns: float | None
    isi_distortion_abs_mean_ns: float | None
    isi_distortion_abs_p95_ns: float | None
    isi_distortion_abs_max_ns: float | None
    disordered: int
    disordered_steps: int
    disordered_cores: int


def measure_transport(hardware: HardwareReport) -> TransportMetrics | None:
    """Figures of the packet table, or None when the chip kept none.

    A chip keeps no table where nothing was sent, or where its fidelity is closed-form.
    """
    packets = hardware.packets
    if not len(packets):
        return None
    delivered = packets[packets["arrive_ps"] >= 0]
    latency = (delivered["arrive_ps"] - delivered["inject_ps"]) * 1e-3
    since_step = _since_step(delivered, hardware.step_ps)
    distortion = _isi_distortion_ps(delivered) * 1e-3
    by_injection, by_step, cores = _disorder(delivered)
    late = delivered["late_steps"]
    tie = biological_ms_per_hardware_s(hardware)
    median, p99, longest = (percentile(latency, p) for p in (50, 99, 100))
    return TransportMetrics(
        packets=len(packets),
        delivered=len(delivered),
        undelivered=len(packets) - len(delivered),
        later_step=int(np.count_nonzero(late > 0)),
        later_steps_max=int(late.max(initial=0)),
        synaptic_events=int(delivered["synapses"].sum(dtype=np.int64)),
        lost_synaptic_events=int(packets["synapses"][packets["arrive_ps"] < 0].sum(dtype=np.int64)),
        streams=len(np.unique(_stream(packets))),
        latency_median_ns=median,
        latency_mean_ns=mean(latency),
        latency_p99_ns=p99,
        latency_max_ns=longest,
        step_latency_median_ns=percentile(since_step, 50),
        step_latency_p99_ns=percentile(since_step, 99),
        step_latency_max_ns=percentile(since_step, 100),
        latency_median_ms=_biological(median, tie),
        latency_p99_ms=_biological(p99, tie),
        latency_max_ms=_biological(longest, tie),
        biological_ms_per_hardware_s=tie,
        hops_mean=mean(delivered["hops"]),
        hops_max=int(delivered["hops"].max()) if len(delivered) else None,
        isi_distortion_mean_ns=mean(distortion),
        isi_distortion_abs_mean_ns=mean(np.abs(distortion)),
        isi_distortion_abs_p95_ns=percentile(np.abs(distortion), 95),
        isi_distortion_abs_max_ns=percentile(np.abs(distortion), 100),
        disordered=by_injection,
        disordered_steps=by_step,
        disordered_cores=cores,
    )


def latencies_ns(hardware: HardwareReport) -> NDArray[np.float64]:
    """Arrival minus injection of every delivered packet, in ns."""
    delivered = hardware.packets[hardware.packets["arrive_ps"] >= 0]
    return (delivered["arrive_ps"] - delivered["inject_ps"]) * 1e-3


def biological_ms_per_hardware_s(hardware: HardwareReport) -> float | None:
    """Biological time that passed for each second of the chip, over the whole run."""
    steps_ps = computed_steps_ps(hardware)
    total_ps = int(steps_ps.sum())
    return len(steps_ps) * hardware.step_ms / (total_ps * 1e-12) if total_ps else None


def computed_steps_ps(hardware: HardwareReport) -> NDArray[np.int64]:
    """Hardware time of the steps in which the chip worked.

    Step 0 is the initial state. Unless a source spikes at time 0 a chip spends no time on it, and
    it then counts in no median and stands for no biological time.
    """
    steps = hardware.step_ps
    return steps[1:] if len(steps) and steps[0] == 0 else steps


def _biological(latency_ns: float | None, tie: float | None) -> float | None:
    return None if latency_ns is None or tie is None else latency_ns * 1e-9 * tie


def _stream(packets: NDArray) -> NDArray[np.int64]:
    return (packets["source"].astype(np.int64) << 32) | packets["destination_core"]


def _isi_distortion_ps(delivered: NDArray) -> NDArray[np.int64]:
    """Of consecutive packets of each stream, in order of injection."""
    stream = _stream(delivered)
    order = np.lexsort((delivered["arrive_ps"], delivered["inject_ps"], stream))
    same = np.diff(stream[order]) == 0
    received, sent = delivered["arrive_ps"][order], delivered["inject_ps"][order]
    return (np.diff(received) - np.diff(sent))[same]


def _disorder(delivered: NDArray) -> tuple[int, int, int]:
    """Arrivals out of order at their core: by injection, by step, and at how many cores.

    Packets that arrive at the same time are taken in order of injection: no order was changed.
    """
    core = delivered["destination_core"]
    order = np.lexsort((delivered["inject_ps"], delivered["arrive_ps"], core))
    same = np.diff(core[order]) == 0
    earlier = same & (np.diff(delivered["inject_ps"][order]) < 0)
    step_earlier = same & (np.diff(delivered["step"][order].astype(np.int64)) < 0)
    cores = len(np.unique(core[order][1:][earlier]))
    return int(np.count_nonzero(earlier)), int(np.count_nonzero(step_earlier)), cores


def _since_step(delivered: NDArray, step_ps: NDArray[np.int64]) -> NDArray[np.float64]:
    """Arrival minus start of the step, in ns; empty where the clocks do not fit together."""
    step = delivered["step"].astype(np.int64)
    if not len(step) or step.min() < 0 or step.max() >= len(step_ps):
        return np.empty(0)
    start = np.cumsum(step_ps) - step_ps
    if np.any(delivered["inject_ps"] < start[step]):
        return np.empty(0)
    return (delivered["arrive_ps"] - start[step]) * 1e-3
