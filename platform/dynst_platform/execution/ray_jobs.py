"""Ray Jobs on a cluster elsewhere.

The only place that knows ``ray.job_submission``; every failure is one sentence.
"""

import asyncio
import logging
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import aiohttp
import requests
from ray.exceptions import AuthenticationError

from dynst.errors import ConfigError
from dynst_platform.compat.jobs import JobsClient
from dynst_platform.config.cluster_profile import Profile, use_token
from dynst_platform.errors import RunError, UnreachableError
from dynst_platform.log import quiet_libraries

__all__ = ["Cluster", "RemoteJob", "connect"]

CONNECT_SECONDS = 5.0
LOST_AFTER = 60.0  # seconds without a connection
# seconds without a word, after which the connection is made anew: it may be dead
SILENT_AFTER = 120.0
BROKEN = (
    aiohttp.ClientError,
    OSError,
    RuntimeError,
    RunError,
)  # among them TimeoutError and UnreachableError
NOISE = re.compile(  # of Ray's own, before a job begins and when a node dies
    r"^(.*job_manager\.py:\d+ -- Runtime env is setting up\.|Running entrypoint for job .*| "
    r"+\[state-dump\].*)\n?",
    re.MULTILINE,
)
STARTED_BY = "dynst"
logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class RemoteJob:
    """A job as its cluster knows it."""

    id: str
    name: str  # of the job or sweep file
    kind: str  # train or tune
    run: str  # name of its MLflow run
    state: str  # PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED
    message: str
    began: datetime | None
    ended: datetime | None
    exit_code: int | None
    resumes: str = ""  # job id of the run that it goes on with

    @property
    def job_id(self) -> str:
        """Of its folder and its MLflow runs."""
        return self.resumes or self.id.removeprefix(f"{self.name}-")

    @property
    def over(self) -> bool:
        return self.state not in ("PENDING", "RUNNING")

    @property
    def code(self) -> int:
        """For the process that waited for it: the job's own exit code, 130 where it was stopped."""
        if self.state == "SUCCEEDED":
            return 0
        return 130 if self.state == "STOPPED" else self.exit_code or 1


class Cluster:
    """A connection that was accepted."""

    def __init__(self, url: str, client: Any) -> None:
        self.url, self._client = url, client

    @property
    def ray_version(self) -> str:
        return str(self._client.ray_version)

    def submit(
        self,
        job_id: str,
        entrypoint: str,
        folder: Path,
        variables: Mapping[str, str],
        facts: Mapping[str, str],
        packages: Sequence[str] = (),
    ) -> None:
        """Send ``folder`` and start ``entrypoint`` in it.

        ``variables`` and ``facts`` can be read by everybody on the cluster.

        Args:
            packages: requirements that Ray installs beside those of a node, where they are not
                there.
        """
        environment: dict[str, Any] = {"working_dir": str(folder), "env_vars": dict(variables)}
        if packages:
            environment["pip"] = {"packages": list(packages), "pip_check": False}
        with self._translate_errors():
            self._client.submit_job(
                entrypoint=entrypoint,
                submission_id=job_id,
                runtime_env=environment,
                metadata={"started_by": STARTED_BY, **facts},
            )

    def jobs(self) -> list[RemoteJob]:
        """Those that ``dynst submit`` started, the newest first."""
        with self._translate_errors():
            found = [_job(details) for details in self._client.list_jobs() if _is_ours(details)]
        return sorted(
            found, key=lambda job: job.began or datetime.max.replace(tzinfo=UTC), reverse=True
        )

    def job(self, job_id: str) -> RemoteJob:
        with self._translate_errors():
            return _job(self._client.get_job_info(job_id))

    def logs(self, job_id: str) -> str:
        with self._translate_errors():
            return NOISE.sub("", self._client.get_job_logs(job_id))

    def stop(self, job_id: str) -> None:
        with self._translate_errors():
            self._client.stop_job(job_id)

    def follow(self, job_id: str) -> Iterator[str]:
        """What the job writes, as it is written, to its end.

        A connection that breaks is made again, and nothing comes twice.

        Raises:
            UnreachableError: the cluster did not answer for a minute; the job may go on there.
        """
        while (
            self._patiently(lambda: self.job(job_id)).state == "PENDING"
        ):  # it has nothing to follow yet
            sleep(0.5)
        shown = 0
        while True:
            passed, whole = 0, False
            with suppress(*BROKEN):  # the job itself shows below whether the cluster is there
                for piece in self._tail(job_id):
                    fresh = piece[max(0, shown - passed) :]
                    passed += len(piece)
                    shown += len(fresh)
                    if fresh:
                        yield NOISE.sub("", fresh)
                whole = True
            if self._patiently(lambda: self.job(job_id)).over:
                break
            sleep(1)
        if not whole:
            yield NOISE.sub(
                "", self._patiently(lambda: str(self._client.get_job_logs(job_id)))[shown:]
            )

    def ended(self, job_id: str) -> RemoteJob:
        """Wait for its end.

        Raises:
            UnreachableError: as ``follow``.
        """
        while not (job := self._patiently(lambda: self.job(job_id))).over:
            sleep(0.5)
        return job

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        """Ask again for a minute."""
        lost_since = monotonic()
        while True:
            try:
                return ask()
            except BROKEN as error:
                logger.info("%s does not answer (%s); asked again", self.url, type(error).__name__)
                if monotonic() - lost_since > LOST_AFTER:
                    raise UnreachableError(
                        f"the cluster at {self.url} does not answer any more; the job may go on "
                        f"there"
                    ) from error
            sleep(1)

    def _tail(self, job_id: str) -> Iterator[str]:
        async def following() -> str | None:
            async with asyncio.timeout(SILENT_AFTER):
                return await anext(pieces, None)

        pieces = cast(Any, self._client.tail_job_logs(job_id))
        with asyncio.Runner() as runner:
            try:
                while (piece := runner.run(following())) is not None:
                    yield piece
            finally:
                runner.run(pieces.aclose())

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except AuthenticationError as error:
            raise _refused(self.url, error) from error
        except (requests.RequestException, ConnectionError) as error:
            raise UnreachableError(
                f"the cluster at {self.url} does not answer ({type(error).__name__}); try again"
            ) from error
        except RuntimeError as error:
            raise RunError(
                f"the cluster at {self.url} refused ({_first_sentence(error)})"
            ) from error


def connect(profile: Profile) -> Cluster:
    """Raises:
    ConfigError: no address is known, or the token is not the cluster's.
    UnreachableError: no server listens there, or it is no Ray.
    """
    url = profile.url
    use_token(profile)
    quiet_libraries()
    _check_reachable(url)
    try:
        return Cluster(url, JobsClient(url))
    except AuthenticationError as error:
        raise _refused(url, error) from error
    except (
        requests.RequestException,
        ConnectionError,
        RuntimeError,
        ValueError,
        KeyError,
    ) as error:
        raise UnreachableError(
            f"the address must be that of Ray's dashboard, mostly port 8265, but {url} answers "
            f"otherwise ({_first_sentence(error)})"
        ) from error


def _check_reachable(url: str) -> None:
    """Ray itself would wait for minutes."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((str(parts.hostname), port), timeout=CONNECT_SECONDS).close()
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that cannot be one
        reason = getattr(error, "strerror", None) or error
        raise UnreachableError(
            f"no cluster answers at {url} ({reason}); check the address, and that its port is "
            f"forwarded to you"
        ) from error


def _refused(url: str, error: Exception) -> ConfigError:
    what = "knows another token" if "Authentication failed" in str(error) else "asks for a token"
    return ConfigError(
        f"the cluster at {url} {what}; name the file that holds its token with --token-file, "
        f"DYNST_TOKEN_FILE or in the profile"
    )


def _first_sentence(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].split(". ")[0].rstrip(".")


def _is_ours(details: Any) -> bool:
    return (
        details.submission_id is not None
        and (details.metadata or {}).get("started_by") == STARTED_BY
    )


def _job(details: Any) -> RemoteJob:
    facts = details.metadata or {}
    return RemoteJob(
        id=details.submission_id,
        name=facts.get("name", ""),
        kind=facts.get("kind", ""),
        run=facts.get("run", ""),
        state=str(getattr(details.status, "value", details.status)),
        message=details.message or "",
        began=_time(details.start_time),
        ended=_time(details.end_time),
        exit_code=details.driver_exit_code,
        resumes=facts.get("resumes", ""),
    )


def _time(milliseconds: int | None) -> datetime | None:
    return None if not milliseconds else datetime.fromtimestamp(milliseconds / 1000, UTC)
