"""Two XOR networks straight from cells: one counts, one is stochastic and rate-coded.

They are the datasheet's own references (4.2, 4.3). The network of "Deep Neuromorphic Networks with
Superconducting Single Flux Quanta" is of this kind (a hidden layer, stochastic synapses, biases as
currents), but its sizes, weights and margins could not be read, so nothing here reproduces them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.sfq.devices import gates, loop, loop_threshold
from hwmodels.chips.sfq.spec import SfqSpec
from hwmodels.fabric.pulse import (
    LEFT,
    LOG,
    RESET_ONE,
    WATCH_OUTPUTS,
    Conditions,
    pulse_engine,
)
from hwmodels.fabric.pulse_cells import CellLibrary, femtoseconds
from hwmodels.fabric.pulse_netlist import Netlist

#: The four input pairs, in the order of a truth table.
ROWS = ((0, 0), (0, 1), (1, 0), (1, 1))


@dataclass(frozen=True)
class CountingXor:
    """Output = OR and not AND, from one pulse an input; the AND soma counts two.

    Attributes
    ----------
    spec : SfqSpec
    library : CellLibrary
    stagger : int
        JTLs by which the second input of the AND is late; without them its merger takes two
        pulses for one.
    clock_ps : float
        When the answer is read.
    period_ps : float
        From sample to sample.
    leak_ps : float
        Time constant of the AND soma; 0 for none.
    """

    spec: SfqSpec
    library: CellLibrary
    stagger: int = 4
    clock_ps: float = 50.0
    period_ps: float = 1000.0
    leak_ps: float = 160.0

    def netlist(self) -> tuple[Netlist, dict[str, int]]:
        """The cells, and the inputs and output by name: pins a, b, clk, cell of the output."""
        net = Netlist(self.library)
        split = net.add("SPLIT", 2)
        merge = net.add("MERGE", 2)
        buffer = net.add("BUFF")
        settings = loop(2, self.spec)
        # REF-XOR-D names the bias: half the critical current.
        threshold = loop_threshold(
            settings.inductance_pH, 0.5 * self.spec.soma_critical_uA, self.spec
        )
        soma = net.add(
            "LOOP", threshold=threshold, tau_fs=femtoseconds(self.leak_ps), reset=RESET_ONE
        )
        read = net.add("DRO_SR", watch=WATCH_OUTPUTS)
        either, both = (
            np.concatenate([net.input(merge[k : k + 1], "MERGE", port) for port in "ab"])
            for k in (0, 1)
        )
        net.wire(net.output(split, "SPLIT", "l"), either)
        late = net.output(split, "SPLIT", "r")
        if self.stagger:
            line = net.add("JTL", length=self.stagger)
            net.wire(late[1:], net.input(line, "JTL"))
            late = np.append(late[:1], net.output(line, "JTL"))
        net.wire(late, both)
        net.wire(net.output(merge[:1], "MERGE"), net.input(buffer, "BUFF"))
        net.wire(net.output(merge[1:], "MERGE"), net.input(soma, "LOOP", "a"))
        net.wire(net.output(buffer, "BUFF"), net.input(read, "DRO_SR", "set"))
        net.wire(net.output(soma, "LOOP"), net.input(read, "DRO_SR", "rst"))
        a, b = net.input(split, "SPLIT")
        clk = int(net.input(read, "DRO_SR", "clk")[0])
        return net, {"a": int(a), "b": int(b), "clk": clk, "output": int(read[0])}

    def answers(
        self, samples: tuple[tuple[int, int], ...] = ROWS, conditions: Conditions | None = None
    ) -> list[float | None]:
        """When after its start each sample's output pulse came, in ps; None for none."""
        conditions = conditions or Conditions()
        net, names = self.netlist()
        pins, times = [], []
        for k, sample in enumerate(samples):
            start = k * self.period_ps
            given = [(names[x], start) for x, on in zip("ab", sample, strict=True) if on]
            for pin, at in [*given, (names["clk"], start + self.clock_ps)]:
                pins.append(pin)
                times.append(femtoseconds(at))
        engine = pulse_engine(net.build(conditions), self.library.tables(), conditions, "compiled")
        end = femtoseconds(len(samples) * self.period_ps)
        log = engine.run(np.array(pins), np.array(times), np.zeros(len(pins), np.int64), end)
        left = log["time_fs"][(log["what"] == LEFT) & (log["cell"] == names["output"])] / 1000
        came = {int(at // self.period_ps): float(at % self.period_ps) for at in left}
        return [came.get(k) for k in range(len(samples))]


@dataclass(frozen=True)
class RateXor:
    """Rate-coded XOR: stochastic synapses, leaky somas, and a veto of the AND over the OR.

    An input that is 1 is a regular train, one that is 0 is silent. Two hidden somas take both
    inputs through stochastic synapses; the output counts pulses of the first that no pulse of the
    second preceded (an inhibit cell).

    Attributes
    ----------
    spec : SfqSpec
    library : CellLibrary
    weight_uA : tuple of float
        Weight currents onto the OR and the AND soma; both inputs alike.
    bias_uA : tuple of float
        Bias currents of the two somas (loops of 80 pH).
    leak_ps : tuple of float
        Their time constants.
    stagger_ps : float
        How late the second input is at the AND's merger, which else takes two pulses for one; the
        OR's shall do so.
    wait_ps : float
        How long the OR's pulse waits for the AND's of the same inputs.
    spacing_ps : float
        Of the input trains.
    window_ps : float
    """

    spec: SfqSpec
    library: CellLibrary
    weight_uA: tuple[float, float] = (66.0, 68.5)
    bias_uA: tuple[float, float] = (95.0, 80.0)
    leak_ps: tuple[float, float] = (40.0, 40.0)
    stagger_ps: float = 14.0
    wait_ps: float = 28.0
    spacing_ps: float = 50.0
    window_ps: float = 10_000.0
    inductance_pH: float = 80.0

    def netlist(
        self, scatter_uA: NDArray[np.float64] | None = None
    ) -> tuple[Netlist, dict[str, int]]:
        """The cells; ``scatter_uA`` adds to the four weight and two bias currents."""
        spec, net = self.spec, Netlist(self.library)
        scatter = np.zeros(6) if scatter_uA is None else np.asarray(scatter_uA)
        split = net.add("SPLIT", 2)
        jtl_fs = self.library["JTL"].delay_fs
        jtls = round(femtoseconds(self.stagger_ps) / jtl_fs)
        weights = np.repeat(self.weight_uA, 2) + scatter[:4]  # or: a, b; and: a, b
        gate = net.add("GATE", 4, **gates(weights, spec, self.library)._asdict())
        merge = net.add("MERGE", 2)
        bias = np.array(self.bias_uA) + scatter[4:]
        threshold = [loop_threshold(self.inductance_pH, float(b), spec) for b in bias]
        soma = net.add(
            "LOOP", 2, threshold=np.maximum(threshold, 1e-3), reset=RESET_ONE,
            tau_fs=np.rint(np.array(self.leak_ps) * 1000),
        )  # fmt: skip
        wait = net.add("JTL", length=max(1, round(femtoseconds(self.wait_ps) / jtl_fs)))
        veto = net.add("NOT", watch=WATCH_OUTPUTS)
        outputs = np.concatenate([net.output(split, "SPLIT", "l"), net.output(split, "SPLIT", "r")])
        if jtls:
            line = net.add("JTL", length=jtls)
            net.wire(outputs[3:], net.input(line, "JTL"))
            outputs[3:] = net.output(line, "JTL")
        net.wire(outputs, net.input(gate, "GATE"))
        ports = np.concatenate(
            [net.input(merge[k : k + 1], "MERGE", x) for k in (0, 1) for x in "ab"]
        )
        net.wire(net.output(gate, "GATE"), ports)
        net.wire(net.output(merge, "MERGE"), net.input(soma, "LOOP", "a"))
        net.wire(net.output(soma[:1], "LOOP"), net.input(wait, "JTL"))
        net.wire(net.output(wait, "JTL"), net.input(veto, "NOT", "clk"))
        net.wire(net.output(soma[1:], "LOOP"), net.input(veto, "NOT", "a"))
        a, b = net.input(split, "SPLIT")
        return net, {"a": int(a), "b": int(b), "output": int(veto[0])}

    def counts(
        self, seeds: range, jitter: bool = True, scatter_uA: float = 0.0
    ) -> NDArray[np.int64]:
        """Output pulses by seed and row of the truth table, shape (seeds, 4).

        ``scatter_uA`` is the standard deviation of currents from chip to chip, one chip a seed.
        """
        found = np.zeros((len(seeds), len(ROWS)), dtype=np.int64)
        train = np.arange(0, femtoseconds(self.window_ps), femtoseconds(self.spacing_ps))
        tables = self.library.tables()
        for s, seed in enumerate(seeds):
            scatter = np.random.default_rng(seed).normal(0, scatter_uA, 6) if scatter_uA else None
            net, names = self.netlist(scatter)
            for r, row in enumerate(ROWS):
                conditions = Conditions(jitter=jitter, seed=seed * 4 + r)
                engine = pulse_engine(net.build(conditions), tables, conditions, "compiled")
                on = [names[x] for x, given in zip("ab", row, strict=True) if given]
                pins = np.repeat(np.array(on, dtype=np.int64), len(train))
                times = np.tile(train, len(on))
                end = femtoseconds(self.window_ps + 1000)
                log = engine.run(pins, times, np.zeros(len(pins), np.int64), end)
                found[s, r] = outputs_of(log, names["output"])
        return found

    def with_currents(self, factor: float) -> RateXor:
        """The same network with all weight currents multiplied."""
        first, second = self.weight_uA
        return replace(self, weight_uA=(first * factor, second * factor))


def outputs_of(log: NDArray, cell: int) -> int:
    """Pulses that left a cell."""
    assert log.dtype == LOG
    return int(np.count_nonzero((log["what"] == LEFT) & (log["cell"] == cell)))


@dataclass(frozen=True)
class Margin:
    """How far apart the answers of a truth table are.

    Attributes
    ----------
    mean, sd : float64, shape (4,)
        Output pulses of each row.
    margin : float
        (least mean of a 1 minus greatest of a 0) over the sum of their standard deviations.
    correct : float
        Share of runs in which every 1 has more pulses than every 0.
    """

    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    margin: float
    correct: float


def margin(counts: NDArray[np.int64]) -> Margin:
    """The margin of counts by run and row of the truth table, shape (runs, 4)."""
    mean, sd = counts.mean(axis=0), counts.std(axis=0)
    one = 1 + int(np.argmin(mean[1:3]))
    zero = (0, 3)[int(np.argmax(mean[[0, 3]]))]
    spread = sd[one] + sd[zero]
    gap = mean[one] - mean[zero]
    value = gap / spread if spread else np.inf * np.sign(gap) if gap else 0.0
    correct = counts[:, 1:3].min(axis=1) > counts[:, [0, 3]].max(axis=1)
    return Margin(mean, sd, float(value), float(correct.mean()))
