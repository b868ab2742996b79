"""Design-space exploration: which hardware serves a workload best.

A :class:`~cosim.explore.space.Space` (a TOML file) names the dimensions, what to minimise or
maximise, and under which constraints. The workload is lowered and its software reference computed
once; Optuna proposes candidates; worker processes or a Dask cluster evaluate them; the study lives
in a database, so an interruption loses nothing.
"""

from cosim.explore.search import Exploration, Progress
from cosim.explore.space import Space

__all__ = ["Exploration", "Progress", "Space"]
