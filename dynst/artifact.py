"""The old place of ``dynst.models.artifact``, from which models that MLflow has import it."""

from dynst.models.artifact import (
    Artifact,
    Description,
    artifact_digest,
    load_artifact,
    save_artifact,
)

__all__ = ["Artifact", "Description", "artifact_digest", "load_artifact", "save_artifact"]
