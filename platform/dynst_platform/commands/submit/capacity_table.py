"""What a job will ask of a cluster, on the screen.

What was measured and what is estimated is said.
"""

from dynst_platform.commands.submit.capacity import Capacity
from dynst_platform.terminal.lines import say

__all__ = ["print_capacity"]


def print_capacity(plan: Capacity) -> None:
    gpus = (
        "one GPU each if the cluster has some"
        if plan.gpus is None
        else f"{plan.gpus:g} GPUs each"
        if plan.gpus
        else "no GPU"
    )
    lines = {
        "workers": f"{_groups(plan)}{plan.workers}, with {plan.cpus:g} CPU each, and {gpus}",
        "memory": f"{plan.memory_mib:,.0f} MiB a worker, measured, {plan.series_mib:,.1f} of it "
        f"the series; and what Ray takes",
        "network": f"{plan.weights:,} weights",
        "work": f"{plan.epochs} epochs of {plan.steps} steps, {plan.windows} windows for each "
        f"worker in a step",
        "a step": f"{plan.dense_seconds:.3g} s on all sensors, {plan.learned_seconds:.3g} s in "
        f"the warm-up, measured on one core",
        "time": f"about {_hours(plan.hours)}{_shared(plan)}, estimated from the step, on cores "
        f"like these",
        "not counted": "start (half a minute), search of the searched scheme, probes, talk between "
        "workers; and what a GPU would save",
    }
    say(f"What {plan.name} asks of the cluster")
    for name, line in lines.items():
        say(f"  {name:<12} {line}")


def _groups(plan: Capacity) -> str:
    if plan.groups is None:
        return "as many trials at once as fit, of "
    return "" if plan.groups == 1 else f"{plan.groups} trials at once, of "


def _shared(plan: Capacity) -> str:
    return "" if plan.groups == 1 else " one trial after another"


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"
