"""What people see: terminal and page."""

from __future__ import annotations

import dataclasses
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from rich.console import Console

from cosim.compare import (
    Attribution,
    compare,
    html_report,
    print_comparison,
    render_text,
    save_html,
)
from cosim.compare.quantities import count, ms, number, percent, si
from hwmodels.result import Spikes
from tests.cosim.compare import synthetic
from tests.cosim.compare.synthetic import packets, report, result, spikes

VOID = {"meta", "br", "link", "img", "hr", "input"}


class Balanced(HTMLParser):
    """Checks that tags are closed in order and identifiers stand once."""

    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def attribution(net, reference, comparison):
    pairs = [("precision", comparison), ("fabric", compare(reference, reference, net))]
    return {comparison.name: Attribution.from_comparisons(pairs)}


@pytest.fixture(scope="module")
def page(comparison, attribution):
    return html_report(comparison, attribution, title="A balanced network")


def edge_cases():
    one = spikes((0, 5.0))
    many = synthetic.network(40, 10, 5, duration_ms=200.0)
    run = synthetic.software(many, 200.0)
    chip = synthetic.on_loihi(many, run)
    silent = dataclasses.replace(chip, spikes=(spikes(),) * 3, traces=())
    analytic = dataclasses.replace(
        chip,
        hardware=dataclasses.replace(
            chip.hardware, fidelity="analytic", packets=chip.hardware.packets[:0]
        ),
    )
    lost = dataclasses.replace(chip.hardware, packets=chip.hardware.packets.copy())
    lost.packets["arrive_ps"] = -1
    idle = dataclasses.replace(chip.hardware, links=chip.hardware.links.copy())
    idle.links["busy_ps"] = 0
    not_recorded = dataclasses.replace(many, recordings=())
    huge = report(
        mesh=(64, 64), links=_grid_links(64), step_ps=np.full(5000, 10**9),
        packets=packets((0, 0, 0, 0, 1000), (1, 0, 0, 10**9, 10**9 + 10**7)),
    )  # fmt: skip
    torus = np.zeros(2, chip.hardware.links.dtype)
    torus["x"], torus["to_x"], torus["packets"] = (0, 7), (7, 0), 3
    return {
        "one spike of one cell": (result(one), result(one), None),
        "no spikes at all": (result(spikes()), result(spikes()), None),
        "silent reference": (result(spikes(), sizes=(1,)), result(one), None),
        "silent candidate": (result(one), result(spikes(), sizes=(1,)), None),
        "no populations": (result(), result(), None),
        "empty population": (result(spikes(), sizes=(0,)), result(spikes(), sizes=(0,)), None),
        "silent chip": (run, silent, many),
        "no hardware": (run, run, many),
        "no packet table": (run, analytic, many),
        "all packets lost": (run, dataclasses.replace(chip, hardware=lost), many),
        "links without times": (run, dataclasses.replace(chip, hardware=idle), many),
        "nothing recorded": (silent, silent, not_recorded),
        "a chip that did nothing": (result(one), result(one, hardware=report()), None),
        "no steps but packets": (
            result(one), result(one, hardware=report(packets=packets((0, 0, 0, 5, 5)))), None,
        ),
        "large mesh": (result(one), result(one, hardware=huge), None),
        "torus": (result(one), result(one, hardware=report(links=torus)), None),
        "a step of no biology": (
            result(one), result(one, hardware=report(step_ps=np.zeros(3, np.int64))), None,
        ),
        "markup in a name": (
            dataclasses.replace(result(one), labels=("<b>[red]a & b",)),
            dataclasses.replace(result(one), labels=("<b>[red]a & b",)), None,
        ),
        "many populations": (
            result(*[one] * 20), result(*[spikes((0, 6.0), (0, 50.0))] * 20), None,
        ),
        "no time at all": (
            result(spikes(), duration_ms=0.0), result(spikes(), duration_ms=0.0), None,
        ),
    }  # fmt: skip


def _grid_links(n):
    x, y = (a.ravel() for a in np.meshgrid(np.arange(n - 1), np.arange(n)))
    table = np.zeros(len(x), synthetic.LINK)
    table["x"], table["y"], table["to_x"], table["to_y"] = x, y, x + 1, y
    table["busy_ps"] = 10**6 * (1 + x)
    return table


CASES = edge_cases()


@pytest.mark.parametrize("case", CASES)
def test_every_edge_case_can_be_shown(case):
    reference, candidate, network = CASES[case]
    c = compare(reference, candidate, network, name="chip", reference_name="software")
    text, page = render_text(c), html_report(c)
    assert "chip against software" in text
    assert max(map(len, text.splitlines())) <= 80
    assert c.to_json() == c.to_json()
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert not re.search(r"\b(nan|None)\b", re.sub(r"<[^>]*>", "", page))


def test_the_page_is_one_file_with_no_outside_resources(page):
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    assert not re.search(r"url\((?!#)", page)
    assert not re.search(r"https?:|@import|<script|<link|<iframe", page)
    assert "xmlns" not in page


def test_the_page_is_well_formed_and_identifiers_are_unique(page):
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert len(set(parser.ids)) == len(parser.ids)


def test_every_reference_inside_a_figure_leads_somewhere(page):
    referred = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', page))
    assert referred <= set(re.findall(r'id="([^"]+)"', page))
    assert referred


def test_equal_input_gives_equal_bytes(net, reference, candidate, comparison, attribution, page):
    again = compare(
        reference,
        dataclasses.replace(candidate, host_seconds=1234.5),
        net,
        reference_task={"accuracy": 0.93},
        candidate_task={"accuracy": 0.91},
        provenance={"script": "balanced.py", "seed": "42"},
    )
    assert html_report(again, attribution, title="A balanced network") == page


def test_the_page_has_every_figure_and_says_how_to_read_it(page):
    titles = [
        "Spikes", "Population rates", "Shifts of spikes", "Intervals between spikes",
        "v of excitatory", "Spike latency", "Energy by operation", "Step time", "Load of the mesh",
    ]  # fmt: skip
    assert re.findall(r"<h4>(.*?)</h4>", page) == titles
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert len(captions) == len(titles)
    assert all(len(caption) > 40 for caption in captions)


def test_the_page_tells_headline_counts_sources_and_attribution(page, comparison):
    for text in (
        "Not identical: loihi first departs from brian2",
        "51,234",
        "Davies et al. 2018",
        "Static power is not modelled.",
        "What each effect costs",
        "a projection with a very long label",
        comparison.reference.network_hash,
        "balanced.py",
        "accuracy: 0.930 in brian2, 0.910 on loihi (-0.0200).",
    ):
        assert text in page


def test_a_long_engine_name_can_be_broken_and_is_short_in_figures(net, reference, candidate):
    name = "loihi:spec=davies2018:neurons=exact:effects=delays"
    page = html_report(compare(reference, candidate, net, name=name))
    assert "loihi<wbr>:spec=davies2018<wbr>:neurons=exact" in page
    assert "loihi:... only" in page


def test_steps_that_are_all_alike_are_no_figure(net, reference, candidate):
    hardware = candidate.hardware
    alike = dataclasses.replace(hardware, step_ps=np.full_like(hardware.step_ps, 10**9))
    same = dataclasses.replace(candidate, hardware=alike)
    page = html_report(compare(reference, same, net))
    assert "Step time" not in page


def test_a_page_for_four_thousand_neurons_stays_small():
    net = synthetic.network(3200, 800, 100)
    run = synthetic.software(net, rate_Hz=12)
    chip = synthetic.on_loihi(net, run)
    assert sum(len(s.cell) for s in run.spikes) > 45_000
    assert len(html_report(compare(run, chip, net)).encode()) < 3_000_000


def test_several_candidates_share_a_page(net, reference, comparison):
    ideal = compare(reference, reference, net, name="ideal")
    page = html_report([comparison, ideal])
    parser = Balanced()
    parser.feed(page)
    assert len(set(parser.ids)) == len(parser.ids)
    assert 'href="#candidate-1"' in page
    assert "Identical spike for spike: ideal repeats all" in page


def test_a_page_needs_comparisons_with_different_names(comparison):
    with pytest.raises(ValueError, match="different names"):
        html_report([comparison, comparison])
    with pytest.raises(ValueError, match="different names"):
        html_report([])


def test_save_html_writes_the_page(comparison, attribution, page, tmp_path):
    save_html(tmp_path / "r.html", comparison, attribution, title="A balanced network")
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == page


def test_the_terminal_text_is_plain_and_says_the_main_things(comparison, attribution):
    text = render_text(comparison, attribution)
    assert text.isascii()
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80
    for part in (
        "excitatory: ", " Hz in brian2, ", " x real time", "packets dropped", "quantisation",
        "what each effect costs", "energy by operation",
    ):  # fmt: skip
        assert part in text


def test_an_identical_run_says_so_in_the_first_sentence(net, reference):
    text = render_text(compare(reference, reference, net, name="ideal"))
    total = sum(len(s.cell) for s in reference.spikes)
    assert f"* Identical spike for spike: ideal repeats all {total:,} spikes of brian2." in text


def test_long_names_and_large_numbers_still_fit():
    label = "a population with quite a long name indeed, layer 2/3"
    n = 1_500_000
    train = Spikes(np.arange(n, dtype=np.int32), np.full(n, 3.0))
    late = Spikes(train.cell, np.full(n, 7.0))
    runs = [
        dataclasses.replace(result(t, duration_ms=10.0, engine="a long name"), labels=(label,))
        for t in (train, late)
    ]  # fmt: skip
    text = render_text(compare(*runs))
    assert max(map(len, text.splitlines())) <= 80
    assert "1,500,000" in text


def test_a_stream_of_ascii_gets_names_as_far_as_it_can():
    named = [dataclasses.replace(result(spikes((0, 5.0))), labels=("schicht→2",))] * 2
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    print_comparison(compare(*named), console=Console(file=stream))
    stream.seek(0)
    assert "schicht?2" in stream.read()


def test_a_terminal_gets_colours_and_a_pipe_does_not(comparison):
    colour, plain = io.StringIO(), io.StringIO()
    print_comparison(comparison, console=Console(file=colour, force_terminal=True, width=100))
    print_comparison(comparison, console=Console(file=plain, width=100))
    assert "\x1b[" in colour.getvalue()
    assert "\x1b[" not in plain.getvalue()


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (6.3e-6, "s", "6.30 µs"), (0.0, "J", "0 J"), (999.9e-9, "s", "1.00 µs"),
        (1.0, "s", "1.00 s"),
        (81e-12, "J", "81.0 pJ"), (None, "s", "–"), (-3e-9, "s", "-3.00 ns"),
        (1.2e3, "Hz", "1.20 kHz"),
    ],
)  # fmt: skip
def test_si_prefixes(value, unit, text):
    assert si(value, unit) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5.149, "5.15"), (0.0123456, "0.0123"), (123456.0, "123,000"), (0, "0"), (None, "–"),
        (float("nan"), "–"), (1e-9, "1.00e-09"), (999.6, "1,000"), (float("inf"), "inf"),
    ],
)  # fmt: skip
def test_three_significant_digits(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1.0, "100 %"), (0.99999, "99.999 %"), (0.9999999, "> 99.999 %"), (0.0, "0 %"),
        (0.0001, "0.0100 %"), (0.831, "83.1 %"), (None, "–"), (25.0, "2,500 %"),
    ],
)  # fmt: skip
def test_shares_never_round_to_all_or_nothing(share, text):
    assert percent(share) == text


def test_signs_and_counts():
    assert percent(0.039, signed=True) == "+3.9 %"
    assert percent(-0.039, signed=True) == "-3.9 %"
    assert ms(0.5, signed=True) == "+0.500 ms"
    assert count(1234567) == "1,234,567"
