"""What the benchmark prints."""

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from statistics import fmean, median, quantiles

import numpy as np

from benchmarks.scale.weak_scaling.computed import LargeCut
from benchmarks.scale.weak_scaling.measured import (
    ENTRIES,
    GRADIENTS,
    IMPORTANCE,
    KINDS,
    ROWS,
    WEIGHTS,
    Step,
    spent,
)
from benchmarks.scale.weak_scaling.simulation import Interconnect, StepLoad, simulated
from benchmarks.support.machine import processor
from benchmarks.support.tables import header, row

__all__ = [
    "OneWorker",
    "computed_table",
    "counts_table",
    "machine",
    "own_work_table",
    "simulated_table",
    "times_table",
]

KIND_NAMES = {False: "ordinary", True: "probe"}
COPIES = 5  # of a row that a worker holds: weight, gradient, Adam's two averages, best weight
Runs = Mapping[int, Sequence[Sequence[Sequence[Step]]]]


@dataclass(frozen=True)
class OneWorker:
    """Seconds of each step of one worker, by whether it is a probe.

    Their mean is the processor's, which other work on the machine does not lengthen; they spread
    about it as the clock's do.
    """

    times: Mapping[bool, Sequence[float]]

    @classmethod
    def of(cls, steps: Sequence[Step]) -> "OneWorker":
        times = {}
        for probe in KIND_NAMES:
            some = [step for step in steps if step.is_probe == probe]
            clock = [step.end - step.start for step in some]
            factor = fmean(step.processor for step in some) / fmean(clock)
            times[probe] = [factor * seconds for seconds in clock]
        return cls(times)

    def taking(self, seconds: float) -> "OneWorker":
        """With ordinary steps of this mean, and probes in proportion."""
        return self.faster(fmean(self.times[False]) / seconds)

    def faster(self, factor: float) -> "OneWorker":
        return OneWorker(
            {probe: [one / factor for one in some] for probe, some in self.times.items()}
        )


def machine() -> str:
    known = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "scipy"))
    return (
        f"{date.today()}, {processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} "
        f"before it began; Python {platform.python_version()}, {known}."
    )


def counts_table(runs: Runs) -> str:
    """Of each worker in a step: mean over steps, workers and seeds, and the largest."""
    sent = (ROWS, GRADIENTS, WEIGHTS, IMPORTANCE)
    columns = ("step", "workers", "sensors read", *(f"{kind}, kB" for kind in sent))
    rows = []
    for probe, workers, steps in _by_kind(runs):
        own = [step for each in steps for step in each]
        read = mean_and_most([step.read for step in own], "{:,.0f}")
        sizes = [mean_and_most(_sent(own, kind), "{:,.1f}") for kind in sent]
        calls = {len(step.calls) for step in own}
        entries = max(_sent(own, ENTRIES)) * 1000
        rows.append(
            [KIND_NAMES[probe], str(workers), read, *sizes, f"{entries:.0f}", *map(str, calls)]
        )
    return table((*columns, f"{ENTRIES}, B", "calls"), rows)


def times_table(runs: Runs) -> str:
    """Milliseconds of a step, medians, and what share of all time that is."""
    columns = ("step", "workers", "ms, median", "quartiles", *KINDS, "processor, ms")
    rows = []
    for probe, workers, steps in _by_kind(runs):
        whole = [1000 * fmean(one.end - one.start for one in each) for each in steps]
        low, _, high = quantiles(whole, n=4)
        parts = [spent(each) for each in steps]
        cells = []
        for kind in KINDS:
            of_kind = [1000 * each[kind] for each in parts]
            share = sum(of_kind) / sum(whole)
            cells.append(f"{median(of_kind):.1f} ({share:.0%})" if share else "–")
        busy = median(1000 * fmean(one.processor for one in each) for each in steps)
        rows.append(
            [
                KIND_NAMES[probe],
                str(workers),
                f"{median(whole):.0f}",
                f"{low:.0f}–{high:.0f}",
                *cells,
                f"{busy:.0f}",
            ]
        )
    return table(columns, rows)


def own_work_table(cuts: Mapping[int, LargeCut]) -> str:
    """Seconds of the processor, medians, and what the worker holds of its sensors."""
    columns = (
        "workers",
        "choice of parts and sensors, ms",
        "fetch, ms",
        "reduce, ms",
        "importance of a probe, ms",
        "sensors whose rows it holds",
        f"these rows {COPIES} times, MB",
        "other weights and lists, MB",
    )
    rows = []
    for workers, cut in cuts.items():
        own, once = cut.own, cut.own.held * cut.row_bytes
        figures = (own.choice, own.fetch, own.reduce, own.importance)
        memory = (COPIES * once / 1e6, (own.held_bytes - once) / 1e6)
        rows.append(
            [
                str(workers),
                *map(milliseconds, figures),
                f"{own.held:,}",
                *(f"{value:.1f}" for value in memory),
            ]
        )
    return table(columns, rows, text=0)


def computed_table(cuts: Mapping[int, LargeCut]) -> str:
    """Of each worker in a step: mean over workers and steps, and the largest."""
    columns = (
        "workers",
        "sensors",
        "locations of a part",
        "its halo",
        f"{ROWS}, kB",
        f"{GRADIENTS}, kB",
        "partners",
        f"{WEIGHTS}, kB",
        f"{IMPORTANCE} of a probe, kB",
        "calls, of a probe",
    )
    rows = []
    for workers, cut in cuts.items():
        steps = cut.some_rows()
        halos = [len(part.sensors) - len(part.locations) for part in cut.parts]
        sent, back = (
            np.concatenate([getattr(step, name) for step in steps]) * cut.row_bytes / 1000
            for name in ("lent", "fetched")
        )
        alone = workers == 1
        rows.append(
            [
                str(workers),
                f"{cut.num_sensors:,}",
                f"{max(len(part.locations) for part in cut.parts):,}",
                mean_and_most(halos, "{:,.0f}"),
                mean_and_most(sent, "{:,.1f}"),
                mean_and_most(back, "{:,.1f}"),
                mean_and_most(np.concatenate([step.partners for step in steps]), "{:.1f}"),
                "0" if alone else f"{cut.shared_bytes / 1000:,.1f}",
                "0" if alone else f"{cut.importance_bytes / 1000:,.1f}",
                "0, 0" if alone else "4, 5",
            ]
        )
    return table(columns, rows, text=0)


def simulated_table(
    cuts: Mapping[int, LargeCut],
    one: OneWorker,
    joins: Sequence[Interconnect],
    faster: Sequence[float],
) -> str:
    """Milliseconds of a step, and the efficiency of weak scaling."""
    parts = ("ms", "slowest + own work + rows + sums", "efficiency; no stragglers; no own work")
    columns = (
        "interconnect",
        "computing",
        "workers",
        *(f"{KIND_NAMES[probe]}: {part}" for probe in KIND_NAMES for part in parts),
    )
    loads = {
        workers: {probe: cut.load(probe) for probe in KIND_NAMES} for workers, cut in cuts.items()
    }
    rows = []
    for joined in joins:
        for factor in faster:
            times = one.faster(factor).times
            for workers in sorted(cuts.keys() - {1, 2}):
                cells = [
                    cell
                    for probe, load in loads[workers].items()
                    for cell in _simulated(load, times[probe], loads[1][probe], joined)
                ]
                rows.append([joined.name, computing(factor), str(workers), *cells])
    return table(columns, rows, text=2)


def computing(factor: float) -> str:
    return "as measured" if factor == 1 else f"{factor:g} × as fast"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], text: int = 1) -> str:
    return "\n".join([header(columns, text), *map(row, rows)])


def mean_and_most(values: Sequence[float] | np.ndarray, form: str) -> str:
    """The mean, and the largest in brackets where it is another."""
    mean, most = form.format(np.mean(values)), form.format(np.max(values))
    return mean if mean == most else f"{mean} ({most})"


def milliseconds(seconds: float) -> str:
    """Whole ones from a hundred on, else two digits."""
    value = 1000 * seconds
    return f"{value:.0f}" if value >= 100 else "0" if value < 5e-4 else f"{value:.2g}"


def _simulated(
    load: StepLoad, times: Sequence[float], of_one: StepLoad, joined: Interconnect
) -> list[str]:
    step = simulated(load, times, fmean(of_one.read), joined)
    parts = (step.slowest, step.own, step.rows, step.sums)
    wholes = (step.seconds, step.without_stragglers, step.unavoidable)
    return [
        milliseconds(step.seconds),
        " + ".join(map(milliseconds, parts)),
        "; ".join(f"{fmean(times) / whole:.0%}" for whole in wholes),
    ]


def _by_kind(runs: Runs) -> Iterable[tuple[bool, int, list[tuple[Step, ...]]]]:
    """Kind of step and number of workers, with the steps of all seeds, each of all workers."""
    for probe in KIND_NAMES:
        for workers, seeds in runs.items():
            steps = [step for ranks in seeds for step in zip(*ranks, strict=True)]
            yield probe, workers, [step for step in steps if step[0].is_probe == probe]


def _sent(steps: Iterable[Step], kind: str) -> list[float]:
    """Kilobytes of each step."""
    return [sum(call.sent for call in step.calls if call.kind == kind) / 1000 for step in steps]
