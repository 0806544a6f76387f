"""Which files a user's own network needs elsewhere, and which packages beside them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from importlib import import_module
from pathlib import Path

from dynst.errors import ConfigError
from dynst.models.registry import BACKBONES
from dynst_platform.network_code.ignore_file import IGNORE_FILE, IgnoreFile, read_ignore_file
from dynst_platform.network_code.import_graph import import_graph
from dynst_platform.network_code.modules import Module

__all__ = ["NetworkCode", "code_of", "never_travels"]

LIMIT = 16 * 2**20  # bytes of a network's code
SECRETS = (
    ".*",
    "*.env",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.kdbx",
)


@dataclass(frozen=True)
class NetworkCode:
    """Files by their path below the folder that they are imported from, as they were when they were
    read, and the distributions that they import.
    """

    name: str  # of the backbone
    files: dict[str, bytes]
    distributions: tuple[str, ...] = ()
    ignore_file: bytes | None = None

    def write(self, folder: Path, ignore_file: bool = True) -> None:
        """Below ``folder``; with its ignore file, who selects from there has the same files."""
        for path, content in self.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        if ignore_file and self.ignore_file is not None:
            (folder / IGNORE_FILE).write_bytes(self.ignore_file)

    def listing(self) -> str:
        """What travels, in one line."""
        sizes = ", ".join(f"{path} ({len(text):,} bytes)" for path, text in self.files.items())
        return f"{sizes or 'nothing'}; packages: {', '.join(self.distributions) or 'none'}"

    def file_list(self) -> dict[str, str]:
        return {path: sha256(content).hexdigest() for path, content in self.files.items()}


def code_of(backbone: str) -> NetworkCode | None:
    """The modules that a user's own network imports, and what its ``.dynstignore`` adds.

    None for a name of ``BACKBONES``.

    Raises:
        ConfigError: it is more than ``LIMIT``, its file cannot be read, or its module is excluded.
    """
    if backbone in BACKBONES:
        return None
    name = backbone.partition(":")[0]
    import_module(name)
    graph = import_graph(name)
    root = _root(graph.modules.get(name.partition(".")[0]))
    ignored = IgnoreFile() if root is None else read_ignore_file(root)
    paths = dict(_selected(graph.modules.values(), ignored, root))
    _check(backbone, graph.modules.get(name), paths, root)
    return NetworkCode(
        backbone,
        {path: file.read_bytes() for path, file in sorted(paths.items())},
        tuple(sorted(graph.distributions)),
        (root / IGNORE_FILE).read_bytes() if root is not None and ignored.rules else None,
    )


def never_travels(path: str) -> bool:
    """Whether it is hidden, or a file of keys by its name."""
    return any(fnmatchcase(part.lower(), known) for part in path.split("/") for known in SECRETS)


def _root(outermost: Module | None) -> Path | None:
    """The folder that a network is imported from."""
    return None if outermost is None else outermost.place.parent


def _selected(
    modules: Iterable[Module], ignored: IgnoreFile, root: Path | None
) -> Iterator[tuple[str, Path]]:
    for module in modules:
        if module.file is not None and not ignored.excludes(module.path):
            yield module.path, module.file
    if root is not None:
        for path in ignored.included_below(root):
            if not never_travels(path):
                yield path, root / path


def _check(backbone: str, module: Module | None, paths: dict[str, Path], root: Path | None) -> None:
    if module is not None and module.file is not None and module.path not in paths:
        raise ConfigError(
            f"{IGNORE_FILE} in {root} must not exclude {module.path}, which holds model.backbone "
            f"'{backbone}'; take the line out"
        )
    sizes = {path: file.stat().st_size for path, file in paths.items()}
    if sum(sizes.values()) > LIMIT:
        largest = max(sizes, key=lambda path: sizes[path])
        raise ConfigError(
            f"the code of model.backbone '{backbone}' must be at most {LIMIT >> 20} MiB, but is "
            f"{sum(sizes.values()) / 2**20:.1f} MiB, most of it {largest} "
            f"({sizes[largest] / 2**20:.1f} MiB); exclude it in {IGNORE_FILE}, or import it as an "
            f"installed package"
        )
