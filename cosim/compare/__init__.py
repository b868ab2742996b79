"""The comparator: how a run on hardware deviates from software, what it cost, and why.

In: :class:`~hwmodels.result.Result` objects of one network (and the network itself, if at hand).
Out: a :class:`Comparison` of plain numbers, shown in the terminal, as JSON or as one HTML page.
This package runs nothing and must not know Brian2 or PyNN; it loads matplotlib only when a page
is drawn. All metrics are defined in ``docs/metrics.md``.

>>> comparison = compare(reference, candidate, network)    # doctest: +SKIP
>>> print_comparison(comparison)                           # doctest: +SKIP
>>> save_html("report.html", comparison)                   # doctest: +SKIP
"""

from cosim.compare.attribution import Attribution, AttributionRow
from cosim.compare.comparison import Comparison, TaskMetric, compare
from cosim.compare.hardware import HardwareMetrics, measure_hardware
from cosim.compare.learned import WeightComparison, compare_weights
from cosim.compare.limits import broken_limits
from cosim.compare.matching import Matching, match_spikes
from cosim.compare.report import html_report, save_html
from cosim.compare.spiketrains import SpikeComparison
from cosim.compare.spread import Spread, SpreadRow
from cosim.compare.terminal import print_comparison, render_text
from cosim.compare.traces import TraceComparison, compare_traces
from cosim.compare.transport import TransportMetrics, measure_transport

__all__ = [
    "Attribution",
    "AttributionRow",
    "Comparison",
    "HardwareMetrics",
    "Matching",
    "SpikeComparison",
    "Spread",
    "SpreadRow",
    "TaskMetric",
    "TraceComparison",
    "TransportMetrics",
    "WeightComparison",
    "broken_limits",
    "compare",
    "compare_traces",
    "compare_weights",
    "html_report",
    "match_spikes",
    "measure_hardware",
    "measure_transport",
    "print_comparison",
    "render_text",
    "save_html",
]
