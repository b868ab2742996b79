"""The numbers of a NeuroCoreX-style emulator; their values stand in the TOML file beside this."""

from __future__ import annotations

from dataclasses import dataclass

from hwmodels.errors import ModelError
from hwmodels.spec import Spec, quantity


@dataclass(frozen=True, kw_only=True)
class NeurocorexSpec(Spec):
    """The numbers of an FPGA with one time-multiplexed neuron and all-to-all weights."""

    slots: int = quantity("", "Slots of a step: rows and columns of the weight arrays", least=1)
    neurons: int = quantity("", "Slots whose neuron may fire", least=1)
    first_slot: int = quantity("", "The first of them")
    inputs: int = quantity("", "Columns of the array of input weights: sources", least=1)
    biased_neurons: int = quantity("", "Neurons that a constant current can drive")

    fabric_clock_MHz: float = quantity("MHz", "Clock of memories, STDP and serial line", above=0)
    neuron_clock_kHz: float = quantity(
        "kHz", "Clock of the neuron pipeline: a slot a cycle", above=0
    )

    state_bits: int = quantity(
        "bit", "Of membrane and currents, without the sign", computes=True, least=1
    )
    decay_bits: int = quantity(
        "bit", "Of the fraction that leaks in a step", computes=True, least=1
    )
    weight_bits: int = quantity("bit", "Of a weight, without its sign", computes=True, least=1)
    sum_bits: int = quantity(
        "bit", "Of a step's summed weights, without the sign", computes=True, least=1
    )
    recurrent_gain_bits: int = quantity(
        "bit", "Of the gain of the recurrent weights", computes=True, least=1
    )
    input_gain_bits: int = quantity(
        "bit", "Of the gain of the input weights", computes=True, least=1
    )
    threshold_bits: int = quantity(
        "bit", "Of the state that thresholds take", computes=True, least=1
    )
    decay_held_by_input: int = quantity(
        "", "1: a current does not decay in a step with spikes", computes=True
    )

    window_max_steps: int = quantity("steps", "Longest window of STDP", computes=True)
    learned_weight_max: int = quantity("", "STDP raises no weight above this", computes=True)
    learned_weight_min: int = quantity("", "STDP lowers no weight below this", computes=True)

    uart_baud: float = quantity("bit/s", "Of the serial line", above=0)
    uart_bits: int = quantity("bit", "Of one byte on the line", least=1)
    transmit_bit_cycles: int = quantity(
        "cycles", "Fabric cycles of one bit from board to host", least=1
    )
    event_bytes: int = quantity("byte", "Of one input event", least=1)
    event_queue: int = quantity("events", "Input events that wait on the board at most", least=1)
    events_per_step: int = quantity(
        "events", "Input events that the board takes in a step", least=1
    )
    output_cycles: int = quantity("cycles", "Neuron cycles to hand a byte to the line", least=1)
    weight_read_cycles: int = quantity("cycles", "Fabric cycles for each weight read back")
    flag_cycles: int = quantity("cycles", "Fabric cycles for each byte of STDP flags")
    parameters_per_slot: int = quantity("", "Parameters that are loaded for each slot")
    parameter_bytes: int = quantity("byte", "Of one parameter")
    parameter_pause_us: float = quantity("us", "The host pauses after each parameter byte")

    dynamic_mW: float = quantity("mW", "Dynamic power while clocks run")
    static_mW: float = quantity("mW", "Static power; not in the dynamic energy")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.first_slot + self.neurons > self.slots:
            raise ModelError(
                f"{self.name}: first_slot + neurons must be <= slots ({self.slots}), "
                f"got {self.first_slot} + {self.neurons}"
            )
        if max(self.state_bits, self.sum_bits + self.recurrent_gain_bits) + self.decay_bits > 62:
            raise ModelError(
                f"{self.name}: products are computed in 64 bits: state_bits, and sum_bits + "
                "recurrent_gain_bits, must stay below 62 with decay_bits"
            )
        if self.threshold_bits > self.state_bits:
            raise ModelError(
                f"{self.name}: threshold_bits must be <= state_bits ({self.state_bits}), "
                f"got {self.threshold_bits}"
            )
        if self.two_passes_ps > self.cycle_ps:
            raise ModelError(
                f"{self.name}: a slot of {self.cycle_ps * 1e-6:g} us is shorter than the two "
                f"passes of STDP over a row of weights ({self.two_passes_ps * 1e-6:g} us); lower "
                "neuron_clock_kHz"
            )
        if self.output_cycles > 8 or self.transmit_byte_ps > 8 * self.cycle_ps:
            raise ModelError(
                f"{self.name}: the line sends a byte in {self.transmit_byte_ps * 1e-6:g} us, eight "
                f"slots make one every {8 * self.cycle_ps * 1e-6:g} us; lower neuron_clock_kHz"
            )

    @property
    def one(self) -> int:
        """The decay that keeps nothing."""
        return 1 << self.decay_bits

    @property
    def fabric_ps(self) -> float:
        """One cycle of the fabric clock."""
        return 1e6 / self.fabric_clock_MHz

    @property
    def cycle_ps(self) -> int:
        """One cycle of the neuron clock, a slot."""
        return round(1e9 / self.neuron_clock_kHz)

    @property
    def step_ps(self) -> int:
        """All slots once."""
        return self.slots * self.cycle_ps

    @property
    def pass_ps(self) -> int:
        """One pass over a row of weights: an address a cycle, and two cycles to fill the pipe."""
        return round((self.slots + 2) * self.fabric_ps)

    @property
    def two_passes_ps(self) -> int:
        """STDP raises a row, then lowers a column."""
        return 2 * self.pass_ps

    @property
    def byte_ps(self) -> int:
        """A byte from host to board."""
        return round(self.uart_bits * 1e12 / self.uart_baud)

    @property
    def transmit_byte_ps(self) -> int:
        """A byte from board to host."""
        return round(self.uart_bits * self.transmit_bit_cycles * self.fabric_ps)

    @property
    def load_ps(self) -> int:
        """Both arrays of weights, the STDP flags of all of them, and all parameters.

        A command byte leads each part and a closing byte follows weights and flags. Flags are
        taken from the board's queue more slowly than the line brings them.
        """
        cells = self.slots * (self.slots + self.inputs)
        weights = (cells + 4) * self.byte_ps
        flags = -(-cells // 8) * max(round(self.flag_cycles * self.fabric_ps), self.byte_ps)
        parameters = self.parameters_per_slot * self.slots * self.parameter_bytes
        pause = round(self.parameter_pause_us * 1e6)
        return weights + flags + parameters * (self.byte_ps + pause) + 3 * self.byte_ps

    @property
    def read_out_ps(self) -> int:
        """Reading back one array of weights."""
        return self.byte_ps + round(self.slots**2 * self.weight_read_cycles * self.fabric_ps)
