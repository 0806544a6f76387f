"""MLflow's registry in memory: what the lock, the events and the versions ask of it, call by call,
so that a test may stand between any two. ``test_lock.py`` compares it with MLflow's own on SQLite.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST

Hook = Callable[[str, str], None]  # the name of the call, and "before" or "after"


@dataclass
class Model:
    name: str
    tags: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    versions: dict[int, SimpleNamespace] = field(default_factory=dict)
    last: int = 0


@dataclass
class Server:
    models: dict[str, Model] = field(default_factory=dict)

    def client(self, hook: Hook = lambda name, when: None) -> Any:
        return Client(self, hook)


def _absent(what: str) -> MlflowException:
    return MlflowException(f"{what} not found", error_code=RESOURCE_DOES_NOT_EXIST)


class Client:
    def __init__(self, server: Server, hook: Hook) -> None:
        self._server, self._hook = server, hook

    def __getattribute__(self, name: str) -> Any:
        found = object.__getattribute__(self, name)
        if name.startswith("_"):
            return found
        hook = self._hook

        def called(*words: Any, **named: Any) -> Any:
            hook(name, "before")
            answer = found(*words, **named)
            hook(name, "after")
            return answer

        return called

    def _model(self, name: str) -> Model:
        if name not in self._server.models:
            raise _absent(f"Registered Model with name={name}")
        return self._server.models[name]

    def get_registered_model(self, name: str) -> Any:
        model = self._model(name)
        return SimpleNamespace(name=name, tags=dict(model.tags), aliases=dict(model.aliases))

    def create_registered_model(
        self, name: str, tags: dict[str, str] | None = None, description: str = ""
    ) -> None:
        if name in self._server.models:
            raise MlflowException(f"{name} exists", error_code=RESOURCE_ALREADY_EXISTS)
        self._server.models[name] = Model(name, dict(tags or {}))

    def delete_registered_model(self, name: str) -> None:
        del self._server.models[self._model(name).name]

    def search_registered_models(self, filter_string: str = "") -> list[Any]:
        begin = filter_string.removeprefix("name LIKE '").removesuffix("%'")
        return [
            SimpleNamespace(name=name, tags=dict(model.tags), aliases=dict(model.aliases))
            for name, model in self._server.models.items()
            if name.startswith(begin)
        ]

    def set_registered_model_tag(self, name: str, key: str, value: str) -> None:
        self._model(name).tags[key] = value

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        self._model(name).tags.pop(key, None)

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        if int(version) not in self._model(name).versions:
            raise _absent(f"version {version}")
        self._model(name).aliases[alias] = version

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: dict[str, str] | None = None,
        model_id: str | None = None,
    ) -> Any:
        model = self._model(name)
        model.last += 1
        model.versions[model.last] = SimpleNamespace(
            name=name, version=model.last, source=source, run_id=run_id, tags=dict(tags or {})
        )
        return self._copy(model.versions[model.last])

    def get_model_version(self, name: str, version: str) -> Any:
        if int(version) not in self._model(name).versions:
            raise _absent(f"version {version}")
        return self._copy(self._model(name).versions[int(version)])

    def set_model_version_tag(self, name: str, version: str, key: str, value: str) -> None:
        self._model(name).versions[int(version)].tags[key] = value

    def delete_model_version(self, name: str, version: str) -> None:
        model = self._model(name)
        del model.versions[int(version)]
        model.aliases = {key: at for key, at in model.aliases.items() if at != version}

    def search_model_versions(self, filter_string: str) -> list[Any]:
        model = self._model(filter_string.removeprefix("name = '").removesuffix("'"))
        return [self._copy(version) for version in reversed(model.versions.values())]

    def get_logged_model(self, model_id: str) -> Any:
        return SimpleNamespace(model_id=model_id, artifact_location="memory:/")

    def list_logged_model_artifacts(self, model_id: str) -> list[Any]:
        return [SimpleNamespace(path="MLmodel")]

    def _copy(self, version: SimpleNamespace) -> SimpleNamespace:
        return SimpleNamespace(**vars(version) | {"tags": dict(version.tags)})
