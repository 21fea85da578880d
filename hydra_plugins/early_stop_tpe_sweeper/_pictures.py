"""The report's pictures, drawn by Optuna."""

import logging
from html import escape
from pathlib import Path

import optuna
from optuna.trial import TrialState

log = logging.getLogger(__name__)

HTML = "report.html"
_FEWEST_TRIALS = 4


def importances(study: optuna.Study) -> dict[str, float]:
    """
    Weigh the parameters.

    :param study: of one objective
    :return: shares by key, largest first; empty if there is too little to tell
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    values = {trial.value for trial in complete}
    if len(complete) < _FEWEST_TRIALS or len(values) < 2:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    try:
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))
    except (RuntimeError, ValueError) as error:
        log.info("no importances: %s", error)
        return {}


def write_html(sweep_dir: Path, study: optuna.Study, text: str) -> list[str]:
    """
    Write the report with its pictures.

    :param sweep_dir: folder of the sweep
    :param study: of one objective
    :param text: of the report
    :return: names of the files written
    """
    from optuna import visualization

    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    pictures = []
    if len(complete) >= _FEWEST_TRIALS:
        pictures = [
            visualization.plot_optimization_history(study),
            visualization.plot_parallel_coordinate(study),
            visualization.plot_slice(study),
            visualization.plot_intermediate_values(study),
        ]
    bodies = [
        figure.to_html(full_html=False, include_plotlyjs="directory" if number == 0 else False)
        for number, figure in enumerate(pictures)
    ]
    page = (
        f"<!doctype html><meta charset='utf-8'><title>{escape(study.study_name)}</title>"
        f"<body style='font-family: sans-serif; max-width: 75em; margin: auto'>"
        f"<pre style='white-space: pre-wrap'>{escape(text)}</pre>" + "".join(bodies)
    )
    (sweep_dir / HTML).write_text(page, encoding="utf-8")
    if not bodies:
        return [HTML]
    from plotly.offline import get_plotlyjs

    (sweep_dir / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
    return [HTML, "plotly.min.js"]
