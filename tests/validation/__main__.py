"""Prints every validation table: ``python -m tests.validation``."""

from tests.validation import loihi
from tests.validation.table import rows


def main() -> None:
    print("## Loihi-style\n")
    print(rows(loihi.all_targets()))


if __name__ == "__main__":
    main()
