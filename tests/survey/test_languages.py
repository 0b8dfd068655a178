"""The message files: each language says the same things."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nst_lib.survey

FOLDER = Path(nst_lib.survey.__file__).parent / "languages"
CODES = sorted(path.stem for path in FOLDER.glob("*.json"))
#: Plural forms of Unicode; each language has some of them, and "other" in any case.
PLURALS = {"zero", "one", "two", "few", "many", "other"}


def read(code: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{code}.json").read_text(encoding="utf-8"))
    return found


def leaves(found: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each text with its place in the file; a text with plural forms is one text."""
    if isinstance(found, list):
        for k, one in enumerate(found):
            yield from leaves(one, f"{name}[{k}]")
    elif isinstance(found, dict) and not {*found} <= PLURALS:
        for key, one in found.items():
            yield from leaves(one, f"{name}.{key}")
    else:
        yield name, found


def forms(found: Any) -> dict[str, str]:
    return found if isinstance(found, dict) else {"other": found}


def placeholders(text: str) -> set[str]:
    return {*re.findall(r"\{\w+\}", text)}


def test_there_is_english() -> None:
    assert "en" in CODES


@pytest.mark.parametrize("code", CODES)
class TestLanguage:
    def test_has_each_text_of_the_english_file_and_no_other(self, code: str) -> None:
        assert [name for name, _ in leaves(read(code))] == [name for name, _ in leaves(read("en"))]

    def test_has_its_placeholders(self, code: str) -> None:
        theirs = dict(leaves(read(code)))
        for name, english in leaves(read("en")):
            if not isinstance(english, str | dict):
                assert theirs[name] == english, name
                continue
            wanted = placeholders(forms(english)["other"])
            given = forms(theirs[name])
            assert isinstance(theirs[name], dict) == isinstance(english, dict), name
            assert placeholders(given["other"]) == wanted, name
            for form, text in given.items():
                assert placeholders(text) <= wanted, f"{name}, {form}"

    def test_says_something_everywhere(self, code: str) -> None:
        for name, found in leaves(read(code)):
            for text in forms(found).values():
                assert not isinstance(text, str) or text.strip() == text != "", name

    def test_is_translated(self, code: str) -> None:
        """Long texts differ from the English ones: nothing was forgotten."""
        theirs = dict(leaves(read(code)))
        for name, english in leaves(read("en")):
            if code != "en" and isinstance(english, str) and len(english) > 25:
                assert theirs[name] != english, name

    def test_keeps_the_names_of_the_questionnaires(self, code: str) -> None:
        """Columns of an export have the same names in every language."""
        both = [
            {
                name: text
                for name, text in leaves(read(one))
                if re.search(r"fields.*\.(name|type)$", name)
            }
            for one in (code, "en")
        ]
        assert both[0] == both[1] != {}


class TestMessages:
    """The page asks for the messages that the files have."""

    def used(self) -> set[str]:
        page = FOLDER.with_name("page")
        files = [*page.rglob("*.js"), page / "index.html"]
        text = "\n".join(path.read_text(encoding="utf-8") for path in files)
        return {*re.findall(r"[\"'`]([a-z]+(?:\.[a-z_]+)?)[\"'`]", text)}

    def made(self) -> set[str]:
        """Names that the page puts together from the kinds and checks."""
        kinds = ("rating", "pair", "abx", "mushra")
        sides, order = ("left", "both", "right"), ("first", "second", "third")
        texts = ("heading", "number", "text", "again", "passed", "failed")
        return {
            *(f"{kind}.{word}" for kind in kinds for word in ("number", "practice", "test")),
            *(f"{check}.{word}" for check in ("channels", "headphones") for word in texts),
            *(f"channels.{word}" for word in sides),
            *(f"headphones.{word}" for word in order),
            *(
                f"headphones.{kind}{part}"
                for kind in ("woods", "huggins")
                for part in ("", "_wording")
            ),
            *(
                f"player.{what}{named}"
                for what in ("play", "again", "stop", "played")
                for named in ("", "_named")
            ),
            *(f"questionnaire.{which}" for which in ("any", "range", "from", "to")),
        }

    def test_each_message_is_used_and_each_used_one_is_there(self) -> None:
        messages = {*read("en")} - {"name", "direction", "survey"}
        found = self.used() | self.made()
        assert messages - found == set(), "nobody says this"
        prefixes = {name.partition(".")[0] for name in messages if "." in name}
        wanted = {name for name in found if "." in name and name.partition(".")[0] in prefixes}
        assert wanted - messages == set(), "the page says what no file has"
