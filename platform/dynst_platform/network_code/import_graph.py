"""Which modules a module imports, read in its text: nothing is run."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import packages_distributions
from importlib.util import resolve_name

from dynst_platform.network_code.modules import (
    Module,
    distributions_of,
    is_of_python,
    module_below,
    outermost_module,
)

__all__ = ["ImportGraph", "import_graph"]

OURS = {"dynst", "dynst_platform"}
BY_NAME = {"import_module", "__import__"}


@dataclass(frozen=True)
class ImportGraph:
    """Modules of the user's own by name, and the distributions that they import."""

    modules: dict[str, Module] = field(default_factory=dict)
    distributions: set[str] = field(default_factory=set)


def import_graph(name: str) -> ImportGraph:
    """Everything that the module ``name`` imports, wherever in the text of the modules it stands.

    A module is the user's own unless it is part of Python, of DynST, or of a distribution that was
    installed from a package index.
    """
    walk = _Walk()
    walk.add(name)
    return walk.graph


class _Walk:
    def __init__(self) -> None:
        self.graph = ImportGraph()
        self._installed = packages_distributions()
        self._outermost: dict[str, Module | None] = {}

    def add(self, name: str) -> None:
        """The module, the packages around it, and what all of them import."""
        head, *rest = name.split(".")
        if head not in self._outermost:
            self._outermost[head] = self._own(head)
        module = self._outermost[head]
        while module is not None:
            if module.name not in self.graph.modules:
                self.graph.modules[module.name] = module
                for imported in _imports(module):
                    self.add(imported)
            module = module_below(module, rest.pop(0)) if rest else None

    def _own(self, name: str) -> Module | None:
        """An outermost module, if it is the user's own; else its distributions are noted."""
        module = None if name in OURS else outermost_module(name)
        if module is None or is_of_python(module):
            return None
        distributions = distributions_of(module, self._installed)
        self.graph.distributions.update(distributions)
        return None if distributions else module


def _imports(module: Module) -> Iterator[str]:
    """Names of modules, and of what may be one: of ``from a import b`` also ``a.b``."""
    if module.file is None or module.file.suffix != ".py":
        return
    try:
        tree = ast.parse(module.file.read_bytes())
    except (SyntaxError, ValueError):  # to import it would fail too
        return
    package = module.name if module.folders else module.name.rpartition(".")[0]
    for node in ast.walk(tree):
        for name in _names(node):
            try:
                yield resolve_name(name, package)
            except ImportError:  # beyond the outermost package
                continue


def _names(node: ast.AST) -> list[str]:
    """As they stand there: relative ones begin with dots."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = "." * node.level + (node.module or "")
        dot = "." if node.module else ""
        return [base, *(f"{base}{dot}{alias.name}" for alias in node.names if alias.name != "*")]
    if isinstance(node, ast.Call) and _called(node.func) in BY_NAME and node.args:
        first = node.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value:
            return [first.value]
    return []


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
