"""Settings and texts of a listening test, as survey.json has them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from nst_lib.base.validation import Model, setting
from nst_lib.survey.stimuli import SurveyError

Question = Literal["style", "content", "quality"]
QUESTIONS: tuple[str, ...] = get_args(Question)

Text = Annotated[str, Field(pattern=r"\S")]


class SurveySettings(Model):
    """The settings and texts of a survey.

    The texts of `consent` and `thanks` may have several paragraphs, with empty lines between them.
    """

    Error = SurveyError

    title: Text = setting(..., "Title of the test, for participants.", words="a text")
    question: Question = setting(..., "What participants rate, in one word.")
    wording: Text = setting(
        ...,
        "The question that participants read; {description} stands for the sound's description.",
        words="a text",
    )
    labels: tuple[Text, ...] = setting(
        ..., "Labels of the ratings 1 to 5.", words="five texts", min_length=5, max_length=5
    )
    consent: Text = setting(..., "Text that participants agree to.", words="a text")
    thanks: Text = setting(..., "Text that participants read at the end.", words="a text")
    seed: int = setting(..., "Seed of the orders and of the headphone check.", ge=0)
    repeats: int = setting(..., "Number of sounds that each participant hears twice.", ge=0)
    per_listener: int | None = setting(
        ...,
        "Number of different trials that each participant hears; null: all trials.",
    )
    rest_every: int = setting(..., "Number of sounds between two breaks.", ge=1)
    headphones: bool = setting(..., "Whether participants do the headphone check.")
    open: bool = setting(..., "Whether new participants are admitted.")
    blocks: bool = setting(
        False,
        "Whether the parts that `per_listener` makes are balanced over pairs and conditions. "
        "Surveys that an older version built lack this setting, and keep their orders.",
    )

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "SurveySettings":
        """Return the settings in a mapping. Keys that are no settings are ignored.

        survey.json has such keys: they describe how the survey was built.
        """
        return cls(**{name: value for name, value in found.items() if name in cls.model_fields})


def read_json(path: Path) -> dict[str, Any]:
    """Read survey.json.

    Raises
    ------
    SurveyError
        If the file cannot be read or is no JSON object.
    """
    advice = "choose a folder that `nst survey build` made"
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SurveyError(f"{path}: cannot read ({error.strerror}); {advice}") from error
    except ValueError as error:
        raise SurveyError(f"{path}: is not valid JSON ({error}); {advice}") from error
    if not isinstance(found, dict):
        raise SurveyError(f"{path}: has no settings; {advice}")
    return found
