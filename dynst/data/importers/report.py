"""What an import says of a file: what it knows, what it assumed, and what it asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dynst.data.manifest import Question

__all__ = ["Finding", "ImportReport", "assumed", "known"]


@dataclass(frozen=True)
class Finding:
    """One thing that was understood.

    Args:
        text: what was understood, one sentence without a full stop.
        certainty: "known" from the file or from what the user said; "assumed" where the file may
            mean something else, which the text then says how to change.
    """

    text: str
    certainty: Literal["known", "assumed"] = "known"


def known(text: str) -> Finding:
    """From the file's own declarations, or from the user."""
    return Finding(text)


def assumed(text: str, change: str) -> Finding:
    """What is likely, and the flag that changes it."""
    return Finding(f"{text} ({change})", "assumed")


@dataclass(frozen=True)
class ImportReport:
    """What was understood, for the user to check.

    Args:
        kind: the form that the file was read as.
        findings: what is known and what was assumed, in the order of reading.
        questions: values that look like fill values; the store keeps them until they are answered.
    """

    kind: str
    findings: tuple[Finding, ...] = ()
    questions: tuple[Question, ...] = ()

    @property
    def known(self) -> tuple[str, ...]:
        """From the file itself, and from what the user said."""
        return _texts(self.findings, "known")

    @property
    def assumed(self) -> tuple[str, ...]:
        """Likely, but not certain; each says what changes it."""
        return _texts(self.findings, "assumed")

    @property
    def notes(self) -> tuple[str, ...]:
        """All of it as sentences, open questions last."""
        return (
            *(finding.text for finding in self.findings),
            *(question.text for question in self.questions),
        )


def _texts(findings: Sequence[Finding], certainty: str) -> tuple[str, ...]:
    return tuple(finding.text for finding in findings if finding.certainty == certainty)
