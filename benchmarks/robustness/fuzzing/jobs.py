"""Job and sweep files, damaged as texts and as documents, and checked."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.robustness.fuzzing.mutations import damage_bytes, damage_tree, pick
from benchmarks.support.commands import ROOT
from dynst_platform.config.files import load_either

__all__ = ["JobFiles"]

AS_TEXT = 0.4  # share of the files whose text is damaged, and not the document
BOMB = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 8)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
TEXTS = (
    BOMB,
    "[" * 5_000,
    "{a: " * 5_000,
    "name: x\nname: y\n",
    "- " * 3_000,
    f"name: {'9' * 10_000}\n",
    "name: 2024-01-01\n",
    "\0",
    "\ufeffname: x\n",
    "name:\tx\n",
    "a: *unknown\n",
    "!!python/object/apply:os.system ['true']\n",
    "name: !!binary x\n",
    "? [a, b]\n: c\n",
    "<<: [1, 2]\n",
    "--- a\n--- b\n",
)


class JobFiles:
    """Damage in one of the repository's own files, or a text made to break a reader."""

    name, refused_always = "jobs", False

    def prepare(self, folder: Path) -> None:
        """The examples are those of ``jobs/``."""

    def attempt(self, examples: Path, folder: Path, seed: int) -> bool:
        rng = np.random.default_rng(seed)
        source = pick(sorted((ROOT / "jobs").rglob("*.yaml")), rng)
        (folder / "job.yaml").write_bytes(self._damaged(source, rng))
        load_either(folder / "job.yaml")
        return True

    @staticmethod
    def _damaged(source: Path, rng: np.random.Generator) -> bytes:
        if rng.random() < 0.05:
            return str(pick(TEXTS, rng)).encode()
        content = source.read_bytes()
        if rng.random() < AS_TEXT:
            return damage_bytes(content, rng)
        document = yaml.safe_load(content)
        if isinstance(document.get("job"), str):
            document["job"] = yaml.safe_load((source.parent / document["job"]).read_bytes())
        return _written(damage_tree(document, rng))


def _written(document: Any) -> bytes:
    """As YAML; whole numbers of any size."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True).encode()


class _Dumper(yaml.SafeDumper):
    pass


def _whole(dumper: yaml.SafeDumper, number: int) -> yaml.Node:
    text = str(number) if abs(number) < 10**1000 else f"1{'0' * 4000}"
    return dumper.represent_scalar("tag:yaml.org,2002:int", text)


_Dumper.add_representer(int, _whole)
