"""SFQ-style hardware: pulses of single flux quanta through superconducting cells, in picoseconds."""

from pathlib import Path
from hwmodels.chips.sfq.spec import SfqSpec
class Sfq:
    spec = SfqSpec.from_toml(Path(__file__).parent / "rsfq.toml")
