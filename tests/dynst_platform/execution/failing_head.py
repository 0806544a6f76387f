"""In place of the process of a Ray of our own: one whose Ray does not start."""

import os

import ray

from dynst_platform.execution.ray_head import main


def refuse(**settings: object) -> None:
    raise Exception(os.environ["REFUSAL"])


if __name__ == "__main__":
    ray.init = refuse
    main()
