"""The binaries of sPyNNaker 7.4.1, executed function by function under an ARM emulator.

``pip download`` fetches the wheel (Apache-2.0) into a folder of its own; nothing of it is kept.
Needs ``unicorn``; addresses are those of datasheet 3.9.
"""

from __future__ import annotations

import hashlib
import importlib.util
import struct
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

WHEEL = "spynnaker==1!7.4.1"
WHEEL_SHA256 = "7914e0ad2bb7a6476e2df52919133e63e2d76a2bd0a8ab3db1dc6d3c1cbed9b4"
#: Of ``IF_curr_exp.aplx``, as the datasheet gives it.
CURR_EXP_SHA256 = "acd257c9da6fa23c8995a080aeadd591182716cc0f8b6f2b26a1fbbdc15bc556"
_FOLDER = "spynnaker/pyNN/model_binaries"

_ITCM, _DTCM, _SDRAM = (0, 0x8000), (0x400000, 0x10000), (0x60000000, 0x100000)
_PAGES = (0x10000000, 0x11000000, 0x1F000000, 0x20000000, 0x21000000, 0x40000000)
_NEURONS, _SYNAPSES = 0x400168, 0x400114
#: Where a called function returns to, and where we put arrays.
_STOP, _STACK, _FREE = 0x7FF0, 0x40FF00, 0x402000


@dataclass(frozen=True)
class Layout:
    """Where a binary keeps what: entry points, and offsets in its neuron structure."""

    file: str
    update: int
    drain: int
    neuron_bytes: int
    shaping: int
    shaping_bytes: int
    threshold: int
    count: int
    padded: int
    types: int
    shifts: int
    extra: int = 0
    extra_bytes: int = 0


LAYOUTS = {
    "IF_curr_exp": Layout("IF_curr_exp", 0x220C, 0x2928, 32, 0x54, 24, 0x58, 0x5C, 0x74, 0x78,
                          0x80),
    "Izhikevich": Layout("IZK_curr_exp", 0x21B0, 0x29AC, 36, 0x54, 24, 0x58, 0x5C, 0x74, 0x78,
                         0x80),
    "IF_cond_exp": Layout("IF_cond_exp", 0x2280, 0x2A08, 32, 0x54, 24, 0x58, 0x60, 0x78, 0x7C,
                          0x84, 0x5C, 8),
    "IF_curr_alpha": Layout("IF_curr_alpha", 0x2228, 0x29AC, 32, 0x54, 40, 0x58, 0x5C, 0x74, 0x78,
                            0x80),
    "IF_curr_delta": Layout("IF_curr_delta", 0x2148, 0x2840, 32, 0x58, 8, 0x5C, 0x60, 0x78, 0x7C,
                            0x84, 0x54, 4),
}  # fmt: skip


def missing() -> str | None:
    """Why this cannot run here; None when it can."""
    if importlib.util.find_spec("unicorn") is None:
        return "unicorn is not installed (pip install -e '.[firmware]')"
    return None


def download(folder: Path) -> dict[str, bytes]:
    """The binaries by name, checked.

    Raises
    ------
    ConnectionError
        When the wheel cannot be had.
    """
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), WHEEL]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("spynnaker-*.whl"))
    if done.returncode or not wheels:
        raise ConnectionError(f"{WHEEL} cannot be downloaded: {done.stderr.strip()[-200:]}")
    content = wheels[0].read_bytes()
    assert hashlib.sha256(content).hexdigest() == WHEEL_SHA256
    with zipfile.ZipFile(wheels[0]) as wheel:
        files = {
            layout.file: wheel.read(f"{_FOLDER}/{layout.file}.aplx") for layout in LAYOUTS.values()
        }
    assert hashlib.sha256(files["IF_curr_exp"]).hexdigest() == CURR_EXP_SHA256
    return files


class Firmware:
    """One binary in an emulated core with so many neurons, all tables zero.

    Parameters
    ----------
    aplx : bytes
    layout : Layout
    neurons : int
        At most 256.
    """

    def __init__(self, aplx: bytes, layout: Layout, neurons: int) -> None:
        from unicorn import UC_ARCH_ARM, UC_MODE_ARM, Uc, arm_const

        self._arm = arm_const
        self.layout, self.neurons = layout, neurons
        self.core = Uc(UC_ARCH_ARM, UC_MODE_ARM)
        for base, size in (_ITCM, _DTCM, _SDRAM, *((page, 0x1000) for page in _PAGES)):
            self.core.mem_map(base, size)
        command, destination, _, length = struct.unpack("<4I", aplx[:16])
        assert (command, destination) == (2, 0)
        self.core.mem_write(0, aplx[0x40 : 0x40 + length])
        self._next = _FREE
        self.executed = 0
        padded = 1 << max(0, (neurons - 1).bit_length())
        words = (padded + 31) // 32
        at, put = self._room, self._put
        self.table = at(neurons * layout.neuron_bytes)
        self.shaping = at(neurons * layout.shaping_bytes)
        self.thresholds = at(neurons * 4)
        self.extra = at(max(neurons * layout.extra_bytes, 4))
        self.shifts = at(8)
        self.ring = at(16 * 2 * padded * 2)
        self._padded = padded
        # What the update loop writes records to: three variables, and the spikes as bits.
        values = [at(4 * neurons) for _ in range(3)]
        indices = [at(2 * neurons) for _ in range(3)]
        self.fired, which = at(4 * words), at(2 * neurons)
        self.core.mem_write(which, np.arange(neurons, dtype="<u2").tobytes())
        records, spikes = at(0x60), at(0x20)
        for total in (0x04, 0x1C, 0x34):
            put(records + total, 1)
        put(spikes, 1)
        base = _NEURONS
        put(base + 0x00, records)
        put(base + 0x04, self._pointers(values))
        put(base + 0x08, self._pointers(indices))
        put(base + 0x0C, spikes)
        put(base + 0x10, self._pointers([self.fired]))
        put(base + 0x14, self._pointers([which]))
        put(base + 0x4C, 1)
        put(base + 0x50, self.table)
        for offset, value in (
            (layout.shaping, self.shaping), (layout.threshold, self.thresholds),
            (layout.count, neurons), (layout.padded, padded), (layout.types, 2),
            (layout.shifts, self.shifts),
        ):  # fmt: skip
            put(base + offset, value)
        if layout.extra:
            put(base + layout.extra, self.extra)
        self._records, self._spikes = records, spikes
        index_bits = padded.bit_length() - 1
        put(_SYNAPSES + 0x0C, index_bits + 1)
        put(_SYNAPSES + 0x28, 15)
        put(_SYNAPSES + 0x2C, 15 << (index_bits + 1))
        put(_SYNAPSES + 0x38, (1 << (index_bits + 5)) - 1)
        put(_SYNAPSES + 0x3C, self.ring)

    def _room(self, size: int) -> int:
        here = self._next
        self._next += (size + 15) // 16 * 16
        assert self._next < _STACK - 0x1000
        return here

    def _pointers(self, addresses: list[int]) -> int:
        here = self._room(4 * len(addresses))
        for k, address in enumerate(addresses):
            self._put(here + 4 * k, address)
        return here

    def _put(self, address: int, value: int) -> None:
        self.core.mem_write(address, struct.pack("<I", value & 0xFFFFFFFF))

    def read(self, address: int, count: int, dtype: str = "<i4") -> np.ndarray:
        """Numbers from memory, as int64."""
        size = np.dtype(dtype).itemsize
        data = bytes(self.core.mem_read(address, count * size))
        return np.frombuffer(data, dtype=dtype).astype(np.int64)

    def write(self, address: int, values: np.ndarray, dtype: str = "<u4") -> None:
        """Numbers to memory, of which the low bits are kept."""
        mask = (1 << 8 * np.dtype(dtype).itemsize) - 1
        content = (np.asarray(values, dtype=np.int64) & mask).astype(dtype)
        self.core.mem_write(address, content.tobytes())

    def call(self, address: int, *arguments: int, stack: tuple[int, ...] = ()) -> int:
        """Run a function until it returns; the number of instructions."""
        from unicorn import UC_HOOK_CODE

        arm = self._arm
        top = _STACK - 4 * len(stack)
        for k, value in enumerate(stack):
            self._put(top + 4 * k, value)
        self.core.reg_write(arm.UC_ARM_REG_SP, top)
        self.core.reg_write(arm.UC_ARM_REG_LR, _STOP)
        for k, value in enumerate(arguments):
            self.core.reg_write(getattr(arm, f"UC_ARM_REG_R{k}"), value)
        before = self.executed

        def count(*_: object) -> None:
            self.executed += 1

        hook = self.core.hook_add(UC_HOOK_CODE, count)
        self.core.emu_start(address, _STOP)
        self.core.hook_del(hook)
        return self.executed - before

    def drain(self, slot: np.ndarray) -> None:
        """Drain one slot of the ring buffer, uint16 of shape (2, padded)."""
        self.write(self.ring, slot.ravel(), "<u2")
        self.call(self.layout.drain, self.ring)

    def update(self, tick: int) -> np.ndarray:
        """Update all neurons; which fired."""
        words = (self._padded + 31) // 32
        self.write(self.fired, np.zeros(words))
        self._put(self._records + 0x08, 0)
        self.call(self.layout.update, tick)
        bits = self.read(self.fired, words, "<u4")
        cells = np.arange(self.neurons)
        return (bits[cells // 32] >> (cells % 32) & 1).astype(bool)

    def neuron(self) -> np.ndarray:
        """The table of neurons, shape (neurons, words)."""
        words = self.layout.neuron_bytes // 4
        return self.read(self.table, self.neurons * words).reshape(self.neurons, words)

    def synapse(self) -> np.ndarray:
        """The table of synaptic inputs, shape (neurons, words)."""
        words = self.layout.shaping_bytes // 4
        return self.read(self.shaping, self.neurons * words).reshape(self.neurons, words)

    @property
    def padded(self) -> int:
        """Neurons, padded to a power of two."""
        return self._padded

    def process_row(
        self, tick: int, colour: int, words: np.ndarray, mask: int = 15
    ) -> tuple[int, int, int]:
        """Process a row of static words; instructions, late synapses and saturations so far."""
        row = _SDRAM[0]
        self.write(row, np.concatenate(([0, len(words), 0], words)))
        executed = self.call(0xC08, tick, colour, mask, row, stack=(row + 0x8000,))
        late, saturated = self.read(_SYNAPSES + 0x4C, 2, "<u4")
        return executed, int(late), int(saturated)
