"""The numbers of a SpiNNaker-style machine; their values stand in TOML files beside this one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwmodels.errors import ModelError
from hwmodels.fabric.torus import FOREVER, LINKS, Timing, Torus, boards, wait_cycles
from hwmodels.mapping.torus_routes import distance, reached
from hwmodels.spec import Spec, picoseconds, quantity


@dataclass(frozen=True, kw_only=True)
class SpinnakerSpec(Spec):
    """The numbers of a SpiNNaker-style machine; values and sources stand in TOML files."""

    boards: int = quantity("boards", "Boards of 48 chips: 1 with open edges, or threes that wrap")
    dead_links: tuple = quantity("chip: link", "Links that do not work, in both directions")
    dead_chips: tuple = quantity("column: row", "Chips that do not work at all")
    dead_cores: tuple = quantity("chip: core", "Application cores, from 0 on, that do not work")
    cores_per_chip: int = quantity("cores", "Cores of a chip", least=1)
    system_cores: int = quantity("cores", "Cores of a chip that run no neurons (monitors)")
    neurons_per_core: int = quantity("", "Neurons of a core at most", least=1)
    table_entries: int = quantity("entries", "Multicast routing table of a chip", least=1)
    sdram_bytes: int = quantity("B", "Memory of a chip that applications can use")

    weight_bits: int = quantity("bit", "Of a weight and of a slot of the ring buffer")
    delay_steps: int = quantity("steps", "Slots of the ring buffer", least=1)
    delay_stages: int = quantity("", "Stages of a delay-extension core, each of so many steps")
    colour_bits: int = quantity("bit", "Of a key that carry the tick it was sent in")
    queue_spikes: int = quantity("spikes", "Input queue of a core; one place stays empty", least=1)
    ring_buffer_sigma: float = quantity("", "Standard deviations that a slot leaves room for")
    planned_rate_Hz: float = quantity("Hz", "Rate of every source that a slot leaves room for")
    synapse_tau_ms: float = quantity("ms", "Decay of the input of Izhikevich cells", above=0)
    drop_late: int = quantity("", "1: what still waits when a tick begins is dropped")
    timer_spread_us: float = quantity("us", "Timers of the cores start within so much")
    send_backoff_us: float = quantity("us", "A core waits so long in each tick before it sends")

    cpu_MHz: float = quantity("MHz", "Clock of the cores", above=0)
    router_MHz: float = quantity("MHz", "Clock of the routers", above=0)
    router_pipeline: int = quantity("cycles", "From entry to the router's end", least=1)
    router_wait_code: int = quantity("", "Wait before a blocked packet is dropped, an 8-bit float")
    link_ns: float = quantity("ns", "A packet on a link within a board", above=0)
    board_link_ns: float = quantity("ns", "A packet on a link between boards", above=0)
    link_output_packets: int = quantity("packets", "Output buffer of a link", least=1)
    link_input_packets: int = quantity("packets", "Input buffer of a link", least=1)
    emergency_wait_code: int = quantity("", "The same on an emergency route; 0: there is none")
    reinjection: int = quantity("", "1: a monitor core puts dropped packets back into its router")
    reinject_poll_us: float = quantity("us", "How often it looks whether it can")
    reinject_queue_packets: int = quantity("packets", "Its queue; one place stays empty", least=2)
    reinject_read_cycles: float = quantity("cycles", "Until it has read a dumped packet")
    reinject_send_cycles: float = quantity("cycles", "Between two packets that it puts back")
    time_phase_us: float = quantity("us", "Packets are killed after two of these; 0: never")

    lif_curr_cycles: float = quantity("cycles", "Update of a current-based neuron")
    lif_cond_cycles: float = quantity("cycles", "Update of a conductance-based neuron")
    lif_delta_cycles: float = quantity("cycles", "Update of a neuron with delta input")
    lif_alpha_cycles: float = quantity("cycles", "Update of a neuron with alpha-shaped input")
    izhikevich_cycles: float = quantity("cycles", "Update of an Izhikevich neuron")
    external_cycles: float = quantity("cycles", "Update of a neuron that is computed elsewhere")
    refractory_cycles: float = quantity("cycles", "Update of a refractory neuron")
    spike_cycles: float = quantity("cycles", "What a spike adds to an update")
    izhikevich_spike_cycles: float = quantity("cycles", "What it adds to one of Izhikevich")
    send_cycles: float = quantity("cycles", "Sending a spike")
    drain_cycles: float = quantity("cycles", "Drain of a neuron's slots, padded to a power of two")
    drain_slot_cycles: float = quantity("cycles", "What a slot that is not empty adds")
    word_cycles: float = quantity("cycles", "Adding a synaptic word to the ring buffer")
    row_cycles: float = quantity("cycles", "Fixed part of a row")
    first_lookup_cycles: float = quantity("cycles", "First spike into an idle core, until its DMA")
    next_lookup_cycles: float = quantity("cycles", "Looking the next spike up and starting its DMA")
    probe_cycles: float = quantity("cycles", "Probe of the binary search for a row")
    dispatch_cycles: float = quantity("cycles", "Dispatch of the DMA interrupt")
    receive_busy_cycles: float = quantity("cycles", "Interrupt of a packet, pipeline at work")
    receive_idle_cycles: float = quantity("cycles", "The same when it wakes the pipeline")
    delay_spike_cycles: float = quantity("cycles", "A delay extension notes a spike")
    delay_cell_cycles: float = quantity("cycles", "It looks at a cell, for each stage in each tick")
    dma_setup_ns: float = quantity("ns", "Set-up of a DMA")
    dma_word_ns: float = quantity("ns", "DMA of one word")
    row_again_cycles: float = quantity("cycles", "Fixed part of a row added once more")
    sdram_GBps: float = quantity("GB/s", "Memory of a chip, which its cores share; 0: no limit")
    row_header_words: int = quantity("words", "Of a row beside its synaptic words")

    chip_W: float = quantity("W", "Power of a chip at rest")
    core_mW: float = quantity("mW", "What a core at work adds")
    visit_nJ: float = quantity("nJ", "A packet passing one router")
    board_W: float = quantity("W", "Power of a board beside its chips")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.application_cores < 1:
            raise ModelError(
                f"{self.name}: system_cores must be < cores_per_chip ({self.cores_per_chip}), got "
                f"{self.system_cores}"
            )
        if self.delay_steps != 16:
            raise ModelError(
                f"{self.name}: a synaptic word has 4 bits for the delay, so delay_steps must be "
                f"16, got {self.delay_steps}"
            )
        if self.weight_bits != 16:
            raise ModelError(
                f"{self.name}: weights and slots have 16 bits in this arithmetic, got "
                f"{self.weight_bits}"
            )
        if not 4 <= self.colour_bits <= 8:
            raise ModelError(
                f"{self.name}: colour_bits must lie between 4 and 8, got {self.colour_bits}"
            )
        wait_cycles(self.router_wait_code)
        if wait_cycles(self.emergency_wait_code) == FOREVER:
            raise ModelError(
                f"{self.name}: emergency_wait_code must end: 0 (none) to 254, got "
                f"{self.emergency_wait_code}"
            )
        if self.reinjection and not self.reinject_poll_us * 1e6 >= 1:
            raise ModelError(
                f"{self.name}: with reinjection, reinject_poll_us must be > 0, got "
                f"{self.reinject_poll_us:g}"
            )
        self.machine()
        self.timing()

    @property
    def application_cores(self) -> int:
        """Cores of a chip that run neurons."""
        return self.cores_per_chip - self.system_cores

    @property
    def longest_delay(self) -> int:
        """Longest delay in steps, with delay-extension cores."""
        return self.delay_steps * (1 + self.delay_stages)

    def machine(self) -> Torus:
        """The chips and their links, with those that do not work."""
        whole = boards(self.boards)
        dead = self._checked("dead_links", "links", whole.chips, LINKS)
        self._checked("dead_cores", "application cores", whole.chips, self.application_cores)
        for column, row in self._pairs("dead_chips"):
            chip = whole.at(column, row)
            dead += [(chip, link) for link in range(LINKS)]
        return whole.with_dead(dead)

    def _checked(self, name: str, parts: str, chips: int, each: int) -> list[tuple[int, int]]:
        """Pairs of a chip and a part of it."""
        pairs = self._pairs(name)
        for chip, part in pairs:
            if chip >= chips or part >= each:
                raise ModelError(
                    f"{self.name}: {name} has chip {chip} and number {part}, there are {chips} "
                    f"chips of {each} {parts}"
                )
        return pairs

    def _pairs(self, name: str) -> list[tuple[int, int]]:
        """A field of pairs, both whole."""
        for first, second in getattr(self, name):
            if second != int(second):
                raise ModelError(
                    f"{self.name}: {name} must be pairs of integers, got {first}, {second:g}"
                )
        return [(first, int(second)) for first, second in getattr(self, name)]

    def seats(self, machine: Torus) -> NDArray[np.int64]:
        """Chip and number of each application core that can be used, shape (n, 2).

        From the corner outwards; where dead links divide the machine, those of the largest part.
        """
        gone = {machine.at(column, row) for column, row in self._pairs("dead_chips")}
        left, largest = set(range(machine.chips)) - gone, set[int]()
        if not left:
            raise ModelError(f"{self.name}: dead_chips leaves no chip")
        while left:
            part = reached(machine, min(left))
            left -= part
            largest = max(largest, part, key=len)
        near = {chip: distance(machine, 0, chip) for chip in largest}
        chips = sorted(near, key=lambda chip: (near[chip], chip))
        dead = set(self._pairs("dead_cores"))
        seats = [
            (chip, core)
            for chip in chips for core in range(self.application_cores) if (chip, core) not in dead
        ]  # fmt: skip
        return np.array(seats, dtype=np.int64).reshape(-1, 2)

    def timing(self) -> Timing:
        """Times of the fabric in integer picoseconds."""
        cycle = picoseconds(1e3 / self.router_MHz)
        wait = wait_cycles(self.router_wait_code)
        return Timing(
            cycle_ps=cycle,
            pipeline=self.router_pipeline,
            wait_ps=FOREVER if wait == FOREVER else wait * cycle,
            link_ps=picoseconds(self.link_ns),
            board_link_ps=picoseconds(self.board_link_ns),
            receive_ps=max(1, self.cycles_ps(self.receive_busy_cycles)),
            phase_ps=picoseconds(self.time_phase_us * 1e3),
            output_room=self.link_output_packets,
            input_room=self.link_input_packets,
            emergency_ps=wait_cycles(self.emergency_wait_code) * cycle,
            poll_ps=picoseconds(self.reinject_poll_us * 1e3) if self.reinjection else 0,
            read_ps=max(1, self.cycles_ps(self.reinject_read_cycles)),
            send_ps=max(1, self.cycles_ps(self.reinject_send_cycles)),
            queue_room=self.reinject_queue_packets - 1,
        )

    def cycles_ps(self, cycles: float) -> int:
        """Cycles of a core in picoseconds."""
        return round(cycles * 1e6 / self.cpu_MHz)
