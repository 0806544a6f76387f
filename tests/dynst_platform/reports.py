"""Reports for tests: made with few words, and as the plain data that the report file has."""

from typing import Any

from dynst_platform.reports import ArmReport, EpochReport, MaskChange, Report

__all__ = ["arm_end", "change", "epoch", "plain"]


def change(step: int, active: list[bool], **more: Any) -> MaskChange:
    return MaskChange(
        step=step, sparsity=0.5, active=tuple(active), **{"importance": (0.0,) * len(active)} | more
    )


def epoch(number: int, arm: str = "dynst", kind: str = "learned", **more: Any) -> EpochReport:
    figures = {"train_loss": 2.5, "val_mae": 3.25, "sparsity": 0.25, "exchanged": 1, "seconds": 2.0}
    known = {
        "arm": arm,
        "arm_kind": kind,
        "epoch": number,
        "epochs": 5,
        "step": 6 * number,
        "time": number,
    }
    return EpochReport.model_validate(known | figures | more)


def arm_end(arm: str = "dense", kind: str = "dense", **more: Any) -> ArmReport:
    choice = {"active": (True,), "importance": (0.0,), "mae_by_sensor": (1.0,)}
    known = {
        "arm": arm,
        "arm_kind": kind,
        "step": 30,
        "metrics": {"test/mae_all": 1.0},
        "artifact": f"models/{arm}",
    }
    return ArmReport.model_validate(known | choice | more)


def plain(report: Report) -> dict[str, Any]:
    return report.model_dump(exclude_none=True)
