"""The spread over chips: plain statistics of the comparisons, shown wherever they are shown."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from cosim.compare import Spread, compare, html_report, render_text
from cosim.compare.wording import spread_cells
from tests.cosim.compare import synthetic


@pytest.fixture(scope="module")
def comparisons():
    net = synthetic.network(exc=40, inh=10, inputs=5)
    reference = synthetic.software(net)
    return [
        compare(
            reference, synthetic.on_loihi(net, reference, seed=seed), net, name="chips",
            reference_task={"accuracy": 0.9}, candidate_task={"accuracy": 0.5 + 0.1 * seed},
        )
        for seed in range(4)
    ]  # fmt: skip


def test_it_is_the_statistics_of_each_figure(comparisons):
    spread = Spread.from_comparisons(comparisons, first=7)
    rows = {row.figure: row for row in spread.rows}
    shares = [c.total.coincident_share for c in comparisons]
    row = rows[f"within {comparisons[0].coincidence_ms:g} ms"]
    assert row.mean == pytest.approx(np.mean(shares))
    assert row.values == tuple(shares)
    assert row.sd == pytest.approx(np.std(shares, ddof=1))
    assert (row.smallest, row.largest) == (min(shares), max(shares))
    accuracy = rows["task: accuracy"]
    assert (accuracy.reference, accuracy.mean) == (0.9, pytest.approx(0.65))
    assert (spread.chips, spread.first, spread.last) == (4, 7, 10)
    assert json.loads(json.dumps(spread.to_dict()))["figures"]["missed"]["defined"] == 4


def test_one_chip_has_no_deviation_and_none_is_no_spread(comparisons):
    assert all(row.sd is None for row in Spread.from_comparisons(comparisons[:1]).rows)
    with pytest.raises(ValueError, match="at least one chip"):
        Spread.from_comparisons([])


def test_terminal_and_page_show_it(comparisons):
    spread = {"chips": Spread.from_comparisons(comparisons)}
    text = render_text(comparisons[0], spread=spread)
    assert "spread over 4 chips (1 to 4)" in text
    assert max(map(len, text.splitlines())) <= 80
    said = " ".join(text.split())
    assert "Over 4 chips (1 to 4): accuracy 0.650 ± 0.129, rate change" in said
    page = html_report(comparisons[0], spread=spread)
    assert "Spread over 4 chips (1 to 4)" in page
    assert "task: accuracy" in page
    assert "Each dot is a chip." in page
    alone = {"chips": Spread.from_comparisons(comparisons[:1])}
    assert "Each dot is a chip." not in html_report(comparisons[0], spread=alone)
    assert "Spread over" not in html_report(comparisons[0])


def test_energies_and_latencies_of_any_size_are_read_with_a_prefix(comparisons):
    spread = Spread.from_comparisons(comparisons)
    tiny = [
        replace(row, mean=2.5e-17, sd=1e-19, smallest=2.4e-17, largest=2.6e-17)
        if row.figure == "energy" else row
        for row in spread.rows
    ]  # fmt: skip
    rows = {row.figure: spread_cells(row) for row in tiny}
    assert rows["energy"] == ["–", "25.0 aJ", "0.100 aJ", "24.0 aJ", "26.0 aJ"]
    assert rows["latency, median"][1].endswith("s")
    page = html_report(
        comparisons[0],
        spread={"chips": replace(spread, rows=tuple(r for r in tiny if r.unit == "J"))},
    )
    assert "energy (aJ)" in page
