"""Whether a store is the one that a model was trained on."""

from itertools import zip_longest

from dynst.data.clock import step_text
from dynst.data.store import SensorStore
from dynst.errors import ConfigError
from dynst.models.artifact import Description

__all__ = ["check_store"]


def check_store(description: Description, store: SensorStore) -> None:
    """Refuse a store whose data are not the model's; costs, groups and marks may be others.

    Args:
        description: of the model.
        store: opened, and so verified.

    Raises:
        ConfigError: content, ids or their order, channels, units, step or clock differ; says in
            what.
    """
    wanted, manifest = description.data_digest, store.manifest
    if not store.has_content(wanted):
        raise _other(
            store,
            f"digest {wanted[:12]}…",
            f"{manifest.digest[:12]}…",
            "name the right one with --store, or train on this one",
        )
    units, own = tuple(channel.unit for channel in manifest.channels), description.clock
    clock = own if description.units is not None else manifest.clock  # else it is of no known kind
    for what, ours, theirs in (
        ("sensors", description.sensors, store.sensors.ids),
        ("channels", description.channels, tuple(store.channel_names)),
        ("units", units if description.units is None else description.units, units),
        ("step", (step_text(description.step, own.unit),), (manifest.step_text,)),
        ("clock", (clock.model_dump_json(),), (manifest.clock.model_dump_json(),)),
    ):
        if ours != theirs:
            one, other = next(
                pair for pair in zip_longest(ours, theirs, fillvalue="none") if len(set(pair)) == 2
            )
            raise _other(store, f"{what} '{one}'", f"'{other}'", f"put the store's {what} right")


def _other(store: SensorStore, models: str, stores: str, remedy: str) -> ConfigError:
    return ConfigError(
        f"the model was trained on data with {models}, but the store at {store.path} has "
        f"{stores}; {remedy}"
    )
