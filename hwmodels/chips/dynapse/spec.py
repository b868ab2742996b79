"""The numbers of a DynapSE-style chip; their values stand in the TOML files beside this one."""

from __future__ import annotations

from dataclasses import dataclass

from hwmodels.errors import ModelError
from hwmodels.fabric.hierarchy import Hierarchy
from hwmodels.spec import RESOLUTION_NS, Spec, picoseconds, quantity


@dataclass(frozen=True, kw_only=True)
class DynapseSpec(Spec):
    """The numbers of a DynapSE-style board; values and sources stand in TOML files."""

    columns: int = quantity("chips", "Chips of the board from west to east", least=1)
    rows: int = quantity("chips", "Chips of the board from south to north", least=1)
    cores_per_chip: int = quantity("cores", "Cores of a chip", least=1)
    neurons_per_core: int = quantity("", "Silicon neurons of a core", least=1)
    cam_words: int = quantity("words", "CAM words of a neuron: its fan-in", least=1)
    cam_levels: int = quantity(
        "", "Weight levels of one CAM word, in units of a core's bias", least=1
    )
    sram_words: int = quantity("words", "Routing words of a neuron: chips it can send to", least=1)
    monitor_words: int = quantity("words", "Routing words that monitoring takes")
    tag_bits: int = quantity("bit", "Of the tag that CAM words listen to", least=1)
    tag_fixed_bits: int = quantity("bit", "Of the tag that are the number of the sending neuron")
    hops_max: int = quantity("chips", "Farthest chip along a row or a column")
    leaks_per_core: int = quantity(
        "", "Leak biases among which each neuron of a core chooses", least=1
    )

    bias_full_scale_nA: tuple = quantity("coarse: nA", "Largest current of each coarse setting")
    bias_fine_max: int = quantity("", "Largest fine setting", least=1)
    leak_bias_scale: float = quantity("", "Current of a membrane leak over its bias", above=0)
    gain_bias_scale: float = quantity("", "Current of a membrane gain over its bias", above=0)
    synapse_leak_bias_scale: float = quantity(
        "", "Current of a synaptic leak over its bias", above=0
    )
    weight_bias_scale: float = quantity("", "Current of a synaptic weight over its bias", above=0)
    threshold_bias_scale: float = quantity(
        "", "Threshold and constant current over their biases", above=0
    )

    kappa_n: float = quantity("", "Subthreshold slope factor of n-channel devices", above=0)
    kappa_p: float = quantity("", "Subthreshold slope factor of p-channel devices", above=0)
    thermal_mV: float = quantity("mV", "Thermal voltage", above=0)
    dark_pA: float = quantity("pA", "Dark current I0: no current is below it", above=0)
    membrane_pF: float = quantity("pF", "Membrane capacitance", above=0)
    synapse_pF: float = quantity("pF", "Capacitance of a synapse circuit", above=0)
    adaptation_pF: float = quantity("pF", "Capacitance of the adaptation circuit", above=0)
    gain_ratio: float = quantity("", "Membrane gain over leak current", above=0)
    synapse_gain_ratio: float = quantity("", "Synaptic gain over leak current", above=0)
    threshold_nA: float = quantity("nA", "Membrane current at which a neuron fires", above=0)
    rest_share: float = quantity("", "Membrane current at rest (or reset, if lower) over threshold")
    pulse_us: float = quantity("us", "Width of the pulse that a spike makes at a synapse", above=0)
    feedback_gain_nA: float = quantity("nA", "Largest current of the positive feedback")
    nmda_threshold_nA: float = quantity("nA", "Membrane current that half opens the NMDA gate")
    adaptation_leak_sets_time: int = quantity("", "1: adaptation shortens the time constant too")
    integration_us: float = quantity(
        "us", "Longest integration step of neurons and synapses", above=0
    )

    output_ns: float = quantity(
        "ns", "Reading and sending one routing word (R1 out)", least=RESOLUTION_NS
    )
    tree_ns: float = quantity("ns", "Passing the chip's node, up or down (R2)", least=RESOLUTION_NS)
    hop_ns: float = quantity("ns", "One hop from chip to chip (R3)", least=RESOLUTION_NS)
    broadcast_ns: float = quantity(
        "ns", "Broadcast of an event inside a core (R1 in)", least=RESOLUTION_NS
    )
    queue_depth: int = quantity("packets", "Packets a station of the fabric holds", least=1)
    host_ns: float = quantity("ns", "The stimulus FPGA sends one event", least=RESOLUTION_NS)
    host_queue_events: int = quantity(
        "events", "Events that wait in the stimulus FPGA at most", least=1
    )
    host_column: int = quantity("", "Column of the chip where the FPGA's events enter")
    host_row: int = quantity("", "Its row")

    mismatch_cv: float = quantity("", "Coefficient of variation of each current between devices")
    time_mismatch_factors: int = quantity("", "Further factors of a time constant that vary")
    cam_fault_density: float = quantity("", "Share of (neuron, CAM word, tag) that do not match")

    spike_pJ: float = quantity("pJ", "Generating one spike")
    encode_pJ: float = quantity("pJ", "Encoding a spike and appending its destinations")
    broadcast_pJ: float = quantity("pJ", "Broadcast of an event inside a core")
    route_pJ: float = quantity("pJ", "Routing an event to another core")
    hop_pJ: float = quantity("pJ", "One hop from chip to chip")
    pulse_pJ: float = quantity("pJ", "Pulse of one synapse")
    static_mW: float = quantity("mW", "Static power of a chip; not in the dynamic energy")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.dark_pA * 1e-3 / self.threshold_nA < self.rest_share < 1:
            raise ModelError(
                f"{self.name}: rest_share must lie between dark_pA over threshold_nA and 1, "
                f"got {self.rest_share:g}"
            )
        if self.tag_fixed_bits and 1 << self.tag_fixed_bits < self.neurons_per_core:
            raise ModelError(
                f"{self.name}: tag_fixed_bits must number {self.neurons_per_core} neurons of a "
                f"core, got {self.tag_fixed_bits}"
            )
        for name in ("tag_bits", "tag_fixed_bits"):
            if getattr(self, name) > 16:
                raise ModelError(f"{self.name}: {name} must be <= 16, got {getattr(self, name)}")
        if self.tag_fixed_bits > self.tag_bits:
            raise ModelError(
                f"{self.name}: tag_fixed_bits must be <= tag_bits ({self.tag_bits}), "
                f"got {self.tag_fixed_bits}"
            )
        if self.monitor_words >= self.sram_words:
            raise ModelError(
                f"{self.name}: monitor_words must be < sram_words ({self.sram_words}), "
                f"got {self.monitor_words}"
            )
        if self.cam_fault_density > 1:
            raise ModelError(
                f"{self.name}: cam_fault_density is a share, at most 1, "
                f"got {self.cam_fault_density:g}"
            )
        if not self.bias_full_scale_nA or any(row[1] <= 0 for row in self.bias_full_scale_nA):
            raise ModelError(f"{self.name}: bias_full_scale_nA needs currents > 0")
        self.hierarchy()  # refuses a host outside of the board

    @property
    def kappa(self) -> float:
        """Mean subthreshold slope factor."""
        return (self.kappa_n + self.kappa_p) / 2

    @property
    def cores(self) -> int:
        """Cores of the board."""
        return self.columns * self.rows * self.cores_per_chip

    @property
    def tags(self) -> int:
        """Tags that a core can tell apart."""
        return 1 << self.tag_bits

    @property
    def threshold_A(self) -> float:
        """Membrane current at which a neuron fires, in A."""
        return self.threshold_nA * 1e-9

    def hierarchy(self) -> Hierarchy:
        """The router hierarchy in integer picoseconds."""
        return Hierarchy(
            columns=self.columns,
            rows=self.rows,
            cores=self.cores_per_chip,
            output_ps=picoseconds(self.output_ns),
            tree_ps=picoseconds(self.tree_ns),
            hop_ps=picoseconds(self.hop_ns),
            broadcast_ps=picoseconds(self.broadcast_ns),
            host_ps=picoseconds(self.host_ns),
            depth=self.queue_depth,
            host_queue=self.host_queue_events,
            host_chip=(self.host_column, self.host_row),
        )
