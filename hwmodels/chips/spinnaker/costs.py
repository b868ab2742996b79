"""The times of everything a core does, as the kernel takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hwmodels.chips.spinnaker import arithmetic as a
from hwmodels.chips.spinnaker import pipeline as k
from hwmodels.chips.spinnaker.formats import SPARE_BITS
from hwmodels.chips.spinnaker.spec import SpinnakerSpec

if TYPE_CHECKING:
    from hwmodels.chips.spinnaker.machine import Conditions

_MICROSECOND = 1_000_000


def costs_of(spec: SpinnakerSpec, conditions: Conditions) -> NDArray[np.int64]:
    """The constants of :mod:`hwmodels.chips.spinnaker.pipeline`, times in ps."""
    values: dict[int, Any] = {
        k.TICK_PS: conditions.tick_ps,
        k.RECEIVE_BUSY: spec.cycles_ps(spec.receive_busy_cycles),
        k.RECEIVE_IDLE: spec.cycles_ps(spec.receive_idle_cycles),
        k.FIRST_LOOK_UP: spec.cycles_ps(spec.first_lookup_cycles),
        k.NEXT_LOOK_UP: spec.cycles_ps(spec.next_lookup_cycles),
        k.PROBE: spec.cycles_ps(spec.probe_cycles),
        k.ROW_FIXED: spec.cycles_ps(spec.row_cycles),
        k.WORD: spec.cycles_ps(spec.word_cycles),
        k.DISPATCH: spec.cycles_ps(spec.dispatch_cycles),
        k.DMA_SETUP: round(spec.dma_setup_ns * 1e3),
        k.DMA_WORD: round(spec.dma_word_ns * 1e3),
        k.DRAIN: spec.cycles_ps(spec.drain_cycles),
        k.DRAIN_SLOT: spec.cycles_ps(spec.drain_slot_cycles),
        k.REFRACTORY: spec.cycles_ps(spec.refractory_cycles),
        k.SPIKE: spec.cycles_ps(spec.spike_cycles),
        k.SEND: spec.cycles_ps(spec.send_cycles),
        k.IZHIKEVICH_SPIKE: spec.cycles_ps(spec.izhikevich_spike_cycles),
        k.UPDATE: spec.cycles_ps(spec.external_cycles),
        k.QUEUE: spec.queue_spikes,
        k.COLOURS: 1 << spec.colour_bits,
        k.SLOTS: spec.delay_steps,
        k.SPARE: SPARE_BITS if conditions.exact_weights else 0,
        k.IDEAL_CORES: int(conditions.ideal_cores),
        k.NO_FABRIC: int(conditions.ideal_fabric),
        k.DROP_LATE: int(spec.drop_late),
        k.DMA_HEADER: spec.row_header_words,
        k.ROW_AGAIN: spec.cycles_ps(spec.row_again_cycles),
        k.SDRAM_WORD: round(4e3 / spec.sdram_GBps) if spec.sdram_GBps else 0,
        k.DELAY_SPIKE: spec.cycles_ps(spec.delay_spike_cycles),
        k.DELAY_CELL: spec.cycles_ps(spec.delay_cell_cycles),
        k.STAGE_STEPS: spec.delay_steps,
        k.BACKOFF: round(spec.send_backoff_us * _MICROSECOND),
        k.COSTS + a.LIF_CURR: spec.cycles_ps(spec.lif_curr_cycles),
        k.COSTS + a.LIF_COND: spec.cycles_ps(spec.lif_cond_cycles),
        k.COSTS + a.IZHIKEVICH: spec.cycles_ps(spec.izhikevich_cycles),
        k.COSTS + a.LIF_DELTA: spec.cycles_ps(spec.lif_delta_cycles),
        k.COSTS + a.LIF_ALPHA: spec.cycles_ps(spec.lif_alpha_cycles),
    }
    cost = np.zeros(k.COSTS + 5, dtype=np.int64)
    for place, value in values.items():
        cost[place] = value
    return cost
