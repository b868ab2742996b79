"""Train the weights of the digits scenario and write them with held-out images.

Needs scikit-learn; run once as ``python scenarios/digits_data/train_digits.py``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier


def main() -> None:
    """Train, scale activations to 1, and write ``digits.npz`` beside this file."""
    digits = load_digits()
    train, test, train_labels, test_labels = train_test_split(
        digits.data / 16.0, digits.target, test_size=300, random_state=0, stratify=digits.target
    )
    network = MLPClassifier((32,), alpha=1e-2, max_iter=2000, random_state=0)
    network.fit(train, train_labels)
    print(f"floating-point accuracy on 300 held-out images: {network.score(test, test_labels):.3f}")

    (to_hidden, to_output), (bias_hidden, bias_output) = network.coefs_, network.intercepts_
    hidden = np.maximum(train @ to_hidden + bias_hidden, 0)
    # A firing rate stands for an activation; nearly all activations must fit below the peak rate.
    peak_hidden = np.percentile(hidden, 99.5)
    peak_output = np.percentile(hidden @ to_output + bias_output, 99.5)
    np.savez_compressed(
        Path(__file__).parent / "digits.npz",
        weights_hidden=to_hidden / peak_hidden,
        bias_hidden=bias_hidden / peak_hidden,
        weights_output=to_output * peak_hidden / peak_output,
        bias_output=bias_output / peak_output,
        images=test[:100],
        labels=test_labels[:100],
    )


if __name__ == "__main__":
    main()
