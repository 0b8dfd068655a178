"""A questionnaire: one screen of questions about the participant. Nothing is obligatory."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import model_validator

from nst_lib.base.validation import Model, setting
from nst_lib.survey.kinds.block import AnswerError, Block, Columns, Given, Name, Screen, Text
from nst_lib.survey.stimuli import Stimulus, SurveyError

#: Largest number of characters of a free text: our choice.
LONGEST = 500


class Question(Model):
    """One question of a questionnaire."""

    Error = SurveyError
    noun = "setting of a question"

    name: Name = setting(..., "Name of the column.", words="a name of letters, digits, - and _")
    text: Text = setting(..., "The question that participants read.", words="a text")
    type: Literal["choice", "choices", "text", "number"] = setting(
        "text", "Whether the answer is one option, several options, a text or a number."
    )
    options: tuple[Text, ...] = setting((), "The options of a choice.", words="texts")
    lowest: float | None = setting(None, "Lowest number that is accepted.")
    highest: float | None = setting(None, "Highest number that is accepted.")

    @model_validator(mode="after")
    def _fits(self) -> "Question":
        choice = self.type in ("choice", "choices")
        if choice != bool(self.options):
            raise ValueError(
                f"question {self.name!r} has the type {self.type} and {len(self.options)} options; "
                "accepted: options for choice and choices, and no options otherwise"
            )
        if len(set(self.options)) < len(self.options):
            raise ValueError(f"question {self.name!r}: two options are equal")
        return self

    def read(self, value: object) -> Any:
        """Return an answer as it is stored; None if it is empty."""
        if value in (None, "", []):
            return None
        if self.type == "choice":
            fits = isinstance(value, str) and value in self.options
            accepted = "one of the options"
        elif self.type == "choices":
            fits = isinstance(value, list) and all(
                isinstance(one, str) and one in self.options for one in value
            )
            accepted = "a list of options"
        elif self.type == "number":
            fits = (
                isinstance(value, int | float)
                and not isinstance(value, bool)
                and (self.lowest is None or value >= self.lowest)
                and (self.highest is None or value <= self.highest)
            )
            accepted = self._range()
        else:
            fits = isinstance(value, str) and len(value) <= LONGEST
            accepted = f"a text of up to {LONGEST} characters"
        if not fits:
            raise AnswerError(f"wrong {self.name}; accepted: {accepted}, or nothing")
        return value

    def _range(self) -> str:
        low = "" if self.lowest is None else f" from {self.lowest:g}"
        high = "" if self.highest is None else f" up to {self.highest:g}"
        return f"a number{low}{high}"

    def values(self) -> str:
        """Return what the column of the question has, in words."""
        words = {
            "choice": ", ".join(self.options),
            "choices": f"{', '.join(self.options)}; several are separated by ' | '",
            "number": self._range(),
            "text": "a text",
        }
        return f"{words[self.type]}; empty: no answer"


class Questionnaire(Block):
    """A block with one screen of questions."""

    table: ClassVar[str] = "questionnaire"

    kind: Literal["questionnaire"] = setting("questionnaire", "Kind of the block.")
    title: Text = setting(..., "Heading of the questionnaire.", words="a text")
    fields: tuple[Question, ...] = setting(
        ..., "The questions.", words="a list of questions", min_length=1, max_length=40
    )

    def __init__(self, **values: Any) -> None:
        fields = values.get("fields")
        if isinstance(fields, list | tuple):
            values["fields"] = tuple(
                Question(**one) if isinstance(one, Mapping) else one for one in fields
            )
        super().__init__(**values)

    def screens(self, stimuli: Sequence[Stimulus], row: int, *, seed: int) -> list[Screen]:
        """Return the only screen."""
        return [Screen(self.name, position=1)]

    def about(self) -> dict[str, Any]:
        """Return what the page has to know about the block."""
        fields = [one.model_dump(mode="json") for one in self.fields]
        return {"title": self.title, "fields": fields, "longest": LONGEST}

    def read(self, screen: Screen, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Return an answer as it is stored: without the questions that were not answered."""
        known = {one.name: one for one in self.fields}
        given = answer.get("fields")
        if [*answer] != ["fields"] or not isinstance(given, Mapping) or not {*given} <= {*known}:
            raise AnswerError(
                "wrong answer; accepted: an object with the field fields: answers by name"
            )
        found = {name: known[name].read(value) for name, value in given.items()}
        return {"fields": {name: value for name, value in found.items() if value is not None}}

    def columns(self, stimuli: Sequence[Stimulus]) -> Columns:
        """Return the columns that this kind exports, with their meaning and values."""
        return {f"{self.name}_{one.name}": (one.text, one.values()) for one in self.fields}

    def cells(self, given: Given, known: Mapping[str, Stimulus]) -> list[dict[str, Any]]:
        """Return the answers as cells of the row of the listener."""
        fields = given.answer["fields"]
        texts = {
            name: " | ".join(value) if isinstance(value, list) else value
            for name, value in fields.items()
        }
        return [{f"{self.name}_{one.name}": texts.get(one.name, "") for one in self.fields}]

    @model_validator(mode="after")
    def _names_differ(self) -> "Questionnaire":
        names = [one.name for one in self.fields]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"block {self.name!r} has two questions {name!r}; rename one")
        return self
