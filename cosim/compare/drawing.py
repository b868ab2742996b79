"""The paper all figures of the report are drawn on: style, colours, and SVG text that repeats.

In: functions that draw on matplotlib axes. Out: inline SVG without dates, random identifiers or
outside references. matplotlib is imported here and in the figure modules only, and only when a
report is drawn.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

#: Of Okabe and Ito, told apart by readers with any colour vision.
REFERENCE = "#0072B2"
CANDIDATE = "#D55E00"
BOTH = "#8a8f98"
FILL = "#009E73"
#: Colour maps of load, from idle (light) to busy (dark).
CORE_MAP, LINK_MAP = "cividis_r", "plasma_r"

#: Width in inch of a figure over the whole page, and of one that shares it with another.
WIDE, HALF = 10.4, 5.1
#: More points than this are drawn as pixels inside the SVG.
MANY_POINTS = 3000

_STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555b66",
    "axes.labelcolor": "#22262d",
    "text.color": "#22262d",
    "xtick.color": "#555b66",
    "ytick.color": "#555b66",
    "xtick.labelcolor": "#22262d",
    "ytick.labelcolor": "#22262d",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.2,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 150,
    "figure.dpi": 150,
}


@dataclass(frozen=True)
class Picture:
    """One figure of a report.

    Attributes
    ----------
    title : str
    caption : str
        How to read it, in a sentence or two.
    svg : str
    wide : bool
        Whether it takes the whole width of the page.
    """

    title: str
    caption: str
    svg: str
    wide: bool


@contextmanager
def style(salt: str) -> Iterator[None]:
    """Draw in the report's own style, whatever the user's matplotlib settings are.

    ``salt`` seeds the identifiers inside the SVG: equal input gives equal bytes.
    """
    import matplotlib.style

    with matplotlib.style.context(["default", {**_STYLE, "svg.hashsalt": salt}]):  # type: ignore[list-item]
        yield


def new_figure(wide: bool, height: float, **grid: Any) -> tuple[Figure, Any]:
    """Make a figure and its axes (``grid`` as for ``Figure.subplots``), without pyplot's state."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDE if wide else HALF, height))
    return figure, figure.subplots(**grid)


def finish(figure: Figure, title: str, caption: str, wide: bool = False) -> Picture:
    """Turn a figure into inline SVG."""
    from matplotlib import rcParams
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    stream = io.StringIO()
    salt = rcParams["svg.hashsalt"]
    # The metadata block is cut off below; its date would differ from day to day.
    FigureCanvasSVG(figure).print_svg(stream, metadata={"Date": None})
    return Picture(
        title, caption, _inline(stream.getvalue(), f"{salt}-{zlib.crc32(title.encode()):08x}"), wide
    )


def short(name: str) -> str:
    """The name of an engine for a legend: without its options where these make it long."""
    return name if len(name) <= 24 else f"{name.split(':')[0]}:..."


def load_map(name: str) -> Colormap:
    """Cut off the light end of a colour map, which would vanish on white."""
    import matplotlib
    from matplotlib.colors import ListedColormap

    return ListedColormap(matplotlib.colormaps[name](np.linspace(0.14, 1.0, 256)), name)


def quiet(axes: Axes) -> None:
    """Take away all that surrounds a map."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _inline(svg: str, name: str) -> str:
    """Cut an SVG file down to what belongs inside an HTML page.

    Namespaces are known to HTML; matplotlib's running names (``figure_1``) would stand twice in
    a page with two figures; identifiers that are referred to get the name of the figure in front.
    """
    svg = svg[svg.index("<svg ") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'^<svg ([^>]*?)width="[^"]*"', r"<svg \1", svg)
    svg = re.sub(r'^<svg ([^>]*?)height="[^"]*"', r"<svg \1", svg)
    referred = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
    kept = {identifier: f"{name}-{identifier}" for identifier in referred}
    svg = re.sub(r' id="([^"]*)"', lambda m: f' id="{kept[m[1]]}"' if m[1] in kept else "", svg)
    svg = re.sub(r'(url\(#|href="#)([^)"]+)', lambda m: m[1] + kept[m[2]], svg)
    return "\n".join(line.rstrip() for line in svg.splitlines() if line.strip())
