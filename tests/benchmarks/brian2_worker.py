"""Vogels and Abbott's CUBA network in Brian2: ``brian2_worker.py cython|cpp_standalone MS``.

A process of its own, since Brian2's device is chosen for a whole process. Prints a line of JSON.
"""

import json
import resource
import sys
import tempfile
import time

import brian2 as b2

EQUATIONS = """
dv/dt = (ge + gi - (v + 49*mV)) / (20*ms) : volt (unless refractory)
dge/dt = -ge / (5*ms) : volt
dgi/dt = -gi / (10*ms) : volt
"""


def network():
    cells = b2.NeuronGroup(
        4000, EQUATIONS, threshold="v > -50*mV", reset="v = -60*mV", refractory=5 * b2.ms,
        method="exact",
    )  # fmt: skip
    cells.v = "-60*mV + 10*mV*rand()"
    exc = b2.Synapses(cells, cells, on_pre="ge += 1.62*mV")
    inh = b2.Synapses(cells, cells, on_pre="gi -= 9*mV")
    exc.connect("i < 3200", p=0.02)
    inh.connect("i >= 3200", p=0.02)
    return b2.Network(cells, exc, inh, b2.SpikeMonitor(cells))


def main(device: str, duration_ms: float) -> None:
    b2.defaultclock.dt = 0.1 * b2.ms
    b2.prefs.logging.console_log_level = "ERROR"
    b2.seed(1)
    children = resource.RUSAGE_CHILDREN
    began = time.process_time()
    if device == "cpp_standalone":
        with tempfile.TemporaryDirectory() as folder:
            b2.set_device("cpp_standalone", build_on_run=False, directory=folder)
            net = network()
            net.run(duration_ms * b2.ms)
            b2.device.build(directory=folder, compile=True, run=False, with_output=False)
            built = resource.getrusage(children)
            build_s = time.process_time() - began + built.ru_utime + built.ru_stime
            b2.device.run(folder, with_output=False, run_args=[])
            ran = resource.getrusage(children)
            run_s = ran.ru_utime + ran.ru_stime - built.ru_utime - built.ru_stime
    else:
        b2.prefs.codegen.target = device
        net = network()
        net.run(1 * b2.ms)  # compiled here
        build_s = time.process_time() - began
        began = time.process_time()
        net.run(duration_ms * b2.ms)
        run_s = time.process_time() - began
    print(json.dumps({"build_s": build_s, "run_s": run_s}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
