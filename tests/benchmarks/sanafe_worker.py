"""Runs SANA-FE in an interpreter of its own; needs ``sanafe`` there and nothing of ours.

``python sanafe_worker.py JOB.json OUT.json``: the job names a network (``dvs``, packaged with
SANA-FE, or ``file``, an archive of arrays), a timing model and a number of steps. SANA-FE is
GPL-3; it is run as a program, never imported by this project.
"""

import json
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


def main(job_path, out_path):
    with open(job_path) as file:
        job = json.load(file)
    arch = sanafe.load_loihi()
    began = time.process_time()
    net = dvs(arch) if job["network"] == "dvs" else from_file(arch, job["network"])
    chip = sanafe.SpikingChip(arch)
    chip.load(net)
    loaded = time.process_time()
    said = {"build_s": loaded - began, "models": {}}
    for model, steps in job["models"].items():
        chip.reset()
        began = time.process_time()
        results = chip.sim(
            steps, timing_model=model, processing_threads=1, scheduler_threads=0,
            perf_trace=job.get("trace") or None,
        )  # fmt: skip
        seconds = time.process_time() - began
        perf = results.get("perf_trace") or {}
        said["models"][model] = {
            "cpu_s": seconds,
            "sim_time_s": results["sim_time"],
            "energy_J": results["energy"],
            **{k: results[k] for k in results if isinstance(results[k], (int, float))},
            "trace": {k: list(map(float, v)) for k, v in perf.items() if np.ndim(v) == 1},
        }
    with open("/proc/self/status") as file:  # what getrusage says includes who started us
        said["peak_kib"] = next(int(one.split()[1]) for one in file if one.startswith("VmHWM"))
    said["examples"] = str(files("sanafe.examples"))
    with open(out_path, "w") as file:
        json.dump(said, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
