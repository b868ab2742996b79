"""``cosim compare``: a script in software and on hardware."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cosim.cli.parameters import Fidelity, Request, on_request
from cosim.cli.terminal import check_writable, console, note, progress_bar, set_up_logging
from cosim.cli.workloads import engine_texts, load, with_fidelity


@on_request
def compare(
    request: Request,
    on: Annotated[
        list[str] | None,
        typer.Option(
            help="What to compare with; commas or repeated. Options follow after colons: "
            "loihi:spec=davies2018:effects=none"
        ),
    ] = None,
    reference: Annotated[str, typer.Option(help="What to compare against.")] = "brian2",
    attribute: Annotated[
        bool, typer.Option(help="Also run each effect of the hardware alone.")
    ] = False,
    open_loop: Annotated[
        bool, typer.Option(help="Replay the reference's spikes through the hardware's fabric.")
    ] = False,
    chips: Annotated[
        int,
        typer.Option(min=1, help="So many chips of each kind, where devices differ: the spread."),
    ] = 1,
    out: Annotated[Path, typer.Option(help="The report, one HTML file.")] = Path(
        "cosim-report.html"
    ),
    fidelity: Fidelity = None,
) -> None:
    """Run a script in software and on hardware, and report how they differ."""
    from cosim.compare import print_comparison, save_html
    from cosim.engines import get_engine
    from cosim.study import study

    set_up_logging(request.verbose)
    check_writable(out)
    candidates = [with_fidelity(text, fidelity) for text in engine_texts(on or ["loihi"])]
    engines = [get_engine(text) for text in candidates]  # a wrong name fails before anything runs
    against = with_fidelity(reference, fidelity)
    workload = load(request, against)
    outcome = study(
        workload,
        zip(candidates, engines, strict=True),
        progress_bar,
        attribute=attribute,
        open_loop=open_loop,
        chips=chips,
        provenance={
            "workload": " ".join([workload.name, *(request.arguments or [])]),
            "seed": "as in the script" if request.seed is None else str(request.seed),
        },
    )
    if request.as_json:
        print(json.dumps(outcome.to_dict(), indent=2))
    else:
        print_comparison(outcome.comparisons, outcome.attributions, console(), outcome.spreads)
    if outcome.comparisons:
        title = f"{workload.name}: software against hardware"
        save_html(out, outcome.comparisons, outcome.attributions, title, outcome.spreads)
        note(f"report: {out}")
    elif outcome.interrupted:
        kept = out.with_suffix(".reference.npz")
        workload.result.save(kept)
        note(f"interrupted; the result of {reference} is kept in {kept}")
    for name, error in outcome.failures.items():
        note(f"cosim: error: {name}: {error}")
    if outcome.interrupted:
        raise typer.Exit(130)
    if outcome.failures:
        raise typer.Exit(2)
