"""All engines of each fabric on many random cases: ``python -m tests.differential``.

A case is a fabric of random shape, buffers and times with random traffic; engines must agree on
every packet, link and step, to the picosecond. A case that differs is printed with its number,
which makes it again. CI runs some cases in ``tests/hwmodels``; this command runs as many as asked.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator

from hwmodels.fabric.multicore import EVENT_ENGINES
from tests.hwmodels import fabric_cases, hierarchy_cases

#: Agreed or not, packets carried.
Outcome = tuple[str | None, int]


def mesh(seed: int) -> Outcome:
    return _mesh(fabric_cases.random_case(seed), set(EVENT_ENGINES) - {"reference"})


def clocked(seed: int) -> Outcome:
    return _mesh(fabric_cases.clocked_case(seed), {"compiled", "wide", "taking turns"})


def _mesh(case: fabric_cases.Case, engines: set[str]) -> Outcome:
    packets = sum(len(messages) for messages, _ in case.steps)
    said = fabric_cases.carry("reference", case)
    for engine in sorted(engines):
        found = fabric_cases.difference(case, engine, said)
        if found is not None:
            return f"{engine}: {found}", packets
    return None, packets


def hierarchy(seed: int) -> Outcome:
    case = hierarchy_cases.random_case(seed)
    return hierarchy_cases.difference(*case), len(case[2])


#: Fabrics by name; what each compares, from the number of a case.
FABRICS: dict[str, Callable[[int], Outcome]] = {
    "mesh": mesh,
    "clocked": clocked,
    "hierarchy": hierarchy,
}


def run(fabric: str, seeds: range) -> Iterator[tuple[int, Outcome]]:
    for seed in seeds:
        yield seed, FABRICS[fabric](seed)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--cases", type=int, default=1000, help="of each fabric")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("fabrics", nargs="*", choices=[*FABRICS, []], help="all by default")
    arguments = parser.parse_args()
    differ = 0
    for fabric in arguments.fabrics or FABRICS:
        started, said, packets, wrong = time.perf_counter(), 0.0, 0, []
        for seed, (found, carried) in run(
            fabric, range(arguments.first, arguments.first + arguments.cases)
        ):
            packets += carried
            if found is not None:
                wrong.append(seed)
                print(f"\n{fabric} case {seed}: {found}")
            if time.perf_counter() > said + 1 and sys.stderr.isatty():
                said = time.perf_counter()
                print(f"\r{fabric}: {seed - arguments.first + 1} cases", end="", file=sys.stderr)
        print(
            f"{fabric}: {arguments.cases} random cases, {packets} packets, "
            f"{len(wrong)} cases differ, {time.perf_counter() - started:.0f} s"
        )
        differ += len(wrong)
    return min(differ, 1)


if __name__ == "__main__":
    sys.exit(main())
