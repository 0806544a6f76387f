"""Backbones by name: our own, and a user's class as ``package.module:Class``.

What a constructor asks for by name, it gets.
"""

from collections.abc import Collection, Iterator, Mapping
from importlib import import_module
from inspect import Parameter, signature
from typing import Any

from pydantic import ConfigDict, ValidationError, create_model
from torch import nn

from dynst.errors import ConfigError, in_one_line
from dynst.models.protocol import Traits

__all__ = [
    "BACKBONES",
    "backbone_class",
    "checked_options",
    "traits_of",
    "wanted_parts",
]

BACKBONES = {
    "morph_graph": "dynst.models.graph.stream_morph:MorphGraphNet",
    "stgcn": "dynst.models.graph.stgcn:STGCN",
    "graph_wavenet": "dynst.models.graph.graph_wavenet:GraphWaveNet",
    "agcrn": "dynst.models.graph.agcrn:AGCRN",
    "staeformer": "dynst.models.graph.staeformer:Staeformer",
    "mesh_graph_net": "dynst.models.graph.mesh_graph_net:MeshGraphNet",
    "stid": "dynst.models.graph.stid:Stid",
    "linear": "dynst.models.graph.linear:LinearModel",
    "patch_transformer": "dynst.models.graph.patch_transformer:PatchTransformer",
    "simvp": "dynst.models.grid.simvp:SimVP",
    "conv_lstm": "dynst.models.grid.conv_lstm:ConvLSTM",
    "unet": "dynst.models.grid.unet:UNet",
}
LATER_PARTS = {"node_embedding", "positional_features", "topology"}
PLAIN = (str, int, float, bool)
INPUT_GATED = Traits(compact=False)  # what a network is that does not say


def backbone_class(name: str) -> type[nn.Module]:
    """The class behind a name of ``BACKBONES``, or behind ``package.module:Class``.

    Raises:
        ConfigError: there is none, or it is no ``nn.Module``.
    """
    module, colon, attribute = BACKBONES.get(name, name).partition(":")
    if not colon:
        raise ConfigError(
            f"model.backbone must be one of {', '.join(BACKBONES)} or package.module:Class, but "
            f"got '{name}'"
        )
    try:
        found = getattr(import_module(module), attribute)
    except Exception as error:  # the code that runs is the user's
        raise ConfigError(
            f"model.backbone '{name}' cannot be imported ({in_one_line(error)}); install its "
            "package, or put its folder on PYTHONPATH"
        ) from error
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ConfigError(
            f"model.backbone '{name}' must be a class derived from torch.nn.Module, but is "
            f"{type(found).__name__}"
        )
    return found


def traits_of(backbone: type[nn.Module]) -> Traits:
    traits: Traits = getattr(backbone, "traits", INPUT_GATED)
    return traits


def wanted_parts(backbone: type[nn.Module], filled: Collection[str]) -> list[str]:
    """Those of the parameters of its constructor that are ``filled`` in by name.

    The others are options.
    """
    return [parameter.name for parameter in _parameters(backbone) if _is_part(parameter, filled)]


def _is_part(parameter: Parameter, filled: Collection[str]) -> bool:
    """Names that became parts later were free for a user's options, which have plain values."""
    plain = parameter.default is not Parameter.empty or parameter.annotation in PLAIN
    return parameter.name in filled and not (parameter.name in LATER_PARTS and plain)


def checked_options(
    backbone: type[nn.Module], options: Mapping[str, Any], filled: Collection[str]
) -> dict[str, Any]:
    """All options of a backbone, defaults included, checked against the types of its constructor.

    Raises:
        ConfigError: an option is unknown, missing, or of the wrong type.
    """
    fields: Any = {
        parameter.name: (
            Any if parameter.annotation is Parameter.empty else parameter.annotation,
            ... if parameter.default is Parameter.empty else parameter.default,
        )
        for parameter in _parameters(backbone)
        if not _is_part(parameter, filled)
    }
    settings = ConfigDict(extra="forbid", arbitrary_types_allowed=True, protected_namespaces=())
    try:
        return dict(
            create_model("Options", __config__=settings, **fields).model_validate(dict(options))
        )
    except ValidationError as error:
        problem = error.errors()[0]
        option = ".".join(str(part) for part in problem["loc"])
        raise ConfigError(
            f"model.backbone.options.{option}: "
            f"{_reason(problem['type'], problem['msg'], list(fields))}"
        ) from error


def _reason(kind: str, message: str, known: list[str]) -> str:
    if kind == "extra_forbidden":
        return f"there is no such option; {', '.join(known) or 'there are none'} can be set"
    if kind == "missing":
        return "is required, but absent; add it"
    return message.replace("Input should", "must")


def _parameters(backbone: type[nn.Module]) -> Iterator[Parameter]:
    known = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    try:
        resolved = signature(backbone, eval_str=True).parameters.values()
    except NameError as error:
        raise ConfigError(
            f"model.backbone {backbone.__name__} must have annotations that can be looked up, but "
            f"{in_one_line(error)}; import it for good"
        ) from error
    return (parameter for parameter in resolved if parameter.kind in known)
