"""``infra/kubernetes`` against the published schemas of Kubernetes, and against what we hold to be
safe.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.infra.documents import INFRA, Document, containers_in, documents, one
from tests.infra.kuberay import SCHEMAS

validate = pytest.importorskip("kubernetes_validate").validate
ROOT = INFRA / "kubernetes"
VERSION = "1.34"
KUSTOMIZATIONS = sorted(ROOT.rglob("kustomization.yaml"))
OBJECTS = [
    pytest.param(document, id=f"{document['kind']}-{document['metadata']['name']}")
    for path in sorted(ROOT.rglob("*.yaml"))
    for document in documents(path)
    if "kind" in document and "metadata" in document
]


def check(document: Document) -> None:
    """Raises where a field is unknown, absent or of another type."""
    if document["kind"] in SCHEMAS:
        jsonschema.validate(document, SCHEMAS[document["kind"]])
        for template in templates_in(document["spec"]):
            validate(as_deployment(template), VERSION, strict=True)
    else:
        validate(document, VERSION, strict=True)


def templates_in(spec: Any) -> Iterator[Document]:
    for key, value in spec.items():
        if key in ("template", "submitterPodTemplate"):
            yield value
        elif isinstance(value, dict):
            yield from templates_in(value)
        elif isinstance(value, list):
            for entry in (entry for entry in value if isinstance(entry, dict)):
                yield from templates_in(entry)


def as_deployment(template: Document) -> Document:
    labels = {"app": "any"}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "any"},
        "spec": spec,
    }


@pytest.mark.parametrize("document", OBJECTS)
def test_every_object_follows_its_schema(document: Document) -> None:
    check(document)


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("RayCluster", ("headGroupSpec", "template", "spec", "containers", 0, "imag"), "x"),
        ("RayCluster", ("headGroupSpec", "serviceTyp"), "ClusterIP"),
        ("RayCluster", ("workerGroupSpecs", 0, "maxReplicas"), "8"),
        ("StatefulSet", ("replicas",), "one"),
    ],
)
def test_a_mistake_is_noticed(kind: str, path: tuple[Any, ...], value: Any) -> None:
    (document,) = [entry.values[0] for entry in OBJECTS if entry.values[0]["kind"] == kind]
    wrong: Any = yaml.safe_load(yaml.safe_dump(document))
    place = wrong["spec"]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(Exception, match=str(path[-1])):
        check(wrong)


@pytest.mark.parametrize("document", OBJECTS)
def test_no_secret_is_written_and_nothing_faces_outwards(document: Document) -> None:
    assert document["kind"] != "Secret"
    spec = document.get("spec", {})
    if document["kind"] == "Service":
        assert spec["type"] == "ClusterIP"
    if document["kind"] == "RayCluster":
        assert spec["headGroupSpec"]["serviceType"] == "ClusterIP"
        assert spec["authOptions"] == {"mode": "token"}
    for container in containers_in(document):
        for variable in container.get("env", ()):
            if any(
                word in variable["name"] for word in ("PASSWORD", "SECRET", "TOKEN", "ACCESS_KEY")
            ):
                assert "secretKeyRef" in variable["valueFrom"], variable["name"]


@pytest.mark.parametrize("document", OBJECTS)
def test_every_container_is_confined_and_says_what_it_needs(document: Document) -> None:
    for container in containers_in(document):
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]
        assert ":latest" not in container["image"]


@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=lambda path: path.parent.name)
def test_a_kustomization_names_files_that_are_there(path: Path) -> None:
    found = one(path)
    for name in [*found["resources"], *found.get("configurations", ())]:
        assert (path.parent / name).exists(), name


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl, which brings kustomize")
@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=lambda path: path.parent.name)
def test_what_kustomize_makes_of_it_follows_the_schemas(path: Path) -> None:
    made = subprocess.run(
        ["kubectl", "kustomize", str(path.parent)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    built = list(yaml.safe_load_all(made.stdout))
    assert built
    for document in built:
        check(document)
        assert document["metadata"].get("namespace", "dynst") == "dynst"
        assert all(container["image"] != "dynst" for container in containers_in(document)), (
            "kustomize knows this image"
        )


def test_it_runs_the_ray_that_is_pinned() -> None:
    (cluster,) = documents(ROOT / "base" / "cluster.yaml")
    assert (
        f"ray=={cluster['spec']['rayVersion']}"
        in (INFRA.parent / "constraints.txt").read_text().splitlines()
    )
