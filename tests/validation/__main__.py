"""Prints every validation table: ``python -m tests.validation``."""

from tests.validation import dynapse, gestures, loihi, neurocorex, sfq, spinnaker, truenorth
from tests.validation.table import rows


def main() -> None:
    print("## Loihi-style\n")
    print(rows(loihi.all_targets()))
    if packaged := gestures.all_targets():
        print("\nOn the gesture network packaged with SANA-FE:\n")
        print(rows(packaged))
    print("\n## DynapSE-style\n")
    print(rows(dynapse.all_targets()))
    print("\n## NeuroCoreX-style\n")
    print(rows(neurocorex.all_targets()))
    print("\n## SpiNNaker-style\n")
    print(rows(spinnaker.all_targets()))
    print("\n## TrueNorth-style\n")
    print(rows(truenorth.all_targets()))
    print("\n## SFQ-style\n")
    print(rows(sfq.all_targets()))
    print("\nNot gated:\n")
    print(rows(sfq.soft_targets()))


if __name__ == "__main__":
    main()
