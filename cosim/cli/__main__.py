"""``python -m cosim.cli``."""

from cosim.cli import main

main()
