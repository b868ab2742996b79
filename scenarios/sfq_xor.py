"""A rate-coded XOR network with a hidden layer, for stochastic superconducting synapses.

Two inputs are regular trains (1) or silent (0). A hidden cell passes some of the pulses of either
input (OR, through stochastic synapses on an SFQ chip), another fires when both came (AND) and
takes back what the first gives to the output. It is in the manner of "Deep Neuromorphic Networks
with Superconducting Single Flux Quanta"; sizes, weights and margins of that paper could not be
read, so these are our own and its figures are not claimed.

    cosim compare sfq_xor --on sfq:synapse=stochastic:stagger_ps=14
    python -m scenarios.sfq_xor --margins

With ``--margins`` the two reference circuits, straight from cells, are swept instead: weight and
bias currents, their scatter, stagger, and noise.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

import cosim.pynn as sim

ROWS = ((0, 0), (0, 1), (1, 0), (1, 1))
#: An input of 1 spikes every 2 ms (20 GHz on a chip of 25 ps a ms) for 400 ms (10 ns).
EVERY_ms, SHOW_ms, REST_ms = 2.0, 400.0, 100.0
THRESHOLD_mV = 15.0
#: Share of the threshold, and so of pulses passed, of the OR's synapses.
OR_SHARE = 0.6


def main(argv: list[str] | None = None) -> None:
    arguments = _arguments(argv)
    if arguments.margins:
        print_margins(arguments.seeds)
        return
    sim.setup(timestep=0.1)
    train = np.arange(0.0, SHOW_ms, EVERY_ms)
    starts = [10.0 + k * (SHOW_ms + REST_ms) for k in range(len(ROWS))]
    trains = [
        np.concatenate([start + train for start, row in zip(starts, ROWS, strict=True) if row[x]])
        for x in (0, 1)
    ]
    inputs = sim.Population(
        2, sim.SpikeSourceArray(spike_times=[list(t) for t in trains]), label="inputs"
    )
    cell = {"v_rest": -65.0, "v_reset": -65.0, "v_thresh": -65.0 + THRESHOLD_mV}
    either = sim.Population(1, sim.IF_curr_delta(**cell, tau_m=20.0, tau_refrac=1.5), label="OR")
    both = sim.Population(1, sim.IF_curr_delta(**cell, tau_m=2.4, tau_refrac=0.5), label="AND")
    output = sim.Population(1, sim.IF_curr_delta(**cell, tau_m=20.0, tau_refrac=0.5), label="XOR")
    for pre, post, share, delay, receptor in (
        (inputs, either, OR_SHARE, 4.0, "excitatory"),
        (inputs, both, 0.5, 4.0, "excitatory"),
        (both, output, -1.0, 4.0, "inhibitory"),
        # Later than the AND's, whose pulse it must find.
        (either, output, 1.0, 5.0, "excitatory"),
    ):
        sim.Projection(
            pre, post, sim.AllToAllConnector(),
            sim.StaticSynapse(weight=share * THRESHOLD_mV, delay=delay), receptor_type=receptor,
        )  # fmt: skip
    output.record("spikes")
    sim.run(len(ROWS) * (SHOW_ms + REST_ms))
    spikes = output.get_data("spikes").segments[0].spiketrains[0]
    counts = row_counts(np.asarray(spikes.magnitude))
    for row, n in zip(ROWS, counts, strict=True):
        print(f"{row[0]} xor {row[1]}: {n} output spikes")
    sim.end()


def row_counts(times_ms: np.ndarray) -> list[int]:
    """Output spikes of each row of the truth table."""
    period = SHOW_ms + REST_ms
    edges = np.arange(len(ROWS) + 1) * period
    return np.histogram(times_ms, edges)[0].tolist()


def score(experiment, result) -> dict[str, float]:
    """Whether every 1 has more output spikes than every 0, and by how many."""
    counts = row_counts(result.spikes[result.labels.index("XOR")].time_ms)
    gap = min(counts[1:3]) - max(counts[0], counts[3])
    return {
        "xor_right": float(gap > 0),
        "xor_margin_spikes": float(gap),
        "spikes_for_11": float(counts[3]),
    }


def print_margins(seeds: int) -> None:
    """Sweep both reference circuits and print where they work."""
    from dataclasses import replace

    from hwmodels.chips.sfq import Sfq
    from hwmodels.chips.sfq.xor import CountingXor, RateXor, margin

    chip = Sfq()
    print("REF-XOR-D, one pulse an input; answer after ps (none: no pulse)")
    counting = CountingXor(chip.spec, chip.library)
    for what, circuit in (
        ("as designed", counting),
        *((f"stagger of {n} JTLs", replace(counting, stagger=n)) for n in (0, 1, 2, 3, 6)),
        ("no leak", replace(counting, leak_ps=0.0)),
        ("read at 35 ps", replace(counting, clock_ps=35.0)),
    ):
        answers = ["none" if at is None else f"{at:.1f}" for at in circuit.answers()]
        print(f"  {what:22} " + " ".join(f"{a:>6}" for a in answers))
    print(f"\nREF-XOR-S, rate-coded, mean output of {seeds} seeds for 00 01 10 11; margin in sd")
    rate = RateXor(chip.spec, chip.library)

    def line(what: str, circuit: RateXor, **options) -> float:
        found = margin(circuit.counts(range(seeds), **options))
        means = " ".join(f"{mean:6.1f}" for mean in found.mean)
        print(f"  {what:26} {means}  margin {found.margin:7.1f}  right {found.correct:4.0%}")
        return found.margin

    line("as designed", rate)
    line("without jitter", rate, jitter=False)
    for factor in (0.90, 0.95, 0.98, 1.02, 1.05, 1.10):
        line(f"weight currents x {factor:g}", rate.with_currents(factor))
    for scatter in (0.5, 1.0, 2.0, 4.0):
        line(f"currents +/- {scatter:g} uA rms", rate, scatter_uA=scatter)
    first, second = rate.bias_uA
    for change in (-15.0, -10.0, -5.0, 5.0, 10.0):
        line(f"AND bias {change:+g} uA", replace(rate, bias_uA=(first, second + change)))
    for stagger in (0.0, 3.5, 7.0, 10.5, 17.5, 21.0):
        line(f"stagger {stagger:g} ps", replace(rate, stagger_ps=stagger))
    for wait in (3.5, 14.0, 21.0, 42.0):
        line(f"OR waits {wait:g} ps", replace(rate, wait_ps=wait))
    print("\n  the margin crosses zero at")
    for what, fails, works, circuit in (
        ("weight currents x", 0.85, 1.0, lambda x: rate.with_currents(x)),
        ("AND bias uA", second - 20, second, lambda x: replace(rate, bias_uA=(first, x))),
        ("stagger ps", 0.0, 14.0, lambda x: replace(rate, stagger_ps=x)),
    ):
        for _ in range(8):
            middle = (fails + works) / 2
            if margin(circuit(middle).counts(range(seeds))).margin > 0:
                works = middle
            else:
                fails = middle
        print(f"    {what:22} {(fails + works) / 2:6.2f}")


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sfq_xor", description=__doc__.splitlines()[0])
    parser.add_argument("--margins", action="store_true", help="sweep the reference circuits")
    parser.add_argument("--seeds", type=int, default=20, help="runs for each line of the sweep")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main(sys.argv[1:])
