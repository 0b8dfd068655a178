"""Settings and texts of a listening test, as survey.json has them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator

from nst_lib.base.validation import Model, setting
from nst_lib.survey import kinds
from nst_lib.survey.kinds.block import Block, Text
from nst_lib.survey.kinds.questionnaire import Questionnaire
from nst_lib.survey.stimuli import TAKEN_TODAY, SurveyError

#: URL parameter in which each platform gives the identity of a participant.
PARAMETERS = {"prolific": "PROLIFIC_PID", "mturk": "workerId", "list": "participant"}
#: Page of Prolific that takes a completion code.
PROLIFIC = "https://app.prolific.com/submissions/complete?cc="


class Platform(Model):
    """Where participants come from, and where they are sent afterwards."""

    Error = SurveyError
    noun = "setting of the platform"

    name: Literal["prolific", "mturk", "list"] = setting(..., "Name of the platform.")
    parameter: Text = setting(
        ..., "URL parameter that has the identity of a participant.", words="a text"
    )
    completion_code: str | None = setting(None, "Code that participants get at the end.")
    completion_url: str | None = setting(None, "Address to which they return at the end.")
    screened_out_url: str | None = setting(
        None, "Address for participants who are screened out by the headphone check."
    )
    no_consent_url: str | None = setting(None, "Address for participants who do not agree.")
    require_headphones: bool = setting(
        False, "Whether participants who fail the headphone check twice are screened out."
    )

    @model_validator(mode="after")
    def _safe(self) -> "Platform":
        for name in ("completion_url", "screened_out_url", "no_consent_url"):
            url = getattr(self, name)
            if url is not None and not url.startswith(("https://", "http://")):
                raise ValueError(f"{name}={url!r}; accepted: an address that starts with https://")
        return self


class SurveySettings(Model):
    """The settings and texts of a survey.

    The texts of `consent` and `thanks` may have several paragraphs, with empty lines between them.
    """

    Error = SurveyError

    format: Literal[2] = setting(..., "Number of the format of this file.")
    title: Text = setting(..., "Title of the test, for participants.", words="a text")
    language: Text = setting(
        "en", "Language of the page: a code, or a message file in the folder.", words="a text"
    )
    consent: Text = setting(..., "Text that participants agree to.", words="a text")
    thanks: Text = setting(..., "Text that participants read at the end.", words="a text")
    seed: int = setting(..., "Seed of the orders and of the checks.", ge=0)
    rest_every: int = setting(..., "Number of screens between two breaks.", ge=1)
    headphones: Literal["woods", "huggins"] | None = setting(
        ..., "Kind of the headphone check; null: there is none."
    )
    channels: bool = setting(
        False, "Whether participants do the check of the left and the right channel."
    )
    open: bool = setting(..., "Whether new participants are admitted.")
    platform: Platform | None = setting(None, "Where participants come from; null: anywhere.")
    blocks: tuple[Block, ...] = setting(
        ..., "The blocks of the test.", words="a list of blocks", min_length=1
    )

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "SurveySettings":
        """Return the settings in a mapping. Keys that are no settings are ignored.

        survey.json has such keys: they describe how the survey was built.
        """
        given = {name: value for name, value in found.items() if name in cls.model_fields}
        if isinstance(given.get("blocks"), list | tuple):
            given["blocks"] = tuple(
                one if isinstance(one, Block) else kinds.read(one) for one in given["blocks"]
            )
        if isinstance(given.get("platform"), Mapping):
            given["platform"] = Platform(**given["platform"])
        return cls(**given)

    @model_validator(mode="after")
    def _headphones_fit(self) -> "SurveySettings":
        required = self.platform is not None and self.platform.require_headphones
        if required and self.headphones is None:
            raise ValueError(
                "require_headphones without a headphone check; accepted: headphones woods or "
                "huggins"
            )
        return self

    @model_validator(mode="after")
    def _blocks_fit(self) -> "SurveySettings":
        names = [one.name for one in self.blocks]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two blocks are called {name!r}; give each its own name")
        return self

    @model_validator(mode="after")
    def _columns_differ(self) -> "SurveySettings":
        asked = [one for one in self.blocks if isinstance(one, Questionnaire)]
        names = [name for one in asked for name in one.columns(())]
        for name in names:
            if name in TAKEN_TODAY or names.count(name) > 1:
                raise ValueError(
                    f"the questionnaires would export two columns {name!r}, the name of a block "
                    "and of its question; rename one"
                )
        return self


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
