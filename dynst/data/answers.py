"""Open questions of a store, and their answers: what a value in question means."""

import os
import shlex
from pathlib import Path

import numpy as np

from dynst.data.content import row_blocks
from dynst.data.decisions import with_files
from dynst.data.manifest import Manifest, Question
from dynst.data.manifest_file import write_manifest
from dynst.data.store import SensorStore, open_store
from dynst.data.writer import Origin, StoreWriter
from dynst.errors import ConfigError
from dynst.storage.scratch import scratch_folder

__all__ = ["answer_questions", "reminder"]


def answer_questions(
    path: Path | str, missing: tuple[float, ...] = (), *, memory: Path | None = None
) -> SensorStore:
    """Settle what the values mean that an import left in question.

    Args:
        path: the store's folder.
        missing: those of the values in question that mean missing; only the channels in which they
            are in question change. Without any, all values in question are readings.
        memory: as in ``open_store``.

    Returns:
        The store as it is now; its digest is another where values have changed.

    Raises:
        ConfigError: a value is not in question.
        DataError: there is no usable store.

    Example:
        >>> answer_questions("store", missing=(-1.0,)).manifest.questions  # doctest: +SKIP
        ()
    """
    path = Path(path)
    store = open_store(path, memory=memory)
    open_ = store.manifest.questions
    answered = [question for question in open_ if _means(question, missing)]
    for value in missing:
        if not any(_means(question, (value,)) for question in open_):
            raise ConfigError(
                f"{value:g} must be a value in question, but {path} asks about "
                f"{_asked(store.manifest)}; import the data again with --missing {value:g} to "
                f"declare another"
            )
    if not missing:
        whole = with_files(path, store.manifest)
        write_manifest(path, whole.model_copy(update={"questions": ()}))
    else:
        left = tuple(question for question in open_ if question not in answered)
        _rewrite(store, answered, left)
    return open_store(path, memory=memory)


def reminder(manifest: Manifest, name: str) -> list[str]:
    """The open questions of a store as sentences, each with the command that answers it."""
    typed = shlex.quote(name)
    return [
        f"open question: {question.text}; if that means missing: dynst data answer {typed} "
        f"missing={question.value_text}, if not: dynst data answer {typed} none"
        for question in manifest.questions
    ]


def _asked(manifest: Manifest) -> str:
    if manifest.questions:
        return ", ".join(question.value_text for question in manifest.questions)
    declared = ", ".join(f"{value:g}" for value in manifest.missing)
    return f"no value any more ({f'missing are {declared}' if declared else 'none is missing'})"


def _means(question: Question, values: tuple[float, ...]) -> bool:
    return any(np.float32(question.value) == np.float32(value) for value in values)


def _rewrite(store: SensorStore, answered: list[Question], left: tuple[Question, ...]) -> None:
    """Write the store anew beside itself, then put it in its place."""
    path, manifest = store.path, store.manifest
    markers = {question.value: None for question in answered}
    origin = Origin(
        name=manifest.name,
        source=manifest.source,
        attribution=manifest.attribution,
        positions=manifest.positions,
        grid=manifest.grid,
        patching=manifest.patching,
        clock=manifest.clock,
        step=manifest.step if manifest.clock.unit == "second" else None,
        questions=left,
    )
    with scratch_folder(path.parent, path.name) as folder:
        fresh, old = folder / "new", folder / "old"
        with StoreWriter(fresh, origin, manifest.channels, store.sensors, store.edges) as writer:
            writer.declared = (*manifest.missing, *markers)
            _copy(store, answered, writer)
        os.rename(path, old)
        try:
            os.rename(fresh, path)
        except OSError:
            os.rename(old, path)
            raise


def _copy(store: SensorStore, answered: list[Question], writer: StoreWriter) -> None:
    readings, names = store.readings, store.channel_names
    for part in row_blocks(readings):
        observed = readings.observed[part].copy()
        for question in answered:
            channel = names.index(question.channel)
            observed[..., channel] &= readings.values[part][..., channel] != np.float32(
                question.value
            )
        writer.append(readings.time[part], readings.values[part], observed)
