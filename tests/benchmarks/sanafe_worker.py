"""Runs SANA-FE in an interpreter of its own; needs ``sanafe`` there and nothing of ours.

``python sanafe_worker.py NETWORK``: ``dvs``, packaged with SANA-FE, or an archive of arrays. Says
on a line how long it took to build it; then, for each line ``[timing model, steps, anew]`` that
comes in, what these steps took, all as JSON. SANA-FE is GPL-3; it is run as a program, never
imported by this project.
"""

import json
import os
import sys
import time
from importlib.resources import files

import numpy as np
import sanafe
import sanafe.layers

#: Cores over which the tutorial maps each layer.
DVS_CORES = (1, 4, 16, 16, 4, 1)
#: How the neurons of a file begin each step: by their own bias, fired when above the threshold.
LIF = {"leak_decay": 1.0, "reset_mode": "hard"}


def dvs(arch):
    """The gesture network of SANA-FE's fifth tutorial."""
    arrays = np.load(files("sanafe.examples").joinpath("dvs_challenge.npz").open("rb"))
    threshold = arrays["thresholds"]
    net = sanafe.Network()
    layers = [sanafe.layers.Input2D(net, 32, 32, threshold=threshold[0])]
    for k, name in enumerate(("conv1", "conv2", "conv3", "conv4"), 1):
        stride = 2 if k == 1 else 1
        layers.append(
            sanafe.layers.Conv2D(
                net, layers[-1], arrays[name], stride_width=stride, stride_height=stride,
                threshold=threshold[k],
            )
        )  # fmt: skip
    layers.append(
        sanafe.layers.Dense(net, layers[-1], 11, arrays["dense1"], threshold=threshold[5])
    )
    for neuron, bias in zip(layers[0], arrays["inputs"], strict=True):
        neuron.set_attributes(model_attributes={"bias": bias})
    cores, used = arch.cores(), 0
    for layer, count in zip(layers, DVS_CORES, strict=True):
        each = len(layer) // count
        for k in range(count):
            last = len(layer) if k == count - 1 else (k + 1) * each
            for neuron in layer[k * each : last]:
                neuron.map_to_core(cores[used])
            used += 1
    return net


def from_file(arch, path):
    """A network of arrays: bias, core, source, target and weight; one threshold for all."""
    arrays = np.load(path)
    n, cores, net = len(arrays["bias"]), arch.cores(), sanafe.Network()
    group = net.create_neuron_group(
        "all", n, model_attributes={**LIF, "threshold": float(arrays["threshold"])},
        default_synapse_hw_name="loihi_sparse_synapse", soma_hw_name="loihi_lif",
        default_dendrite_hw_name="loihi_dendrites",
    )  # fmt: skip
    for neuron, bias, core in zip(
        group, arrays["bias"].tolist(), arrays["core"].tolist(), strict=True
    ):
        neuron.set_attributes(model_attributes={"bias": bias})
        neuron.map_to_core(cores[core])
    pairs = list(zip(arrays["source"].tolist(), arrays["target"].tolist(), strict=True))
    group.connect_neurons_sparse(group, {"weight": arrays["weight"].tolist()}, pairs)
    return net


def run(chip, model, steps, anew):
    """Some steps in one mode, from the beginning or from where the last ones ended."""
    if anew:
        chip.reset()
    began = time.process_time()
    results = chip.sim(
        steps, timing_model=model, processing_threads=1, scheduler_threads=0, perf_trace=True
    )
    return {
        "cpu_s": time.process_time() - began,
        "energy_J": results["energy"]["total"],
        **{name: results[name] for name in ("neurons_fired", "packets_sent", "spikes")},
        "sim_time": list(map(float, results["perf_trace"]["sim_time"])),
    }


def main(network):
    # SANA-FE writes to the standard output too, which becomes that for errors.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    arch = sanafe.load_loihi()
    began = time.process_time()
    net = dvs(arch) if network == "dvs" else from_file(arch, network)
    chip = sanafe.SpikingChip(arch)
    chip.load(net)
    said = {"build_s": time.process_time() - began}
    while True:
        print(json.dumps(said), file=answers, flush=True)
        told = sys.stdin.readline()
        if not told:
            return
        said = run(chip, *json.loads(told))
        with open("/proc/self/status") as file:  # what getrusage says includes who started us
            peak = next(one for one in file if one.startswith("VmHWM"))
        said["peak_kib"] = int(peak.split()[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
