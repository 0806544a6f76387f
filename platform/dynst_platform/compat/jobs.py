"""Ray Jobs: a client whose requests end."""

from typing import Any

from ray.job_submission import JobSubmissionClient

__all__ = ["JobsClient"]

ANSWER_SECONDS = 60.0


class JobsClient(JobSubmissionClient):  # type: ignore[misc]  # ray has no types
    """Ray's client gives up on no server that accepts and does not answer; this one does."""

    @property
    def ray_version(self) -> str:
        """Of the cluster, asked for when the connection was made; there is no public way."""
        return str(self._server_ray_version)

    def _do_request(self, *arguments: Any, **named: Any) -> Any:
        return super()._do_request(*arguments, **{"timeout": ANSWER_SECONDS, **named})
