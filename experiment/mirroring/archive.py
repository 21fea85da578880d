"""Write what is new in a run as one of Comet's offline archives."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiment.mirroring.memory import Contents

_CONSOLE = "train.log"
_PARENT = "mlflow.parentRunId"
_NAME = "mlflow.runName"
# They become Comet's own tags, which its table filters by.
_TAGS = ("env", "algorithm", "study", "status", "verified")


def write_archive(
    run_id: str, news: Contents, files: Mapping[str, Path], project: str, folder: Path
) -> Path:
    """
    Write an archive.

    :param run_id: of the run in MLflow, and of the experiment in Comet
    :param news: to write
    :param files: where the artifacts lie
    :param project: of Comet
    :param folder: empty, for the archive
    :return: the archive
    """
    experiment = _start(run_id, project, folder, news)
    if _NAME in news.tags:
        experiment.set_name(news.tags[_NAME])
    experiment.log_parameters(news.params)
    for key, value in news.tags.items():
        experiment.log_other(key, value)
    if _PARENT in news.tags:
        experiment.log_other("parent", news.tags[_PARENT])
    _log_points(experiment, news)
    for path in news.artifacts:
        experiment.log_asset(str(files[path]), file_name=path)
    if _CONSOLE in news.artifacts:
        _log_console(experiment, files[_CONSOLE])
    experiment.end()
    (archive,) = folder.glob("*.zip")
    return archive


def _start(run_id: str, project: str, folder: Path, news: Contents) -> Any:
    # Comet must not watch this process, nor see the key: an archive is for anyone to upload.
    os.environ["COMET_DISABLE_AUTO_LOGGING"] = "1"
    os.environ["COMET_ERROR_TRACKING_ENABLE"] = "false"
    os.environ.pop("COMET_API_KEY", None)
    import comet_ml

    logging.getLogger("comet_ml").setLevel(logging.WARNING)
    experiment = comet_ml.start(
        online=False,
        mode="get_or_create",
        experiment_key=run_id,
        project_name=project,
        experiment_config=comet_ml.ExperimentConfig(
            offline_directory=str(folder),
            tags=[f"{key}:{news.tags[key]}" for key in _TAGS if key in news.tags],
            log_code=False,
            log_graph=False,
            log_git_metadata=False,
            log_git_patch=False,
            log_env_details=False,
            auto_param_logging=False,
            auto_metric_logging=False,
            auto_output_logging=False,  # type: ignore[arg-type]
            parse_args=False,
            display_summary_level=0,
        ),
    )
    # At its end Comet would log how long this process took, as if that were the run's.
    experiment._log_metric = lambda *_, **__: None  # type: ignore[method-assign]
    return experiment


def _log_points(experiment: Any, news: Contents) -> None:
    """Give each point the time that MLflow knows; ``log_metric`` would take the present."""
    from comet_ml.messages import MetricMessage

    for key, points in news.points.items():
        for step, time, value in points:
            message = MetricMessage(timestamp=time)
            message.set_metric(key, value, step=step)  # type: ignore[no-untyped-call]
            experiment._enqueue_message(message)


def _log_console(experiment: Any, path: Path) -> None:
    from comet_ml.messages import StandardOutputMessage

    text = path.read_text(encoding="utf-8", errors="replace")
    written = int(1000 * path.stat().st_mtime)
    for line in text.splitlines(keepends=True):
        experiment._enqueue_message(StandardOutputMessage(output=line, timestamp=written))
