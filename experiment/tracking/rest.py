"""Send what a run could not send, or all of it to a store that does not have it."""

import time
from dataclasses import replace
from pathlib import Path

from experiment.run_folder.run_directory import load_config
from experiment.tracking.delivery import Delivery, Target, first_line
from experiment.tracking.journal import Journal
from interface.errors import UserError
from interface.run_files import CONFIG
from util.process_identity import is_dead


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
        delivery.client.set_tag(str(delivery.run_id), "run_dir", str(run_dir))
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"the tracking store does not take it now: {first_line(error)}") from error
    finally:
        journal.close()
    return sum(1 for _ in journal.records())


def _target(run_dir: Path, journal: Journal) -> Target:
    start, has_ended = None, False
    for record in journal.records():
        if record["kind"] == "start":
            start, has_ended = record, False
        has_ended |= record["kind"] == "end"  # a sample of the machine may come after it
    if start is None:
        return _target_before_starts(run_dir)
    if not has_ended and not is_dead(start["process"]):
        raise UserError(f"{run_dir} is running ({start['process']}) and sends its records itself")
    return _where_it_is(run_dir, Target.of(start))


def _where_it_is(run_dir: Path, target: Target) -> Target:
    """Take the store of this clone for a run that came from another and named none."""
    if not (run_dir / CONFIG).exists():
        return target
    tracking = load_config(run_dir).tracking
    uri = tracking.get("uri")
    if uri in (None, target.uri):
        return target
    location = None if uri.startswith("http") else tracking.artifact_location
    # its search stayed where it was
    return replace(target, uri=uri, artifact_location=location, sweep_dir=None)


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
