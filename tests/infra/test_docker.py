"""``infra/docker``: the compose file against the published schema, and the scripts as they run."""

import json
import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.infra.documents import INFRA, one

ROOT = INFRA / "docker"
COMPOSE = one(ROOT / "compose.yaml")
SERVICES: dict[str, Any] = COMPOSE["services"]
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY")


def schema() -> Any:
    vendored = pytest.importorskip("check_jsonschema")
    return json.loads(
        (resources.files(vendored) / "builtin_schemas" / "vendor" / "compose-spec.json").read_text()
    )


def test_the_compose_file_follows_its_schema() -> None:
    jsonschema.validate(COMPOSE, schema())


def test_a_mistake_in_it_would_be_noticed() -> None:
    wrong = COMPOSE | {"services": SERVICES | {"mlflow": SERVICES["mlflow"] | {"imagee": "x"}}}
    with pytest.raises(jsonschema.ValidationError, match="imagee"):
        jsonschema.validate(wrong, schema())


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_local_pinned_watched_and_without_secrets(name: str) -> None:
    service = SERVICES[name]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert not service["image"].endswith(":latest")
    assert ":" in service["image"]
    assert "healthcheck" in service or service["restart"] == "no"
    assert "no-new-privileges:true" in service["security_opt"]
    for variable, value in service.get("environment", {}).items():
        if SECRET_NAME.search(variable):
            assert variable.endswith(("_FILE", "_PATH")), variable
            if service["image"].startswith("dynst:") and variable.endswith("_FILE"):
                assert re.search(
                    rf"\b{variable.removesuffix('_FILE')}\b", (ROOT / "with_secrets.sh").read_text()
                )
            assert value.removeprefix("/run/secrets/") in service["secrets"]
    assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"])
    assert set(service["networks"]) <= set(COMPOSE["networks"])


def test_secrets_are_made_once_and_closed_to_others(tmp_path: Path) -> None:
    shutil.copy(ROOT / "make_secrets.sh", tmp_path)
    subprocess.run(["sh", tmp_path / "make_secrets.sh"], check=True)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()} <= set(made)
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    (identity,) = json.loads(made["s3_identities.json"])["identities"]
    assert identity["credentials"] == [
        {"accessKey": made["s3_key_id"], "secretKey": made["s3_secret_key"]}
    ]
    assert (
        len(
            {
                made[name]
                for name in ("ray_token", "mlflow_password", "mlflow_key", "postgres_password")
            }
        )
        == 4
    )
    assert all(len(value) >= 32 for value in made.values())
    subprocess.run(["sh", tmp_path / "make_secrets.sh"], check=True)
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == made


def test_git_ignores_them() -> None:
    if not (INFRA.parent / ".git").exists() or shutil.which("git") is None:
        pytest.skip("needs git and a checkout")
    command = ["git", "-c", "safe.directory=*", "check-ignore", "infra/docker/secrets/ray_token"]
    assert subprocess.run(command, cwd=INFRA.parent, capture_output=True).returncode == 0


def run_with(environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    path = {"PATH": "/usr/bin:/bin:/usr/local/bin"}
    return subprocess.run(
        ["sh", ROOT / "with_secrets.sh", *command],
        env=path | environment,
        capture_output=True,
        text=True,
    )


def test_a_mounted_secret_becomes_a_variable_of_the_command_alone(tmp_path: Path) -> None:
    (tmp_path / "password").write_text('it\'s $HOME `x` "y"')
    done = run_with(
        {"PGPASSWORD_FILE": str(tmp_path / "password"), "SSL_CERT_FILE": "/elsewhere"}, "env"
    )
    assert 'PGPASSWORD=it\'s $HOME `x` "y"' in done.stdout.splitlines()
    assert "PGPASSWORD_FILE" not in done.stdout
    assert "SSL_CERT_FILE=/elsewhere" in done.stdout.splitlines(), (
        "not every such variable is a secret's"
    )


def test_a_secret_that_is_not_mounted_is_one_sentence() -> None:
    done = run_with({"PGPASSWORD_FILE": "/run/secrets/absent"}, "env")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        "PGPASSWORD_FILE must name a file that can be read, but there is none at "
        "/run/secrets/absent"
    )


def test_mlflow_has_the_same_users_file_on_kubernetes() -> None:
    assert (ROOT / "basic_auth.ini").read_bytes() == (
        INFRA / "kubernetes" / "base" / "basic_auth.ini"
    ).read_bytes()


def test_the_image_is_pinned_and_without_root() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER ")] == ["USER 1000:1000"]
    assert any("pip install -c constraints.txt" in line for line in lines)
    copied = [
        word
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    ]
    sources = [word for word in copied if not word.startswith("--")]
    allowed = {
        line[1:]
        for line in (ROOT / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    assert set(sources) == allowed
    assert all((INFRA.parent / source).exists() for source in sources)
