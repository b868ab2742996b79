"""What a command runs: a script, scenario or network, and the engines by their texts."""

from __future__ import annotations

import logging
from typing import Any

from cosim.cli.parameters import Request
from cosim.cli.terminal import note, progress_bar, script_output
from hwmodels.errors import ModelError


def load(request: Request, engine: str) -> Any:
    """Run what the user named on one engine, with a bar."""
    from cosim.engines import get_engine
    from cosim.workload import load_workload

    chosen = get_engine(engine)
    with progress_bar(engine) as step, script_output(request.as_json):
        workload = load_workload(
            request.target,
            request.arguments or [],
            chosen,
            seed=request.seed,
            duration_ms=request.duration,
            choose=request.experiment,
            progress=step,
        )
    network = workload.experiment.network
    logging.getLogger("cosim").info(
        "%s: %d neurons, %d synapses, %g ms at %g ms a step, network %s",
        workload.name,
        network.n_neurons,
        network.n_synapses,
        workload.experiment.duration_ms,
        network.timestep_ms,
        network.content_hash[:12],
    )
    if workload.n_experiments > 1:
        note(
            f"{workload.name}: the script ran {workload.n_experiments} experiments; "
            "this is one of them (choose with --experiment)"
        )
    return workload


def engine_texts(on: list[str]) -> list[str]:
    """Engines asked for, by commas or one after another."""
    texts = [text.strip() for item in on for text in item.split(",") if text.strip()]
    twice = {text for text in texts if texts.count(text) > 1}
    if twice:
        raise ModelError(f"{', '.join(sorted(twice))} asked for twice")
    return texts


def with_fidelity(engine: str, fidelity: str | None) -> str:
    """A chip with the fidelity asked for; software has none."""
    if fidelity is None or engine.split(":")[0] == "brian2" or ":fidelity=" in engine:
        return engine
    return f"{engine}:fidelity={fidelity}"
