"""``cosim run``: a script on one engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cosim.cli.parameters import Fidelity, Request, on_request
from cosim.cli.terminal import check_writable, console, note, set_up_logging
from cosim.cli.workloads import load, with_fidelity


@on_request
def run(
    request: Request,
    on: Annotated[
        str, typer.Option(help="Engine: brian2 or a chip, with :option=value.")
    ] = "brian2",
    out: Annotated[Path | None, typer.Option(help="Write the Result to this file (.npz).")] = None,
    network: Annotated[
        Path | None, typer.Option(help="Write the lowered Network to this file (.npz).")
    ] = None,
    fidelity: Fidelity = None,
) -> None:
    """Run a script on one engine and say what happened."""
    from cosim.workload import InterruptedRun

    set_up_logging(request.verbose)
    check_writable(out, network)
    try:
        engine = with_fidelity(on, fidelity)
        workload = load(request, engine)
    except InterruptedRun as interruption:
        kept = out or Path("cosim-interrupted.npz")
        interruption.result.save(kept)
        note(f"interrupted at {interruption.result.duration_ms:g} ms; kept in {kept}")
        raise
    if network is not None:
        workload.experiment.network.save(network)
    if out is not None:
        workload.result.save(out)
    if request.as_json:
        print(json.dumps(summary_of(workload), indent=2))
    else:
        print_run(workload)


def summary_of(workload: Any) -> dict[str, Any]:
    """What a run gave, in plain values."""
    from dataclasses import asdict

    from cosim.compare import measure_hardware

    result = workload.result
    hardware = None
    if result.hardware is not None:
        spikes = sum(len(s.cell) for s in result.spikes)
        hardware = asdict(
            measure_hardware(result.hardware, spikes=spikes, duration_ms=result.duration_ms)
        )
    return {
        "engine": result.engine,
        "workload": workload.name,
        "network_hash": result.network_hash,
        "timestep_ms": result.timestep_ms,
        "duration_ms": result.duration_ms,
        "populations": {
            label: {
                "size": size,
                "spikes": len(spikes.cell),
                "rate_hz": _rate(len(spikes.cell), size, result.duration_ms),
            }
            for label, size, spikes in zip(result.labels, result.sizes, result.spikes, strict=True)
        },
        "task": workload.task(result),
        "counts": dict(result.counts),
        "host_s": result.host_seconds,
        "hardware": hardware,
    }


def _rate(spikes: int, size: int, duration_ms: float) -> float:
    return spikes / size / duration_ms * 1e3 if size and duration_ms else 0.0


def print_run(workload: Any) -> None:
    """What a run gave, for a person."""
    from cosim.compare import measure_hardware
    from cosim.compare.wording import hardware_rows

    summary, out = summary_of(workload), console()
    out.print(
        f"{summary['workload']} on {summary['engine']}: {summary['duration_ms']:g} ms in "
        f"{summary['host_s']:.3g} s"
    )
    table = Table("population", "cells", "spikes", "rate (Hz)", box=None, pad_edge=False)
    for label, row in summary["populations"].items():
        table.add_row(label, str(row["size"]), str(row["spikes"]), f"{row['rate_hz']:.3g}")
    out.print(table)
    named = {**summary["task"], **summary["counts"]}
    rows = [(name, f"{value:.4g}") for name, value in named.items()]
    if workload.result.hardware is not None:
        spikes = sum(row["spikes"] for row in summary["populations"].values())
        rows += hardware_rows(
            measure_hardware(
                workload.result.hardware, spikes=spikes, duration_ms=summary["duration_ms"]
            )
        )
    if rows:
        details = Table(box=None, pad_edge=False, show_header=False)
        for name, value in rows:
            details.add_row(name, value)
        out.print(details)
