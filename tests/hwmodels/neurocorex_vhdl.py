"""NeuroCoreX written down a second time, slot by slot and scalar, as its VHDL states it.

Registers have the names of Core_engine.vhd. One call of :meth:`Pipeline.step` is one step of the
board; :class:`Timers` keeps the counters of STDP that the VHDL keeps for every pair, and does not
remember when anything spiked.
"""

from __future__ import annotations


def signed(x: int, bits: int) -> int:
    """The low bits of a number as two's complement."""
    x &= (1 << bits) - 1
    return x - (1 << bits) if x >> (bits - 1) else x


class Pipeline:
    """Neurons of the board: ``weight[i][j]`` to i from neuron j, ``weight_FF`` from input j."""

    def __init__(self, weight, weight_FF, vthr, Tref, tau_v, tau_I, amp, amp_FF, stdp=None):
        self.weight, self.weight_FF = weight, weight_FF
        self.vthr, self.Tref, self.tau_v, self.tau_I = vthr, Tref, tau_v, tau_I
        self.amp, self.amp_FF, self.stdp = amp, amp_FF, stdp
        n = self.n = len(vthr)
        self.v, self.Isyn, self.Isyn_FF, self.T_ref_ctr = ([0] * n for _ in range(4))
        self.w, self.w_prev, self.w_FF, self.w_FF_prev = ([0] * n for _ in range(4))
        self.spikes_L, self.spikes_L_prev = [0] * n, [0] * n
        self.Sin_prev = False

    def step(self, events, Iin):
        """One step with some input events; returns who spikes."""
        n, fired = self.n, []
        Sin = False
        for j in events:
            for i in range(n):
                self.w_FF[i] = signed(self.w_FF[i] + self.weight_FF[i][j], 15)
            if self.stdp:
                self.stdp.input(j, self.weight_FF)
            Sin = True
        for i in range(n):  # a slot each
            if self.spikes_L_prev[i] > 0:
                Isyn = signed(self.Isyn[i] + signed(self.w_prev[i] * self.amp, 18), 18)
            else:
                Isyn = signed(self.Isyn[i] - ((self.tau_I * self.Isyn[i]) >> 10), 18)
            if self.Sin_prev:
                FF = signed(self.Isyn_FF[i] + signed(self.w_FF_prev[i] * self.amp_FF, 18), 18)
            else:
                FF = signed(self.Isyn_FF[i] - ((self.tau_I * self.Isyn_FF[i]) >> 10), 18)
            vin_2nd = signed(self.v[i] + Iin[i], 18)
            self.Isyn[i], self.Isyn_FF[i] = Isyn, FF
            if vin_2nd >= self.vthr[i] and self.T_ref_ctr[i] == 0:
                fired.append(i)
                self.v[i] = 0
                self.T_ref_ctr[i] = 1
                for k in range(n):
                    if k != i:
                        self.spikes_L[k] += 1
                        self.w[k] = signed(self.w[k] + self.weight[k][i], 15)
                if self.stdp:
                    self.stdp.spike(i, self.weight, self.weight_FF)
            else:
                if 1 <= self.T_ref_ctr[i] < self.Tref[i]:
                    self.T_ref_ctr[i] += 1
                elif self.T_ref_ctr[i] >= self.Tref[i]:
                    self.T_ref_ctr[i] = 0
                self.v[i] = signed(vin_2nd - ((self.tau_v * vin_2nd) >> 10) + Isyn + FF, 18)
                if self.stdp:
                    self.stdp.silent(i)
        self.w_prev, self.w = self.w, [0] * n
        self.w_FF_prev, self.w_FF = self.w_FF, [0] * n
        self.spikes_L_prev, self.spikes_L = self.spikes_L, [0] * n
        self.Sin_prev = Sin
        return fired


class Timers:
    """``tpre[i][j]`` counts steps since j spiked, in the slots of i; -1: not running."""

    def __init__(self, n, inputs, pre_max, post_max, pre_FF_max, post_FF_max, up, down):
        self.tpre = [[-1] * n for _ in range(n)]
        self.tpre_FF = [[-1] * inputs for _ in range(n)]
        self.tpost, self.tpost_FF = [-1] * n, [-1] * n
        self.most = pre_max, post_max, pre_FF_max, post_FF_max
        self.up, self.down, self.n = up, down, n

    def spike(self, i, weight, weight_FF):
        """In the slot of a neuron that spikes: raise its row, then lower its column."""
        for row, timers in ((weight[i], self.tpre[i]), (weight_FF[i], self.tpre_FF[i])):
            for j, t in enumerate(timers):
                if t >= 0 and not (row is weight[i] and j == i):
                    row[j] = min(row[j] + self.up, 127)
        for k in range(self.n):
            if k != i and self.tpost[k] >= 0:
                weight[k][i] = max(weight[k][i] - self.down, -1)
        # Timers that run into this neuron count on, and its own begin.
        self.tpre[i] = [t + 1 if t >= 0 else t for t in self.tpre[i]]
        self.tpre_FF[i] = [t + 1 if t >= 0 else t for t in self.tpre_FF[i]]
        for row in self.tpre:
            row[i] = 0
        self.tpost[i] = self.tpost_FF[i] = 0

    def silent(self, i):
        """In the slot of a neuron that does not spike: count, and stop what is full."""
        pre, post, pre_FF, post_FF = self.most
        for timers, most in ((self.tpre[i], pre), (self.tpre_FF[i], pre_FF)):
            for j, t in enumerate(timers):
                if t >= 0:
                    timers[j] = t + 1 if t < most else -1
        for timers, most in ((self.tpost, post), (self.tpost_FF, post_FF)):
            if timers[i] >= 0:
                timers[i] = timers[i] + 1 if timers[i] < most else -1

    def input(self, j, weight_FF):
        """An input event, before all slots: lower its column where a neuron spiked."""
        for i in range(self.n):
            if self.tpost_FF[i] >= 0:
                weight_FF[i][j] = max(weight_FF[i][j] - self.down, -1)
            self.tpre_FF[i][j] = 0
