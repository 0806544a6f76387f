"""Where a store is written: at once to a folder, or through a local copy to an address."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["written_locally"]


@contextmanager
def written_locally(store: str) -> Iterator[Path]:
    """A path to write to; a remote store is written locally first and then uploaded whole."""
    from dynst.data.remote import publish_store
    from dynst.storage.addresses import is_remote
    from dynst.storage.scratch import scratch_folder

    if not is_remote(store):
        yield Path(store)
        return
    with scratch_folder() as folder:
        yield folder / "store"
        publish_store(folder / "store", store)
