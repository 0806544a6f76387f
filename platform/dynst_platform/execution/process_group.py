"""The process group of workers that compute on CPUs, as a backend of Ray Train.

Ray Train's own has its controller import PyTorch, and makes a group of one worker too.
"""

import socket
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

import ray
from ray.train.backend import Backend, BackendConfig

__all__ = ["GlooConfig"]

WAIT = timedelta(minutes=30)  # of a collective call for its slowest rank, as Ray Train has it
LEAVE_SECONDS = 30.0


class _Gloo(Backend):  # type: ignore[misc]  # ray has no types
    def on_start(self, worker_group: Any, backend_config: BackendConfig) -> None:
        size = len(worker_group)
        if size == 1:
            return
        address = worker_group.execute_single(0, _free_address)
        joined = [
            worker_group.execute_single_async(rank, _join, address, rank, size)
            for rank in range(size)
        ]
        ray.get(joined)

    def on_shutdown(self, worker_group: Any, backend_config: BackendConfig) -> None:
        if len(worker_group) > 1:
            left = worker_group.execute_async(_leave)
            ray.wait(left, num_returns=len(left), timeout=LEAVE_SECONDS)


class GlooConfig(BackendConfig):  # type: ignore[misc]
    """A group of those that Ray Train has ranked; one worker alone needs none."""

    @property
    def backend_cls(self) -> type[Backend]:
        return _Gloo


def _free_address() -> str:
    """Of this node, as the other nodes reach it."""
    host = ray.util.get_node_ip_address()
    long = ip_address(host).version == 6
    with socket.socket(socket.AF_INET6 if long else socket.AF_INET) as chosen:
        chosen.bind(("", 0))
        port = chosen.getsockname()[1]
    return f"tcp://[{host}]:{port}" if long else f"tcp://{host}:{port}"


def _join(address: str, rank: int, size: int) -> None:
    import torch.distributed as dist  # noqa: PLC0415 (seconds, which the controller does without)

    dist.init_process_group("gloo", address, timeout=WAIT, rank=rank, world_size=size)


def _leave() -> None:
    import torch.distributed as dist  # noqa: PLC0415

    if dist.is_initialized():
        dist.destroy_process_group()
