"""Where a study's results can be found again, for a person."""

from rich.console import Console

from dynst_platform.studies.study import StudyOutcome
from dynst_platform.terminal.output import print_open_questions, print_places

__all__ = ["print_study_places"]


def print_study_places(console: Console, outcome: StudyOutcome) -> None:
    references = "   ".join(f"{name} {error:.4g}" for name, error in outcome.references.items())
    console.print(f"\nReading every sensor: {references}", highlight=False)
    picture = f"Picture      {outcome.artifacts['picture']}"
    print_places(console, picture, outcome.run_id, outcome.experiment, outcome.attribution)
    print_open_questions(console, outcome.open_questions)
