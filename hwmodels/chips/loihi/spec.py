"""The numbers of a Loihi-style chip; their values stand in the TOML files beside this one."""

from __future__ import annotations

from dataclasses import dataclass

from hwmodels.errors import ModelError
from hwmodels.spec import RESOLUTION_NS, Spec, quantity

#: Boards by name, with their chips from west to east and from south to north.
BOARDS = {
    "chip": (1, 1),
    "kapoho_bay": (2, 1),  # two chips (R)
    "nahuku": (4, 8),  # 32 chips (Frady20 Table 1); as 24 of them make 12 x 64 (D)
    "pohoiki_springs": (12, 64),  # 768 chips (Frady20 4.3)
}
#: The fields that matter only where there are several chips.
OF_SEVERAL_CHIPS = ("chip_columns", "chip_rows", "chip_hop_ns", "chip_hop_pJ", "barrier_chip_ns")


@dataclass(frozen=True, kw_only=True)
class LoihiSpec(Spec):
    """The numbers of a Loihi-style chip; values and sources stand in TOML files beside this one."""

    columns: int = quantity("routers", "Routers from west to east", least=1)
    rows: int = quantity("routers", "Routers from south to north", least=1)
    cores_per_tile: int = quantity("cores", "Cores that share a router", least=1)
    compartments_per_core: int = quantity("", "Neuron circuits of a core")
    synaptic_words_per_core: int = quantity("64 bit", "Synaptic memory of a core")
    input_axons_per_core: int = quantity("", "Lists of synapses by which a core listens to sources")
    output_axons_per_core: int = quantity("", "Pairs of a core's cell and a core it sends to")
    delay_slots: int = quantity(
        "steps", "Of a compartment; for longer delays it takes others'", least=1
    )
    index_bits: int = quantity("bit", "Of a synapse's target in an indexed list")
    compartment_profiles_per_core: int = quantity("", "Distinct sets of decays and refractory time")
    synapse_formats_per_core: int = quantity("", "Distinct ways to pack synapses into words")

    weight_bits: int = quantity(
        "bit", "Mantissa of a weight, without its sign", computes=True, least=1
    )
    payload_bits: int = quantity(
        "bit", "Of the number that a spike can carry, with its sign", computes=True
    )
    weight_exponent_max: int = quantity(
        "", "Largest exponent of a projection's weights", computes=True
    )
    decay_bits: int = quantity("bit", "Of the decay of current and voltage", computes=True, least=1)
    state_bits: int = quantity("bit", "Of current and voltage, without the sign", computes=True)
    input_bits: int = quantity("bit", "Of a step's summed input, without the sign", computes=True)
    threshold_mantissa_bits: int = quantity(
        "bit", "Of the threshold, in units of 64", computes=True
    )
    threshold_bits: int = quantity(
        "bit", "Of the state that thresholds take, the rest is headroom", computes=True
    )
    bias_mantissa_max: int = quantity("", "Largest mantissa of a bias", computes=True)
    bias_exponent_max: int = quantity("", "Largest exponent of a bias", computes=True)
    refractory_max: int = quantity(
        "steps", "Largest refractory register; R holds R - 1 steps", computes=True
    )
    delay_steps_max: int = quantity("steps", "Longest synaptic delay", computes=True)

    chip_columns: int = quantity("chips", "Chips of the board from west to east", least=1)
    chip_rows: int = quantity("chips", "Chips of the board from south to north", least=1)
    host_column: int = quantity("", "Column of the router where the spikes of sources enter")
    host_row: int = quantity("", "Its row")
    link_buffer_packets: int = quantity("packets", "FIFO behind a link", least=1)
    core_buffer_packets: int = quantity("packets", "FIFO in front of a core", least=1)
    credit_ns: float = quantity("ns", "Until a freed FIFO place is usable", least=RESOLUTION_NS)
    router_clock_ns: float = quantity(
        "ns", "Routers grant at its edges; 0: whenever they can, without a clock", least=0
    )

    visit_ns: float = quantity("ns", "Visit of a compartment in the sweep")
    update_ns: float = quantity("ns", "Extra when it has input, bias or state")
    spike_ns: float = quantity("ns", "Extra when it fires")
    message_out_ns: float = quantity("ns", "One message to one core")
    message_in_ns: float = quantity("ns", "Accepting a message")
    synapse_dense_ns: float = quantity("ns", "One synapse of a contiguous list")
    synapse_sparse_ns: float = quantity("ns", "One synapse of an indexed list")
    synapse_shared_ns: float = quantity("ns", "One synapse of a list that sources share")
    hop_ew_ns: float = quantity("ns", "Router and link to the east or west", least=RESOLUTION_NS)
    hop_ns_ns: float = quantity("ns", "Router and link to the north or south", least=RESOLUTION_NS)
    link_cycle_ns: float = quantity("ns", "How long a packet occupies a link", least=RESOLUTION_NS)

    barrier_ns: float = quantity("ns", "Barrier of one tile")
    chip_hop_ns: float = quantity(
        "ns", "Link from one chip to the next, and how long it is taken", least=RESOLUTION_NS
    )
    barrier_chip_ns: float = quantity("ns", "Barrier, for each further column or row of chips")
    barrier_tile_ns: float = quantity("ns", "Barrier, for each further tile")
    step_overhead_ns: tuple = quantity("tiles: ns", "Measured end of a step, from so many tiles on")

    visit_pJ: float = quantity("pJ", "Visit of a compartment in the sweep")
    update_pJ: float = quantity("pJ", "Extra when it has input, bias or state")
    spike_pJ: float = quantity("pJ", "Extra when it fires")
    message_out_pJ: float = quantity("pJ", "One message to one core")
    message_in_pJ: float = quantity("pJ", "Accepting a message")
    synapse_dense_pJ: float = quantity("pJ", "One synapse of a contiguous list")
    synapse_sparse_pJ: float = quantity("pJ", "One synapse of an indexed list")
    synapse_shared_pJ: float = quantity("pJ", "One synapse of a list that sources share")
    hop_ew_pJ: float = quantity("pJ", "Hop to the east or west")
    hop_ns_pJ: float = quantity("pJ", "Hop to the north or south")
    chip_hop_pJ: float = quantity("pJ", "Hop from one chip to the next")
    noise_pJ: float = quantity("pJ", "One draw of noise")
    static_mW: float = quantity("mW", "Static power of a chip; not in the dynamic energy")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("state_bits", "input_bits", "threshold_bits"):
            if getattr(self, name) + self.decay_bits > 62:
                raise ModelError(
                    f"{self.name}: {name} + decay_bits must be <= 62, since products are computed "
                    f"in 64 bits, got {getattr(self, name)} + {self.decay_bits}"
                )
        columns, rows = self.columns * self.chip_columns, self.rows * self.chip_rows
        if self.host_column >= columns or self.host_row >= rows:
            raise ModelError(
                f"{self.name}: the host sits at router ({self.host_column}, {self.host_row}), "
                f"outside of {columns} x {rows}; change host_column and host_row"
            )

    @property
    def one(self) -> int:
        """The decay that keeps nothing."""
        return 1 << self.decay_bits

    @property
    def chips(self) -> int:
        """Chips of the board."""
        return self.chip_columns * self.chip_rows

    @property
    def cores(self) -> int:
        """Cores of all its chips."""
        return self.columns * self.rows * self.cores_per_tile * self.chips

    def fields_in_use(self, chips: int) -> list[str]:
        """The fields that have a say where so many chips are in use."""
        names = [row.field for row in self.table()]
        return [name for name in names if chips > 1 or name not in OF_SEVERAL_CHIPS]

    def barrier_of(self, tiles: int, chips: tuple[int, int] = (1, 1)) -> float:
        """Hardware barrier over so many tiles of a chip and an array of chips, in ns."""
        further = chips[0] + chips[1] - 2
        on_chip = self.barrier_ns + self.barrier_tile_ns * (max(tiles, 1) - 1)
        return on_chip + self.barrier_chip_ns * further

    def management_of(self, tiles: int) -> float:
        """What the embedded processors add to a step, in ns: the measured total less barrier."""
        measured = [row for row in self.step_overhead_ns if row[0] <= max(tiles, 1)]
        return max(0.0, max(measured)[1] - self.barrier_of(tiles)) if measured else 0.0


@dataclass(frozen=True)
class CoreSettings:
    """What the compartments of a core have in common (and here those of all cores).

    Attributes
    ----------
    noise : {"none", "current", "voltage"}
        Where the pseudo-random generator adds: to the synaptic input or to the membrane's.
    noise_exponent : int
        Noise is uniform over ``(-127..127) 2^(noise_exponent - 7)`` units of state.
    noise_offset : int
        Its mean, in units of ``64 * 2^(noise_exponent - 7)``.
    floor_exponent : int or None
        The membrane does not fall below ``-(2^k - 1)``; as far as its register goes by default.
    ceiling_exponent : int or None
        The membrane does not rise above ``2^(9 + 2 m) - 1``; likewise.
    """

    noise: str = "none"
    noise_exponent: int = 7
    noise_offset: int = 0
    floor_exponent: int | None = None
    ceiling_exponent: int | None = None

    def voltage_limits(self, spec: LoihiSpec) -> tuple[int, int]:
        """Floor and ceiling of a membrane, in units of state."""
        limit = (1 << spec.state_bits) - 1
        floor = limit if self.floor_exponent is None else (1 << self.floor_exponent) - 1
        exponent = self.ceiling_exponent
        ceiling = limit if exponent is None else (1 << 9 + 2 * exponent) - 1
        return -min(floor, limit), min(ceiling, limit)
