"""The process of a command: it can be stopped from its first import on."""

from typing import NoReturn

from dynst_platform.stopping import run_as_process

__all__ = ["main"]


def main() -> NoReturn:
    run_as_process(_command)


def _command() -> None:
    from dynst_platform.main import main as command  # noqa: PLC0415 (may be stopped meanwhile)

    command()


if __name__ == "__main__":
    main()
