"""Participants of a platform, and the checks of their headphones and channels."""

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile as sf

from nst_lib.survey import channels, headphones, identity
from nst_lib.survey.files import KEY_FILE
from nst_lib.survey.serve import Server
from nst_lib.survey.stimuli import SurveyError
from nst_lib.survey.survey import Survey
from tests.surveys import answer, bearer, make_survey, rate, served

PROLIFIC = {
    "name": "prolific",
    "parameter": "PROLIFIC_PID",
    "completion_code": "C1A2B3",
    "completion_url": "https://app.prolific.com/submissions/complete?cc=C1A2B3",
    "no_consent_url": "https://example.org/no",
    "screened_out_url": "https://example.org/out",
}
PERSON = "5f1b2c3d4e5f60718293a4b5"

Serve = Callable[..., tuple[Server, httpx.Client]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(**options: Any) -> tuple[Server, httpx.Client]:
            given = {"platform": PROLIFIC, "seconds": 0.02, **options}
            server = stack.enter_context(Server(make_survey(tmp_path, **given)))
            return server, stack.enter_context(httpx.Client(base_url=server.url))

        yield start


def join(client: httpx.Client, person: str | None = PERSON, **more: Any) -> httpx.Response:
    body = {"consent": True, **({} if person is None else {"person": person}), **more}
    return client.post("api/participants", json=body)


def headers(reply: httpx.Response) -> dict[str, str]:
    return bearer(reply.json()["token"])


class TestIdentity:
    def test_one_person_is_one_participant(self, serve):
        server, client = serve()
        first = join(client)
        client.headers.update(headers(first))
        rate(client, 0, 4)
        again = join(client, f" {PERSON} ")
        assert again.status_code == 201
        assert client.get("api/session").status_code == 401  # the old token does not work any more
        client.headers.update(headers(again))
        assert client.get("api/session").json()["answered"] == [0]
        assert len(server._answers.participants()) == 1
        assert join(client, "another").status_code == 201
        assert len(server._answers.participants()) == 2
        codes = [one.json()["code"] for one in (first, again)]
        kept = [client.post("api/withdraw", json={"code": code}).status_code for code in codes]
        assert kept == [404, 200]
        assert [one.id for one in server._answers.participants()] == [2]

    def test_who_has_withdrawn_begins_anew(self, serve):
        server, client = serve()
        client.post("api/withdraw", json={"code": join(client).json()["code"]})
        client.headers.update(headers(join(client)))
        assert client.get("api/session").json()["answered"] == []
        assert [one.id for one in server._answers.participants()] == [2]

    def test_nothing_of_the_identity_is_kept(self, serve):
        server, client = serve()
        join(client)
        folder = server.survey.folder
        everything = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
        assert PERSON.encode() not in everything
        hashed = identity.pseudonym(PERSON, identity.read_key(folder))
        assert hashed.encode() in everything
        assert folder.joinpath(KEY_FILE).stat().st_mode & 0o077 == 0
        assert identity.pseudonym(PERSON, b"another key") != hashed

    def test_each_survey_has_its_own_key_and_needs_it(self, tmp_path):
        keys = set()
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            folder = make_survey(tmp_path / name, platform=PROLIFIC)
            keys.add(identity.read_key(folder))
        assert len(keys) == 2
        for text in ("", "12", "xy" * 32):
            (folder / KEY_FILE).write_text(text)
            with pytest.raises(SurveyError, match=r"identities\.key: .*restore the "):
                Server(folder)
        (folder / KEY_FILE).unlink()
        with pytest.raises(SurveyError, match="restore the key that `nst survey build` made"):
            Server(folder)

    def test_without_an_identity_nobody_takes_part(self, serve):
        server, client = serve()
        reply = join(client, None)
        assert reply.status_code == 422
        assert reply.json()["error"].endswith("with the link of the platform (PROLIFIC_PID=...)")
        for person in ("", "  ", "x" * 201):
            assert join(client, person).status_code == 422
        assert join(client, None, simulated=True).status_code == 201
        assert [one.simulated for one in server._answers.participants()] == [True]

    def test_what_the_page_learns(self, serve):
        _, client = serve()
        about = client.get("api/survey").json()
        assert about["parameter"] == "PROLIFIC_PID"
        assert about["no_consent_url"] == "https://example.org/no"
        assert "C1A2B3" not in client.get("api/survey").text
        assert "compute" in about["consent"]


class TestCompletion:
    def test_the_code_comes_after_the_last_answer(self, serve):
        _, client = serve(repeats=0)
        client.headers.update(headers(join(client)))
        count = len(client.get("api/session").json()["screens"])
        for k in range(count):
            assert "C1A2B3" not in client.get("api/session").text
            assert rate(client, k).status_code == 200
        assert client.get("api/session").json()["completion"] == {
            "code": "C1A2B3",
            "url": PROLIFIC["completion_url"],
        }

    def test_without_a_platform_there_is_none(self, tmp_path):
        with Server(make_survey(tmp_path)) as server, httpx.Client(base_url=server.url) as client:
            assert client.get("api/survey").json()["parameter"] is None
            client.headers.update(headers(join(client, None, simulated=True)))
            for k in range(10):
                rate(client, k)
            assert client.get("api/session").json()["completion"] is None

    @pytest.mark.process
    @pytest.mark.parametrize(
        ("platform", "end"),
        [
            ("prolific", "?PROLIFIC_PID={{%PROLIFIC_PID%}}"),
            ("mturk", "?workerId=${workerId}"),
            ("list", "?participant=NAME"),
        ],
    )
    def test_serve_prints_the_address_for_the_platform(self, tmp_path, nst, platform, end):
        make_survey(tmp_path)  # for its table and sounds
        command = ("survey", "build", "tones", "--table", "tones/sounds.csv", "--question", "style")
        done = nst(*command, "--platform", platform, "--completion-code", "C9", "--out", "made")
        assert (done.returncode, done.stderr) == (0, "")
        url = Survey.read(tmp_path / "made").settings.platform.completion_url
        prolific = "https://app.prolific.com/submissions/complete?cc=C9"
        assert url == (prolific if platform == "prolific" else None)
        with served(tmp_path / "made", tmp_path / "log") as server:
            assert server.text().splitlines()[0] == f"participants: {server.url}{end}"

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("--platform", "prolofic"), "platform 'prolofic'; did you mean prolific?"),
            (("--completion-code", "C1"), "--completion-code needs a platform; add --platform"),
            (
                ("--platform", "list", "--completion-url", "javascript:alert(1)"),
                "completion_url='javascript:alert(1)'; accepted: an address that starts with",
            ),
            (
                ("--platform", "list", "--require-headphones", "--headphones", "none"),
                "require_headphones without a headphone check; accepted: headphones woods or",
            ),
            (("--headphones", "wood"), "headphones 'wood'; did you mean woods?"),
        ],
    )
    def test_options_that_do_not_fit(self, tmp_path, nst, options, message):
        make_survey(tmp_path)
        command = ("survey", "build", "tones", "--table", "tones/sounds.csv", "--question", "style")
        done = nst(*command, *options, "--out", "made")
        assert done.returncode == 2
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
        assert not (tmp_path / "made").exists()


class TestHeadphonesRequired:
    RULES = PROLIFIC | {"require_headphones": True}

    def test_who_fails_twice_is_screened_out(self, serve):
        server, client = serve(platform=self.RULES)
        client.headers.update(headers(join(client)))
        early = answer_once(client)
        assert early.status_code == 403
        assert "headphone check has to be passed" in early.json()["error"]
        wrong = {"answers": [(one.quiet + 1) % 3 for one in headphones.checks(0)]}
        first = client.put("api/headphones", json=wrong).json()
        assert first == {"passed": False, "again": True}
        session = client.get("api/session").json()
        assert (session["screened_out"], session["headphones"]) == (None, None)
        assert session["headphones_required"]
        second = client.put("api/headphones", json=wrong).json()
        assert second == {"passed": False, "again": False}
        assert client.get("api/session").json()["screened_out"] == "https://example.org/out"
        assert answer_once(client).status_code == 403
        assert server._answers.read_all() == []

    def test_who_passes_at_the_second_attempt_goes_on(self, serve):
        server, client = serve(platform=self.RULES)
        client.headers.update(headers(join(client)))
        right = [one.quiet for one in headphones.checks(0)]
        client.put("api/headphones", json={"answers": [(k + 1) % 3 for k in right]})
        assert client.put("api/headphones", json={"answers": right}).json()["passed"]
        assert rate(client, 0).status_code == 200
        (one,) = server._answers.participants()
        assert (one.headphones, one.headphones_right) == (True, 6)


def answer_once(client: httpx.Client) -> httpx.Response:
    client.get("api/screens/0/sounds/0")
    body = {"answer": {"rating": 3}, "plays": [1], "seconds": 1.0}
    return client.put("api/screens/0/answer", json=body)


class TestHuggins:
    def test_the_pitch_is_in_neither_channel(self):
        """Each channel is flat noise; only the difference of the channels has the band."""
        y = headphones.noises(1, level=-26.0, seed=0)
        step = round((headphones.TONE + headphones.PAUSE) * headphones.SR)
        n = round(headphones.TONE * headphones.SR)
        hertz = np.fft.rfftfreq(n, 1 / headphones.SR)
        band = np.abs(hertz / 600 - 1) <= 0.06
        near = (np.abs(hertz / 600 - 1) <= 0.3) & ~band
        for place in range(3):
            left, right = y[place * step : place * step + n].T.astype(float)
            for side in (left, right):
                power = np.abs(np.fft.rfft(side)) ** 2
                assert 10 * np.log10(power[band].mean() / power[near].mean()) == pytest.approx(
                    0, abs=2
                )
            difference = np.abs(np.fft.rfft(left - right)) ** 2
            if place == 1:
                assert difference[band].sum() > 0.99 * difference.sum()
            else:
                np.testing.assert_array_equal(left, right)
        rms = 20 * np.log10(np.sqrt(np.mean(y[:n] ** 2)))
        assert rms == pytest.approx(-26, abs=0.5)

    def test_all_six_have_to_be_right(self, serve):
        server, client = serve(headphones="huggins", platform=None)
        targets = headphones.targets(0)
        assert sorted(targets) == [0, 0, 1, 1, 2, 2]
        for wrong, passed in ((0, True), (1, False)):
            client.headers.update(headers(join(client, None)))
            given = [(k + 1) % 3 if n < wrong else k for n, k in enumerate(targets)]
            reply = client.put("api/headphones", json={"answers": given})
            assert reply.json() == {"passed": passed, "again": False}
        right = [one.headphones_right for one in server._answers.participants()]
        assert right == [6, 5]
        y, sr = sf.read(io.BytesIO(client.get("api/headphones/3").content))
        assert y.shape == (4 * sr, 2)


class TestChannels:
    def test_the_sound_is_on_its_side(self, serve):
        _, client = serve(channels=True, platform=None)
        client.headers.update(headers(join(client, None)))
        assert client.get("api/survey").json()["channels"]
        for k, place in enumerate(channels.places(0)):
            y, _ = sf.read(io.BytesIO(client.get(f"api/channels/{k}").content))
            left, right = y.std(axis=0)
            assert (left > 0.001, right > 0.001) == (place != 2, place != 0)
        assert client.get("api/channels/3").status_code == 404

    def test_there_is_a_second_attempt(self, serve):
        server, client = serve(channels=True, platform=None)
        client.headers.update(headers(join(client, None)))
        swapped = [2 - k for k in channels.places(0)]
        assert client.get("api/session").json()["channel_checks"] == 3
        first = client.put("api/channels", json={"answers": swapped}).json()
        assert first == {"passed": False, "again": True}
        assert client.get("api/session").json()["channel_checks"] == 3
        assert client.put("api/channels", json={"answers": swapped}).json() == {
            "passed": False,
            "again": False,
        }
        session = client.get("api/session").json()
        assert (session["channel_checks"], session["channels"]) == (0, False)
        client.headers.update(headers(join(client, None)))
        right = {"answers": channels.places(0)}
        assert client.put("api/channels", json=right).json()["passed"]
        assert [one.channels for one in server._answers.participants()] == [False, True]
        assert client.put("api/channels", json={"answers": [0, 1]}).status_code == 422

    def test_a_survey_without_it(self, serve):
        _, client = serve(platform=None)
        client.headers.update(headers(join(client, None)))
        assert client.get("api/channels/0").status_code == 404
        assert client.put("api/channels", json={"answers": [0, 1, 2]}).status_code == 404


def test_all_sounds_of_a_screen_have_to_be_heard(tmp_path):
    plan = [{"kind": "pair", "question": "style"}]
    folder = make_survey(tmp_path, question=(), plan=plan, repeats=None, seconds=0.5)
    with Server(folder) as server, httpx.Client(base_url=server.url) as client:
        client.headers.update(headers(join(client, None)))
        body = {"answer": {"preferred": 1}, "plays": [1, 1], "seconds": 1.0}
        client.get("api/screens/0/sounds/0")
        reply = client.put("api/screens/0/answer", json=body)
        assert reply.json()["error"].startswith("a sound was never requested")
        client.get("api/screens/0/sounds/1")
        reply = client.put("api/screens/0/answer", json=body)
        assert reply.json()["error"].endswith("they take 0.9 s; answer after that")
        assert client.get("api/screens/0/sounds/2").status_code == 404
        assert answer(client, 0, {"preferred": 1}, sounds=2).status_code == 200
