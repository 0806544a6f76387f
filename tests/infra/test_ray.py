"""``infra/ray`` against the schema that ships with Ray, and through Ray's own preparation for AWS,
which is moto's here.
"""

import copy
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.infra.documents import INFRA, one

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
CLUSTER = one(INFRA / "ray" / "aws.yaml")


def prepared(document: dict[str, Any]) -> dict[str, Any]:
    from ray.autoscaler._private.util import prepare_config, validate_config

    whole: dict[str, Any] = prepare_config(copy.deepcopy(document))
    validate_config(whole)
    return whole


def test_it_follows_rays_schema() -> None:
    assert prepared(CLUSTER)["available_node_types"]["gpu"]["max_workers"] == 8


def test_a_mistake_would_be_noticed() -> None:
    with pytest.raises(jsonschema.ValidationError, match="idle_timeout_minute"):
        prepared(CLUSTER | {"idle_timeout_minute": 5})


def test_ray_makes_an_aws_cluster_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key pair and subnets.

    The security group stays ours, since one that Ray makes would let the whole world in by SSH.
    """
    moto = pytest.importorskip("moto")
    import boto3
    from ray.autoscaler._private.aws.config import bootstrap_aws
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider

    (tmp_path / ".ssh").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with moto.mock_aws():
        ec2 = boto3.resource("ec2", region_name=CLUSTER["provider"]["region"])
        (network,) = ec2.vpcs.all()
        own = ec2.create_security_group(GroupName="dynst", Description="ours", VpcId=network.id)
        document = copy.deepcopy(CLUSTER)
        for node in document["available_node_types"].values():
            node["node_config"]["SecurityGroupIds"] = [own.id]
        made = AWSNodeProvider.fillout_available_node_types_resources(
            bootstrap_aws(prepared(document))
        )
        groups = {group.group_name for group in ec2.security_groups.all()}
    head, gpu = (made["available_node_types"][name] for name in ("head", "gpu"))
    assert groups == {"default", "dynst"}
    assert gpu["resources"]["GPU"] == 1
    assert head["resources"]["CPU"] == 0
    for node in (head, gpu):
        assert node["node_config"]["SecurityGroupIds"] == [own.id]
        assert node["node_config"]["SubnetIds"]
        assert node["node_config"]["KeyName"]


def test_nothing_secret_is_in_it_and_nothing_faces_outwards() -> None:
    assert all(
        node["node_config"]["SecurityGroupIds"] == ["<SECURITY GROUP>"]
        for node in CLUSTER["available_node_types"].values()
    )
    (head,) = [command for command in CLUSTER["head_start_ray_commands"] if "--head" in command]
    assert "--dashboard-host=127.0.0.1" in head
    assert "/home/dynst/.ray/auth_token" in CLUSTER["file_mounts"]
    assert not [
        line
        for line in (INFRA / "ray" / "cluster.env.example").read_text().splitlines()
        if "PASSWORD=" in line and line[-1] != "="
    ]
