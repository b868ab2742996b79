"""Metrics by name, formulas and bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.compare import compare
from cosim.explore.formulas import Constraint, Formula, full_name, metrics_of
from hwmodels.errors import ModelError

KNOWN = {
    "total.rate": 5.0, "populations.exc.rate": 6.0, "populations.layer 1.rate": 7.0,
    "hardware.cores.cores": 3.0, "parameter.cores": 9.0, "hardware.energy_uJ": 2.5,
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("total.rate", 5.0),
        ("rate", 5.0),  # of the whole network, unless a population is named
        ("exc.rate", 6.0),
        ("`populations.layer 1.rate` + 1", 8.0),
        ("cores", 3.0),  # measured, not what was bought
        ("parameter.cores", 9.0),
        ("1e6 * energy_uJ", 2.5e6),
        ("max(rate, energy_uJ) ** 2", 25.0),
        ("log10(1000) if energy_uJ > 2 else 0", pytest.approx(3.0)),
    ],
)
def test_a_formula_computes_from_names_by_their_end(text, value):
    Formula(text).check(list(KNOWN), "here")
    assert Formula(text).value(KNOWN) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("energy_J", "here: there is no 'energy_J'; the nearest is 'energy_uJ'"),
        ("1 +", "here: '1 \\+' is not an expression"),
        ("energy_uJ energy_uJ", "is not an expression"),
    ],
)
def test_what_is_no_formula_is_named(text, words):
    with pytest.raises(ModelError, match=words):
        Formula(text).check(list(KNOWN), "here")


def test_a_name_with_two_meanings_is_refused_with_both():
    with pytest.raises(ModelError, match=r"'x' may be hardware\.a\.x or hardware\.b\.x"):
        full_name("x", ["hardware.a.x", "hardware.b.x"], "here")


@pytest.mark.parametrize("text", ["rate / 0", "sqrt(0 - rate)", "rate * (1e308 * 1e308 * 0)"])
def test_what_has_no_value_is_an_error_of_the_candidate(text):
    with pytest.raises(ModelError, match="rate"):
        Formula(text).value(KNOWN)


@pytest.mark.parametrize("text", ["__import__('os')", "().__class__", "open('x')"])
def test_a_formula_cannot_do_anything_else(text):
    with pytest.raises(ModelError):
        Formula(text).value(KNOWN)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_bound_is_broken_by_what_exceeds_it(x, bound):
    for text in (f"x < {bound!r}", f"{bound!r} >= x"):
        assert (Constraint(text).violation({"x": x}) > 0) == (x > bound)


@pytest.mark.parametrize("text", ["rate", "1 < rate < 2", "rate == 5"])
def test_a_bound_has_one_sign(text):
    with pytest.raises(ModelError, match="must have one '<' or '>'"):
        Constraint(text).check(list(KNOWN), "here")


def test_metrics_are_the_numbers_of_the_comparison(workload):
    metrics = metrics_of(compare(workload.result, workload.result, workload.experiment.network))
    assert metrics["total.rate_relative_error"] == 0
    assert metrics["populations.exc.coincident_share"] == 1
    assert all(isinstance(value, float) for value in metrics.values())
