"""Accuracy after quantising and pruning (S5), on a substitute.

    python -m tests.validation.sfq_digits

The published figures (96.1 to 96.5 %) are of MNIST, which no package ships, and of networks that
are not published in full. So this is not that target: 8 x 8 digits (scikit-learn), a network of
ours with ternary weights and counting somas, trained with its rounding in place, and the same
network on the SFQ chip. It takes one or two minutes.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from hwmodels.chips.sfq import Sfq
from hwmodels.network import Network
from tests.hwmodels.networks import cells, network, source, synapses
from tests.hwmodels.running import run_on

HIDDEN, THRESHOLDS = 96, (6, 6)
#: Pulses of a white pixel, one a slot; how far apart slots are, and a rest before the next image.
PULSES, SLOT_ms = 4, 4.0


def pulses_and_labels() -> tuple[list[NDArray], list[NDArray]]:
    """Pulses of each pixel, and digits: to train on, and to test on."""
    images, digits = load_digits(return_X_y=True)
    pulses = np.rint(images / 16 * PULSES).astype(np.int64)
    split = train_test_split(pulses, digits, test_size=0.2, random_state=0, stratify=digits)
    return split[:2], split[2:]


def ternary(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """-1, 0 or 1; those below 0.7 of the mean magnitude are pruned."""
    kept = np.abs(weight) > 0.7 * np.mean(np.abs(weight))
    return np.where(kept, np.sign(weight), 0.0)


def train(x: NDArray, digits: NDArray, epochs: int = 300, seed: int = 0) -> list[NDArray]:
    """Ternary weights of both layers, by gradients that pass the rounding (Adam)."""
    rng = np.random.default_rng(seed)
    shapes = (x.shape[1], HIDDEN), (HIDDEN, 10)
    weights = [rng.normal(0, 0.1, shape) for shape in shapes]
    moments = [(np.zeros(shape), np.zeros(shape)) for shape in shapes]
    step = 0
    for _ in range(epochs):
        for batch in np.array_split(rng.permutation(len(x)), len(x) // 96):
            step += 1
            first, second = (ternary(w) for w in weights)
            entering = x[batch] @ first / THRESHOLDS[0]
            # Counters fire whole spikes; noise of a count stands for what order and floors do.
            hidden = np.maximum(np.floor(entering + rng.uniform(-0.5, 0.5, entering.shape)), 0)
            scores = 0.5 * hidden @ second
            odds = np.exp(scores - scores.max(axis=1, keepdims=True))
            error = odds / odds.sum(axis=1, keepdims=True)
            error[np.arange(len(batch)), digits[batch]] -= 1
            error *= 0.5 / len(batch)
            back = error @ second.T * (entering > 0) / THRESHOLDS[0]
            for k, gradient in enumerate((x[batch].T @ back, hidden.T @ error)):
                mean, square = moments[k]
                mean += 0.1 * (gradient - mean)
                square += 0.001 * (gradient**2 - square)
                rate = 3e-3 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
                weights[k] -= rate * mean / (np.sqrt(square) + 1e-8)
    return [ternary(w) for w in weights]


def counted(weights: list[NDArray], pulses: NDArray, floor: int) -> NDArray:
    """Spikes of the ten outputs for each image, in whole numbers, slot after slot."""
    held = [np.zeros((len(pulses), w.shape[1])) for w in weights]
    total = np.zeros((len(pulses), 10))
    for slot in range(PULSES):
        spikes = (pulses > slot).astype(np.float64)
        for k, (weight, threshold) in enumerate(zip(weights, THRESHOLDS, strict=True)):
            held[k] = np.maximum(held[k] + spikes @ weight, -floor)
            spikes = np.maximum(np.floor(held[k] / threshold), 0)
            held[k] -= spikes * threshold
        total += spikes
    return total


def on_chip(weights: list[NDArray], pulses: NDArray) -> Network:
    """One image as a network: a pulse of a pixel in each of its first slots."""
    trains = [[1.0 + SLOT_ms * slot for slot in range(n)] for n in pulses.tolist()]
    sizes = pulses.size, HIDDEN, 10
    free = dict(celltype="IF_curr_delta", tau_m=1e6, tau_refrac=0.01)
    layers = [
        cells(n, label=label, v_thresh=-65.0 + threshold, **free)
        for n, label, threshold in zip(sizes[1:], ("hidden", "digits"), THRESHOLDS, strict=True)
    ]
    projections = []
    for k, weight in enumerate(weights):
        for sign, receptor in ((1, "excitatory"), (-1, "inhibitory")):
            pairs = np.argwhere(weight == sign).tolist()
            projections.append(
                synapses(k, k + 1, pairs, float(sign), 1.0, receptor, f"{k} {receptor}", sizes[k])
            )
    return network(source(*trains, label="pixels"), *layers, projections=projections, dt=0.01)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.validation.sfq_digits")
    parser.add_argument("--images", type=int, default=360, help="how many of 360 on the chip")
    arguments = parser.parse_args()
    (x, test), (digits, truth) = pulses_and_labels()
    weights = train(x, digits)
    # Pulses a picosecond apart per thousandth of a ms; 14 ps keep those of one slot apart.
    chip = Sfq(spec="sushi_like", leak="drop", stagger_ps=14.0, ps_per_ms=1000.0)
    software = counted(weights, test, chip.spec.threshold_max)
    pruned = 1 - np.mean([np.mean(w != 0) for w in weights])
    print(f"8 x 8 digits, 64-{HIDDEN}-10, ternary weights, {100 * pruned:.0f} % pruned")
    right = np.mean(software.argmax(axis=1) == truth)
    print(f"  counted in software: {100 * right:.1f} % of {len(truth)} test images")
    same = good = lost = 0
    for k in range(arguments.images):
        result = run_on(chip, on_chip(weights, test[k]), PULSES * SLOT_ms + 4.0)
        spikes = np.bincount(result.spikes[2].cell, minlength=10)
        same += bool(spikes.argmax() == software[k].argmax())
        good += bool(spikes.argmax() == truth[k])
        lost += sum(n for name, n in result.counts.items() if "absorbed" in name)
    shown = arguments.images
    junctions = result.hardware.resources["value"][0]
    print(
        f"  on {chip.name} ({chip.spec.name}): {100 * good / shown:.1f} % of {shown}, answer as in "
        f"software {100 * same / shown:.1f} %;\n  {lost / shown:.1f} pulses absorbed an image, "
        f"{junctions:,.0f} junctions before wiring"
    )


if __name__ == "__main__":
    main()
