"""Where a study's results can be found again, for a person."""

from dynst.evaluation.ridge import PROFILE
from dynst_platform.studies.study import StudyOutcome
from dynst_platform.terminal.output import print_open_questions, print_places
from dynst_platform.terminal.screen import Screen

__all__ = ["print_study_places"]


def print_study_places(screen: Screen, outcome: StudyOutcome) -> None:
    references = "   ".join(
        f"{name.replace('_', ' ')} {error:.4g}"
        for name, error in outcome.references.items()
        if name != PROFILE
    )
    screen.show(f"Reading every sensor: {references}", above=True, fold=True)
    if PROFILE in outcome.references:
        screen.show(f"Reading none: seasonal profile {outcome.references[PROFILE]:.4g}")
    picture = f"Picture      {outcome.artifacts['picture']}"
    print_places(screen, picture, outcome.run_id, outcome.experiment, outcome.attribution)
    print_open_questions(screen, outcome.open_questions)
