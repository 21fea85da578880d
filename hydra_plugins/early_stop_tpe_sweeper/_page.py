"""The page of a search: it renews itself while the search runs; its last state is the report."""

import time
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from omegaconf import DictConfig
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from hydra_plugins.early_stop_tpe_sweeper._ledger import Ledger
from hydra_plugins.early_stop_tpe_sweeper._summary import Summary, summary_of
from hydra_plugins.early_stop_tpe_sweeper._svg import Series, chart
from hydra_plugins.early_stop_tpe_sweeper._sweep import Sweep
from hydra_plugins.early_stop_tpe_sweeper.config import Settings
from interface.metrics import SUCCESS_KEYS
from interface.run_files import SEARCH_PAGE
from util.atomic_write import atomic_write_text

_MOST_OF_THE_TIME = 0.05  # that a sweeper may spend on its page: trials may be thousands
_SILENCE_SECONDS = 120.0
_BEST, _RUNNING, _OTHER = "#0072b2", "#d55e00", "#bbbbbb"
_HEADINGS = ("trial", "", "screening", "fresh seeds", "score on fresh seeds: IQM [95 %]", "")
_STYLE = """
body { font-family: sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; width: 100% } td, th { padding: .25em .6em; text-align: left }
tr { border-bottom: 1px solid #ddd } tr.best { background: #e8f2fa }
code { background: #f4f4f4; padding: .1em .3em } svg { max-width: 100%; height: auto }
svg text { font-size: 11px; fill: #555 } .grid { stroke: #eee }
#silent { color: #b00; display: none }
"""
# A sweeper that was killed cannot say so itself.
_SILENT = """<p id='silent'>Nothing new for minutes: the search was killed or cannot write.
The same command with <code>hydra.sweeper.study_name={name}</code> goes on.</p><script>
if (Date.now() / 1000 - {now:.0f} > {seconds:.0f})
  document.getElementById('silent').style.display = 'block';
</script>"""


class LivePage:
    """
    Writes the page of a running search now and then.

    :param ledger: books trials
    :param settings: of the sweeper
    :param config: of a trial
    :param sweep_dir: folder of the sweep
    """

    def __init__(
        self, ledger: Ledger, settings: Settings, config: DictConfig, sweep_dir: Path
    ) -> None:
        self._ledger, self._settings = ledger, settings
        self._config, self._sweep_dir = config, sweep_dir
        self._started = time.monotonic()
        self._next = self._started if len(settings.directions) == 1 else float("inf")
        self._n_before = self._n_done()

    def _n_done(self) -> int:
        return sum(trial.state.is_finished() for trial in self._ledger.trials)

    def update(self, sweep: Sweep) -> None:
        """
        Write the page, if it is time to.

        :param sweep: running
        """
        now = time.monotonic()
        if now < self._next:
            return
        news = self._news(sweep, now)
        known = (self._ledger, self._settings, self._config, self._sweep_dir)
        text = page_of(summary_of(*known, news, ""), self._settings.page_seconds)
        atomic_write_text(self._sweep_dir / SEARCH_PAGE, text)
        took = time.monotonic() - now
        self._next = now + max(self._settings.page_seconds, took / _MOST_OF_THE_TIME)

    def _news(self, sweep: Sweep, now: float) -> str:
        n_done, n_trials = self._n_done(), sweep.limits.n_trials
        n_here = n_done - self._n_before
        left = "the time left is not known yet"
        if n_here:
            seconds = (now - self._started) / n_here * max(0, n_trials - n_done)
            left = f"about {seconds / 60:.0f} min left"
        best = self._settings.race.best(self._ledger.contenders())
        verified = "none yet" if best is None else f"trial {best.number}"
        idle = sweep.workload.idle_share(sweep.executor.now())
        return (
            f"{n_done} of {n_trials} trials are done, {len(sweep.running)} runs go on, {left}; "
            f"verified: {verified}. Workers were idle {idle:.1%} of the time."
        )


def page_of(summary: Summary, refresh_seconds: float) -> str:
    """
    Write the page of a search; it needs nothing but itself, and films.

    :param summary: of the search
    :param refresh_seconds: after which a browser reads a page anew that is not the last
    """
    name, now = escape(summary.name), time.time()
    refresh = f"<meta http-equiv='refresh' content='{refresh_seconds:g}'>"
    silence = _SILENT.format(name=name, now=now, seconds=max(_SILENCE_SECONDS, 4 * refresh_seconds))
    return "\n".join(
        [
            f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{name}</title>",
            "" if summary.is_over else refresh,
            f"<style>{_STYLE}</style><h1>{name}</h1>",
            f"<p><b>{'The search is over.' if summary.is_over else 'The search runs.'}</b> "
            f"{escape(' '.join(summary.sentences))} "
            f"<small>{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(now))}</small></p>",
            "" if summary.is_over else silence,
            _curves(summary),
            _table(summary),
            f"<p>{escape(summary.rules)}</p>",
            _slices(summary),
            _best_film(summary),
            f"<h2>Command</h2><p><code>{escape(summary.command)}</code></p></html>",
        ]
    )


def _curves(summary: Summary) -> str:
    """Draw what the runs have reported, epoch by epoch."""
    drawn = []
    for row in summary.rows:
        if row.curve:
            kind = _kind(row.trial, summary.best)
            epochs, values = zip(*row.curve, strict=True)
            title = f"trial {row.cells[0]}, {row.cells[1]}: {row.cells[5]}"
            drawn.append((kind, Series(epochs, values, kind, title, width=3 - (kind == _OTHER))))
    if not drawn or summary.metric is None:
        return ""
    order = (_OTHER, _RUNNING, _BEST)
    series = [one for _, one in sorted(drawn, key=lambda pair: order.index(pair[0]))]
    y_range = (-0.02, 1.02) if summary.metric in SUCCESS_KEYS else None
    return (
        f"<h2>Curves</h2>{chart(series, 'epoch', summary.metric, y_range=y_range)}"
        f"<p><small><span style='color: {_BEST}'>the best trial</span>, <span style='color: "
        f"{_RUNNING}'>trials that run</span>, <span style='color: #888'>others</span></small></p>"
    )


def _kind(trial: FrozenTrial, best: int | None) -> str:
    if trial.number == best:
        return _BEST
    return _RUNNING if trial.state is TrialState.RUNNING else _OTHER


def _table(summary: Summary) -> str:
    has_films = any(row.film is not None for row in summary.rows)
    headings = [*_HEADINGS[:5], "parameters", *(["film"] if has_films else [])]
    lines = [f"<tr>{''.join(f'<th>{text}</th>' for text in headings)}</tr>"]
    for row in summary.rows:
        cells = [escape(text) for text in row.cells]
        if has_films:
            cells.append("" if row.film is None else f"<a href='{quote(row.film)}'>film</a>")
        is_best = " class='best'" if row.trial.number == summary.best else ""
        lines.append(f"<tr{is_best}>{''.join(f'<td>{text}</td>' for text in cells)}</tr>")
    return f"<h2>Trials</h2><table>{''.join(lines)}</table>"


def _slices(summary: Summary) -> str:
    """Draw the score over each parameter."""
    scored = [row for row in summary.rows if _is_scored(row.trial)]
    if len(scored) < 2:
        return ""
    trials = [row.trial for row in scored]
    pictures = [
        _slice(key, [one for one in trials if key in one.params], summary)
        for key in trials[0].params
    ]
    return f"<h2>Score by parameter</h2>{''.join(pictures)}"


def _slice(key: str, trials: Sequence[FrozenTrial], summary: Summary) -> str:
    share = f" (importance {summary.shares[key]:.0%})" if key in summary.shares else ""
    values = [one.params[key] for one in trials]
    chosen = trials[0].distributions[key]
    names = None
    if isinstance(chosen, CategoricalDistribution):
        names = [str(choice) for choice in chosen.choices]
        values = [chosen.choices.index(value) for value in values]
    series = [
        Series(
            [x], [float(one.value or 0)], _kind(one, summary.best), f"trial {one.number}", False, 3
        )
        for x, one in zip(values, trials, strict=True)
    ]
    return chart(
        series,
        f"{key}{share}",
        "score",
        size=(440, 240),
        log_x=bool(getattr(chosen, "log", False)),
        names=names,
    )


def _is_scored(trial: FrozenTrial) -> bool:
    return trial.state is TrialState.COMPLETE and abs(trial.value or 0) < float("inf")


def _best_film(summary: Summary) -> str:
    row = next((one for one in summary.rows if one.trial.number == summary.best), None)
    if row is None or row.film is None or not summary.is_over:
        return ""
    film = quote(row.film)
    shown = f"<video controls muted src='{film}'></video>"
    if film.endswith(".gif"):
        shown = f"<img src='{film}' alt='film'>"
    return f"<h2>Film of the best trial</h2>{shown}"
