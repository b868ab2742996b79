"""The numbers of a TrueNorth-style chip; their values stand in the TOML files beside this one."""

from __future__ import annotations

from dataclasses import dataclass

from hwmodels.errors import ModelError
from hwmodels.spec import RESOLUTION_NS, Spec, quantity


@dataclass(frozen=True, kw_only=True)
class TrueNorthSpec(Spec):
    """The numbers of a TrueNorth-style chip; values and sources stand in the TOML files."""

    columns: int = quantity(
        "cores", "Cores of a chip from west to east, each with its own router", least=1
    )
    rows: int = quantity("cores", "Cores of a chip from south to north", least=1)
    chip_columns: int = quantity("chips", "Chips of the board from west to east", least=1)
    chip_rows: int = quantity("chips", "Chips of the board from south to north", least=1)
    reach_cores: int = quantity("cores", "Farthest that a packet can go in each direction")
    axons_per_core: int = quantity("", "Inputs of a crossbar", least=1)
    neurons_per_core: int = quantity(
        "", "Outputs of a crossbar, each with one destination axon", least=1
    )

    axon_types: int = quantity(
        "", "Types an axon can have; a neuron has a value for each", computes=True, least=1, most=4
    )
    value_bits: int = quantity(
        "bit", "Of a synaptic value, with its sign", computes=True, least=1, most=16
    )
    potential_bits: int = quantity(
        "bit", "Of the potential, with its sign; it saturates", computes=True, most=31
    )
    threshold_bits: int = quantity("bit", "Of both thresholds and the reset value", computes=True)
    leak_bits: int = quantity("bit", "Of the leak, with its sign", computes=True, most=16)
    draw_bits: int = quantity("bit", "Of a random draw", computes=True, most=16)
    prng_seed: int = quantity("", "Start of the cores' shift registers", computes=True)
    scheduler_slots: int = quantity(
        "ticks", "Ticks a scheduler tells apart", computes=True, least=1
    )
    delay_ticks_max: int = quantity(
        "ticks", "Longest delay a neuron can give its spike", computes=True, least=1
    )

    tick_us: float = quantity("us", "Global tick; shorter is faster than real time", above=0)
    core_start_ns: float = quantity("ns", "Of a core's work in a tick, before its first neuron")
    neuron_ns: float = quantity("ns", "Reading a neuron's row, leak, threshold and write-back")
    event_ns: float = quantity("ns", "One active synapse of one spike")
    hop_ns: float = quantity("ns", "Router and link to a neighbour", least=RESOLUTION_NS)
    link_cycle_ns: float = quantity("ns", "How long a packet occupies a link", least=RESOLUTION_NS)
    chip_hop_ns: float = quantity(
        "ns", "Link from a core to that of the next chip", least=RESOLUTION_NS
    )
    accept_ns: float = quantity("ns", "Writing a packet into the scheduler")
    edge_ns: float = quantity("ns", "Between two packets that enter the chip at its edge")
    link_buffer_packets: int = quantity("packets", "FIFO of each router port", least=1)
    core_buffer_packets: int = quantity("packets", "FIFO in front of a scheduler", least=1)
    credit_ns: float = quantity("ns", "Until a freed FIFO place is usable", least=RESOLUTION_NS)
    router_clock_ns: float = quantity(
        "ns", "Routers grant at its edges; 0: whenever they can, without a clock", least=0
    )
    host_column: int = quantity("", "Column of the router where the spikes of sources enter")
    host_row: int = quantity("", "Its row")

    supply_V: float = quantity("V", "Supply", above=0)
    base_mW: float = quantity("mW", "Fit: power of a chip without events, at 1 kHz ticks")
    event_pJ: float = quantity("pJ", "Fit: all-in energy of a synaptic event in the benchmark")
    fit_V: float = quantity("V", "Fit: supply at which these two hold", above=0)
    fit_exponent: float = quantity("", "Fit: power of the supply that scales them")
    row_pJ: float = quantity("pJ", "Reading a neuron's row once a tick, part of the base")
    hop_pJ: float = quantity("pJ", "A packet over one hop, part of the benchmark's event energy")
    wire_V: float = quantity(
        "V", "Supply at which row and hop hold; they go with its square", above=0
    )
    edge_pJ: float = quantity("pJ", "A packet over a chip's edge (1.8 V), not in the fit")
    benchmark_hops: float = quantity("hops", "Mean path of a packet in the fitted benchmark")
    benchmark_synapses: int = quantity(
        "", "Synaptic events of a packet in the fitted benchmark", least=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.threshold_bits >= self.potential_bits:
            raise ModelError(
                f"{self.name}: threshold_bits must be below potential_bits, or nothing could "
                f"fire, got {self.threshold_bits} and {self.potential_bits}"
            )
        if self.delay_ticks_max >= self.scheduler_slots:
            raise ModelError(
                f"{self.name}: delay_ticks_max must be below scheduler_slots, since a slot is "
                f"read before it is used again, got {self.delay_ticks_max} of "
                f"{self.scheduler_slots}"
            )
        columns, rows = self.mesh
        if max(columns, rows) - 1 > self.reach_cores:
            raise ModelError(
                f"{self.name}: a packet reaches {self.reach_cores} cores far, a board of "
                f"{self.chip_columns} x {self.chip_rows} chips has {columns} x {rows} cores: use "
                "fewer chips"
            )
        if self.host_column >= columns or self.host_row >= rows:
            raise ModelError(
                f"{self.name}: the host enters at router ({self.host_column}, {self.host_row}), "
                f"the mesh has {columns} x {rows}"
            )

    @property
    def mesh(self) -> tuple[int, int]:
        """Columns and rows of all chips together."""
        return self.columns * self.chip_columns, self.rows * self.chip_rows

    @property
    def chips(self) -> int:
        """Number of chips of the board."""
        return self.chip_columns * self.chip_rows

    @property
    def cores(self) -> int:
        """Number of cores of the board."""
        return self.columns * self.rows * self.chips

    @property
    def value_max(self) -> int:
        """Largest synaptic value; the smallest is one further from zero."""
        return (1 << (self.value_bits - 1)) - 1

    @property
    def leak_max(self) -> int:
        """Largest leak."""
        return (1 << (self.leak_bits - 1)) - 1

    @property
    def threshold_max(self) -> int:
        """Largest threshold, negative threshold and reset value."""
        return (1 << self.threshold_bits) - 1

    # The fit, taken apart: what is measured on its own is taken out of what contains it.

    @property
    def fit_scale(self) -> float:
        """What the supply makes of the fitted numbers."""
        return (self.supply_V / self.fit_V) ** self.fit_exponent

    @property
    def wire_scale(self) -> float:
        """What the supply makes of reads and hops."""
        return (self.supply_V / self.wire_V) ** 2

    @property
    def row_now_pJ(self) -> float:
        """A row read at this supply."""
        return self.row_pJ * self.wire_scale

    @property
    def hop_now_pJ(self) -> float:
        """A hop at this supply."""
        return self.hop_pJ * self.wire_scale

    @property
    def event_now_pJ(self) -> float:
        """A synaptic event at this supply, without the hops that the fit has in it."""
        routing = self.hop_now_pJ * self.benchmark_hops / self.benchmark_synapses
        return self.event_pJ * self.fit_scale - routing

    @property
    def idle_mW(self) -> float:
        """Power of a chip without events and without the row reads of its ticks."""
        # The fit is for ticks of 1 ms: 1e9 pJ/ms are a W.
        rows_mW = self.row_now_pJ * self.columns * self.rows * self.neurons_per_core * 1e-6
        return self.base_mW * self.fit_scale - rows_mW

    def power_mW(self, events_per_s: float) -> float:
        """The fit itself: power of a chip at ticks of 1 ms with the benchmark's traffic."""
        return (self.base_mW + self.event_pJ * events_per_s * 1e-9) * self.fit_scale
