"""Trainings as rows, for tests of rules."""

from typing import Any

from dynst_platform.config.job import PromotionSpec
from dynst_platform.model_registry.runs import Training


def training(name: str = "a", **changes: Any) -> Training:
    figures = {
        "error": 10.0,
        "sparsity": 0.5,
        "cost": 4.0,
        "speed_up": 2.0,
        "dense": 10.0,
        "seed": 0,
        "policy": {},
    } | changes
    metrics = {
        "test/mae_all": figures["error"],
        "mask/final_sparsity": figures["sparsity"],
        "mask/cost": figures["cost"],
        "efficiency/speed_up": figures["speed_up"],
    }
    return Training(
        run_id=f"run-{name}",
        name=name,
        kind=changes.get("kind", "learned"),
        status="FINISHED",
        started="2026-01-01T00:00:00+00:00",
        job_id=f"job-{name}",
        data_digest=changes.get("digest", "d"),
        model_id=changes.get("model_id", f"m-{name}"),
        seeds=(figures["seed"],)
        if changes.get("kind", "learned") == "learned"
        else figures["seed"],
        settings=changes.get("settings", {"sparsity.final": str(figures["sparsity"])}),
        policy=PromotionSpec.model_validate(figures["policy"]),
        metrics=metrics,
        dense=figures["dense"],
        decisions_digest=changes.get("decisions", ""),
    )
