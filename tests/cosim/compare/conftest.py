"""One realistic comparison for all tests that read and never change it."""

from __future__ import annotations

import pytest

from cosim.compare import Comparison, compare
from tests.cosim.compare import synthetic


@pytest.fixture(scope="session")
def net():
    return synthetic.network()


@pytest.fixture(scope="session")
def reference(net):
    return synthetic.software(net)


@pytest.fixture(scope="session")
def candidate(net, reference):
    return synthetic.on_loihi(net, reference)


@pytest.fixture(scope="session")
def comparison(net, reference, candidate) -> Comparison:
    return compare(
        reference,
        candidate,
        net,
        reference_task={"accuracy": 0.93},
        candidate_task={"accuracy": 0.91},
        provenance={"script": "balanced.py", "seed": "42"},
    )
