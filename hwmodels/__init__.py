"""Models of neuromorphic hardware and the neutral network description they execute.

Nothing in this package knows PyNN, Brian2 or the ``cosim`` platform: a chip receives a
:class:`~hwmodels.network.Network` and gives back a :class:`~hwmodels.result.Result`.
"""

from hwmodels.errors import ArchiveError, CapacityError, ModelError, NetworkError, UnsupportedError
from hwmodels.network import Network
from hwmodels.result import Result

__all__ = [
    "ArchiveError",
    "CapacityError",
    "ModelError",
    "Network",
    "NetworkError",
    "Result",
    "UnsupportedError",
]
