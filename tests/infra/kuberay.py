"""Fields of KubeRay's objects, as far as our files use them, after the Go types of its API
``ray.io/v1`` (KubeRay 1.5).

No package brings KubeRay's own schemas, so this is what we read there; pod templates inside are
validated as Kubernetes' own.
"""

from typing import Any

__all__ = ["SCHEMAS"]


def _object(required: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": fields,
    }


TEXT, WHOLE, TRUTH, ANYTHING = (
    {"type": "string"},
    {"type": "integer", "minimum": 0},
    {"type": "boolean"},
    {"type": "object"},
)
TEXTS = {"type": "object", "additionalProperties": TEXT}
CLUSTER = _object(
    ("headGroupSpec",),
    rayVersion=TEXT,
    enableInTreeAutoscaling=TRUTH,
    autoscalerOptions=_object(
        resources=ANYTHING,
        image=TEXT,
        env={"type": "array"},
        securityContext=ANYTHING,
        idleTimeoutSeconds=WHOLE,
        upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
        version={"enum": ["v1", "v2"]},
    ),
    authOptions=_object(mode={"enum": ["disabled", "token"]}),
    headGroupSpec=_object(
        ("template",),
        serviceType={"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
        rayStartParams=TEXTS,
        template=ANYTHING,
    ),
    workerGroupSpecs={
        "type": "array",
        "items": _object(
            ("groupName", "template"),
            groupName=TEXT,
            replicas=WHOLE,
            minReplicas=WHOLE,
            maxReplicas=WHOLE,
            numOfHosts=WHOLE,
            rayStartParams=TEXTS,
            template=ANYTHING,
        ),
    },
)
JOB = _object(
    ("entrypoint",),
    entrypoint=TEXT,
    clusterSelector=TEXTS,
    rayClusterSpec=CLUSTER,
    submissionMode={"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"]},
    submitterPodTemplate=ANYTHING,
    runtimeEnvYAML=TEXT,
    metadata=TEXTS,
    backoffLimit=WHOLE,
    activeDeadlineSeconds=WHOLE,
    shutdownAfterJobFinishes=TRUTH,
    ttlSecondsAfterFinished=WHOLE,
)
SCHEMAS = {
    kind: _object(
        ("apiVersion", "kind", "metadata", "spec"),
        apiVersion={"const": "ray.io/v1"},
        kind=TEXT,
        metadata=ANYTHING,
        spec=spec,
    )
    for kind, spec in (("RayCluster", CLUSTER), ("RayJob", JOB))
}
