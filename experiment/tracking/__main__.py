"""
Send what a run could not send, or all of it to a store that has lost it.

``python -m experiment.tracking <run directory>``; with ``--close-dead`` instead of a run, end the
runs in MLflow whose process was killed.
"""

import argparse
import sys
import time
from pathlib import Path

from experiment.run_folder.run_directory import find_run, load_config
from experiment.tracking.dead_runs import close_dead_runs
from experiment.tracking.delivery import Delivery, Target, first_line
from experiment.tracking.journal import Journal
from experiment.tracking.store import connect
from interface.errors import UserError
from interface.resolvers import REPOSITORY
from interface.run_files import RUN_ID
from util.process_identity import is_dead

_URI = f"sqlite:///{REPOSITORY}/mlflow.db"


def send_rest(run_dir: Path) -> int:
    """
    Send a run's journal; what the store has already does not come twice.

    :param run_dir: its folder
    :return: how many records the journal has
    :raises UserError: if the run was not tracked, still runs, or the store does not answer
    """
    if not (run_dir / "tracking.jsonl").exists():
        raise UserError(f"{run_dir} was not tracked: it has no tracking.jsonl")
    journal = Journal(run_dir)
    delivery = Delivery(run_dir, journal, _target(run_dir, journal))
    try:
        delivery.open()
        journal.rewind()
        delivery.send_all()
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"the tracking store does not take it now: {first_line(error)}") from error
    finally:
        journal.close()
    return sum(1 for _ in journal.records())


def _target(run_dir: Path, journal: Journal) -> Target:
    records = list(journal.records())
    starts = [record for record in records if record["kind"] == "start"]
    if not starts:
        return _target_before_starts(run_dir)
    if records[-1]["kind"] != "end" and not is_dead(starts[-1]["process"]):
        raise UserError(
            f"{run_dir} is running ({starts[-1]['process']}) and sends its records itself"
        )
    return Target.of(starts[-1])


def _target_before_starts(run_dir: Path) -> Target:
    """Make the target of a run whose journal is older than records of the kind start."""
    tracking = load_config(run_dir).tracking
    return Target(
        uri=tracking.uri,
        experiment=tracking.experiment_name,
        artifact_location=tracking.artifact_location,
        name=run_dir.name,
        journal=run_dir.name,
        time=int(1000 * time.time()),
        sweep_dir=None,
        search={},
        process="",
    )


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("run", nargs="?", help="a run's folder, its MLflow run id, or latest")
    which.add_argument(
        "--close-dead",
        nargs="?",
        const=_URI,
        metavar="URI",
        help="end the runs whose process on this host was killed (mlflow.db, or that store)",
    )
    options = parser.parse_args()
    try:
        if options.close_dead is not None:
            print(f"closed {close_dead_runs(connect(options.close_dead))} runs")  # noqa: T201
            return
        run_dir = find_run(options.run)
        n_records = send_rest(run_dir)
    except UserError as error:
        sys.exit(str(error))
    run_id = (run_dir / RUN_ID).read_text(encoding="utf-8").strip()
    print(f"the store has all {n_records} records of the run {run_id}")  # noqa: T201


if __name__ == "__main__":
    main()
