"""The page of a search: it holds every trial, needs no network, and says when it is over."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import optuna
import pytest
from omegaconf import OmegaConf
from optuna.trial import TrialState

from hydra_plugins.early_stop_tpe_sweeper._ledger import Ledger
from hydra_plugins.early_stop_tpe_sweeper._monitor_settings import MonitorSettings
from hydra_plugins.early_stop_tpe_sweeper._page import page_of
from hydra_plugins.early_stop_tpe_sweeper._records import RESULT, RUN, SETTINGS
from hydra_plugins.early_stop_tpe_sweeper._report import _write_preset
from hydra_plugins.early_stop_tpe_sweeper._rules import Candidate, FreshRun, Race
from hydra_plugins.early_stop_tpe_sweeper._summary import Summary, markdown, summary_of
from hydra_plugins.early_stop_tpe_sweeper._svg import Series, chart
from hydra_plugins.early_stop_tpe_sweeper.config import Settings

SPACE = {
    "a.rate": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True),
    "a.kind": optuna.distributions.CategoricalDistribution(["<fast>", "slow"]),
}
SETTING = MonitorSettings(4, 1.5, 0.25, None, 0.5, 1, 1, "eval/success_rate", True, None)
STATES = [
    ("success", TrialState.COMPLETE, 1.5),
    ("finished", TrialState.COMPLETE, 0.2),
    ("pruned", TrialState.PRUNED, 0.1),
    ("failed", TrialState.FAIL, None),
    ("running", TrialState.RUNNING, None),
    ("queued", TrialState.WAITING, None),
    ("finished", TrialState.COMPLETE, 0.3),
]


def ledger_of(folder: Path, states=STATES) -> Ledger:
    """A search with a trial of each kind, whose first left evaluations and a film."""
    storage = optuna.storages.InMemoryStorage()
    ledger = Ledger(storage, "a & b", SPACE, ["maximize"], None, "me", 100)
    ledger.screening.set_user_attr(SETTINGS, SETTING.to_json())
    for number, (status, state, value) in enumerate(states):
        run = {"dir": str(folder / str(number))}
        result = {"status": status, "n_epochs": 2 + number} if value is not None else {}
        ledger.screening.add_trial(
            optuna.create_trial(
                state=state,
                value=value,
                params={"a.rate": 10.0 ** -(1 + number % 3), "a.kind": "<fast>"},
                distributions=SPACE,
                user_attrs={RUN: run, RESULT: result},
                intermediate_values={1: 0.1, 2: 0.3},
            )
        )
    (folder / "0" / "films").mkdir(parents=True)
    (folder / "0" / "films" / "epoch_2.mp4").write_bytes(b"film")
    lines = "epoch,step,eval/success_rate\n1,100,0.5\n2,200,1.0\n"
    (folder / "0" / "evaluations.csv").write_text(lines)
    return ledger


def summary(folder: Path, end: str = "", states=STATES) -> Summary:
    ledger = ledger_of(folder, states)
    settings = Settings(direction="maximize", min_trials_per_param=1, max_trials_per_param=1)
    config = OmegaConf.create({"n_epochs": 10})
    return summary_of(ledger, settings, config, folder, "3 of 7 are done.", end)


class Page(HTMLParser):
    """What a page asks others for, and how many of each element it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs) -> None:
        self.tags.append(tag)
        self.asked += [value for key, value in attrs if key in ("src", "href")]


def test_a_running_search_shows_every_trial_its_curves_and_films(tmp_path: Path):
    text = page_of(summary(tmp_path), 5)
    page = Page(text)
    assert page.tags.count("tr") == 1 + len(STATES)
    assert "<meta http-equiv='refresh' content='5'>" in text
    assert "3 of 7 are done." in text
    assert "1 success, 2 finished, 1 pruned, 1 failed, 1 running, 1 queued" in text
    # the evaluation that ended a run is in its folder, though it was never reported
    assert page.tags.count("polyline") == len(STATES)
    assert "trial 0, success" in text
    assert page.asked == ["0/films/epoch_2.mp4"]
    assert "&lt;fast&gt;" in text
    assert "<fast>" not in text
    assert "a &amp; b" in text


def test_the_last_state_is_the_report_and_does_not_renew_itself(tmp_path: Path):
    known = summary(tmp_path, "all trials are done")
    text = page_of(known, 5)
    assert "http-equiv" not in text
    assert "The search is over." in text
    assert "It ended: all trials are done." in text
    assert "http://" not in text + markdown(known)
    assert "https://" not in text
    rows = re.findall(r"^\| \d", markdown(known), re.MULTILINE)
    assert len(rows) == len(STATES)
    assert known.rows[0].curve == ((1.0, 0.5), (2.0, 1.0))
    assert known.rows[1].curve == ((1.0, 0.1), (2.0, 0.3))
    assert [row.trial.number for row in known.rows] == [0, 6, 1, 2, 3, 4, 5]


def test_trials_that_failed_saved_nothing(tmp_path: Path):
    failed = [("failed", TrialState.FAIL, None)] * 3
    known = summary(tmp_path, "too many trials failed", failed)
    for text in (markdown(known), page_of(known, 5)):
        assert "3 failed" in text
        assert "saved" not in text
    assert known.best is None


@pytest.mark.parametrize(("reached", "name"), [(True, "tuned.yaml"), (False, "tuned-NOT-verified")])
def test_the_file_of_a_winner_says_whether_it_is_verified(reached, name: str, tmp_path: Path):
    for old in ("tuned.yaml", "tuned-NOT-verified.yaml"):
        (tmp_path / old).write_text("old")
    fresh = (FreshRun(True, 1.0, 3),) if reached else ()
    winner = Candidate(number=1, reached=True, score=1.5, n_epochs=3, fresh=fresh)
    kept = _write_preset(tmp_path, Race(1, 1), winner, "new")
    assert kept.startswith(name)
    assert [path.name for path in tmp_path.iterdir()] == [kept]
    assert (tmp_path / kept).read_text() == "new"


@pytest.mark.parametrize(
    ("x", "y", "more"),
    [
        ([1.0], [0.5], {}),
        ([1.0, 2.0], [3.0, 3.0], {}),
        ([1e-5, 1e-1], [0.0, 1e9], {"log_x": True}),
        ([2e-3, 3e-3], [0.0, 1.0], {"log_x": True}),
        ([0.0, 1.0], [-1.0, 1.0], {"names": ["a<b", "c"]}),
    ],
)
def test_charts_stay_within_their_frame(x, y, more):
    drawn = chart([Series(x, y, "red", "t & u")], "x<y", "z", **more)
    assert "t &amp; u" in drawn
    assert "x&lt;y" in drawn
    for a, b in re.findall(r"(-?[\d.]+),(-?[\d.]+)", "".join(re.findall(r"points='(.*?)'", drawn))):
        assert 0 <= float(a) <= 900
        assert 0 <= float(b) <= 300
    assert json.dumps(drawn).count("NaN") == 0
