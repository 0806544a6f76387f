"""What a person writes after a flag of ``dynst data``, and what it means."""

import re
from datetime import timedelta

import click

__all__ = ["Answer", "Missing", "Selection", "Step", "StepOrMonths"]

UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}


class Step(click.ParamType[timedelta]):
    """``15min``, ``1h``, ``300s``, ``1d``."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        text = str(value)
        unit = next((unit for unit in ("min", "s", "h", "d") if text.endswith(unit)), "")
        number = text.removesuffix(unit)
        if not unit or not number.isdigit() or int(number) == 0:
            self.fail(
                f"must be a whole number with s, min, h or d, for instance 15min, but got '{text}'",
                param,
                ctx,
            )
        return timedelta(seconds=int(number) * UNITS[unit])


class StepOrMonths(click.ParamType[timedelta | int]):
    """The same, or ``1month``, ``3months``, ``1year``."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta | int:
        from dynst.data.importers.source import Months

        found = re.fullmatch(r"([1-9]\d*)(month|year)s?", str(value))
        if found:
            return Months(int(found[1]) * (12 if found[2] == "year" else 1))
        return Step().convert(value, param, ctx)


class Selection(click.ParamType[tuple[str, str]]):
    """``level=500``, ``prediction_timedelta=6h``."""

    name = "name=value"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        key, _, text = str(value).partition("=")
        if not key or not text:
            self.fail(f"must be NAME=VALUE, for instance level=500, but got '{value}'", param, ctx)
        return key, text


class Missing(click.ParamType[float | str]):
    """``-1``, ``9999`` or a text such as ``M``."""

    name = "value"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | str:
        try:
            return float(str(value))
        except ValueError:
            return str(value)


class Answer(click.ParamType[float | None]):
    """``missing=-1``, or ``none``."""

    name = "answer"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | None:
        key, _, text = str(value).partition("=")
        if str(value) == "none":
            return None
        try:
            number = float(text) if key == "missing" else None
        except ValueError:
            number = None
        if number is None:
            self.fail(
                f"must be missing=NUMBER or none, such as missing=-1, but got '{value}'", param, ctx
            )
        return number
