"""Handwritten digits: a 64-32-10 spiking classifier with an accuracy.

8x8 images (the digits set that scikit-learn ships) are shown one after another as spike trains
whose rate follows the grey value; the output cell that fires most while an image is shown names
the digit. The weights were trained in floating point as a ReLU network and are shipped beside
this file with 100 images that the training never saw; ``train_digits.py`` made both.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

import cosim.pynn as sim

DATA = Path(__file__).parent / "digits_data" / "digits.npz"

#: An image is shown for SHOW_ms, then the network rests for REST_ms so that it forgets.
SHOW_ms, REST_ms = 100.0, 20.0
TIMESTEP_ms = 1.0
#: Spikes per ms of a white pixel, and of a hidden cell at activation 1.
PEAK_RATE_PER_ms = 0.25
CELL = {
    "tau_m": 30.0,
    "cm": 1.0,
    "v_rest": 0.0,
    "v_reset": 0.0,
    "v_thresh": 10.0,
    "tau_refrac": 1.0,
    "tau_syn_E": 2.0,
    "tau_syn_I": 2.0,
}


def main(argv: list[str] | None = None) -> None:
    arguments = _arguments(argv)
    with np.load(DATA) as data:
        images, labels = data["images"], data["labels"]
        weights = [data["weights_hidden"], data["weights_output"]]
        biases = [data["bias_hidden"], data["bias_output"]]
    images, labels = images[: arguments.images], labels[: arguments.images]

    sim.setup(timestep=TIMESTEP_ms, min_delay=TIMESTEP_ms)
    layers = [
        sim.Population(64, sim.SpikeSourceArray(spike_times=pixel_trains(images)), label="pixels")
    ]
    for label, weight, bias in zip(("hidden", "digits"), weights, biases, strict=True):
        # A bias of 1 alone would let a cell without leak fire at the peak rate.
        i_offset = bias * CELL["v_thresh"] * CELL["cm"] * PEAK_RATE_PER_ms
        layer = sim.Population(len(bias), sim.IF_curr_exp(**CELL, i_offset=i_offset), label=label)
        layer.initialize(v=CELL["v_rest"])
        connect(layers[-1], layer, weight)
        layers.append(layer)

    for layer in layers:
        layer.record("spikes")
    sim.run(len(images) * (SHOW_ms + REST_ms))

    segment = layers[-1].get_data().segments[0]
    counts = counts_per_image([np.asarray(train) for train in segment.spiketrains], len(images))
    right = int(np.sum(counts.argmax(axis=1) == labels))
    print(f"{right} of {len(images)} digits right")
    sim.end()


def pixel_trains(images: np.ndarray) -> list[np.ndarray]:
    """Regular spike trains, one a pixel; a fixed random phase keeps pixels from marching."""
    rng = np.random.default_rng(0)
    trains: list[list[float]] = [[] for _ in range(images.shape[1])]
    for start, image in enumerate(images):
        for pixel, grey in enumerate(image):
            if grey > 0:
                interval = 1.0 / (grey * PEAK_RATE_PER_ms)
                times = np.arange(rng.uniform(0, interval), SHOW_ms, interval)
                trains[pixel] += list(start * (SHOW_ms + REST_ms) + np.round(times))
    return [np.array(train) for train in trains]


def connect(pre, post, weights: np.ndarray) -> None:
    """All-to-all synapses; positive weights excite, negative ones inhibit."""
    # One spike of weight 1 carries the charge from rest to threshold.
    charge = CELL["v_thresh"] * CELL["cm"] / CELL["tau_syn_E"]
    for receptor, chosen in (("excitatory", weights > 0), ("inhibitory", weights < 0)):
        synapses = [(i, j, charge * weights[i, j], TIMESTEP_ms) for i, j in np.argwhere(chosen)]
        connector = sim.FromListConnector(synapses, column_names=["weight", "delay"])
        sim.Projection(pre, post, connector, sim.StaticSynapse(), receptor_type=receptor)


def counts_per_image(trains: list[np.ndarray], images: int) -> np.ndarray:
    """Spikes of each output cell while each image was shown, shape (images, cells)."""
    edges = np.arange(images + 1) * (SHOW_ms + REST_ms)
    return np.stack([np.histogram(train, edges)[0] for train in trains], axis=1)


def score(experiment, result) -> dict[str, float]:
    """Share of digits that are right, of those that this experiment showed."""
    with np.load(DATA) as data:
        labels = data["labels"]
    images = round(experiment.duration_ms / (SHOW_ms + REST_ms))
    spikes = result.spikes[result.labels.index("digits")]
    trains = [spikes.time_ms[spikes.cell == digit] for digit in range(10)]
    counts = counts_per_image(trains, images)
    return {"accuracy": float(np.mean(counts.argmax(axis=1) == labels[:images]))}


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="digits", description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=30, help="how many of the 100 to show")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main(sys.argv[1:])
