"""What can go wrong on the user's side, as exceptions whose message is one readable line.

Every message names the population or projection, the rule that was broken, the value that broke
it, and the way out. Command-line tools show the line and exit with 2; anything that is not a
:class:`ModelError` is a defect of the platform.
"""


class ModelError(ValueError):
    """A network, a chip specification or an option that cannot be used as it was given."""


class NetworkError(ModelError):
    """A network that is inconsistent in itself (a NaN weight, a delay of zero, a bad index)."""


class CapacityError(ModelError):
    """A network that is larger than the hardware it should run on."""


class UnsupportedError(ModelError):
    """A feature of the network that the hardware (or the platform) does not have."""


class ArchiveError(ModelError):
    """A file that is not a readable Network or Result."""
