"""Prints every validation table: ``python -m tests.validation``."""

from tests.validation import gestures, sfq
from tests.validation.chips import CHIPS
from tests.validation.table import rows


def main() -> None:
    for name, chip in CHIPS.items():
        print(f"## {name}-style\n")
        print(rows(chip.all_targets()) + "\n")
    if packaged := gestures.all_targets():
        print("Loihi-style, on the gesture network packaged with SANA-FE:\n")
        print(rows(packaged) + "\n")
    print("SFQ-style, not gated:\n")
    print(rows(sfq.soft_targets()))


if __name__ == "__main__":
    main()
