"""Send what a run could not send: ``python -m experiment.tracking <run directory>``."""

import argparse
import sys
from pathlib import Path

from experiment.run_directory import find_run, load_config
from experiment.tracking.journal import Journal
from experiment.tracking.sender import send_all
from experiment.tracking.store import connect
from interface.errors import UserError
from interface.run_files import RUN_ID

_BATCH = 50


def send_rest(run_dir: Path) -> int:
    """
    Send the unsent records of a run.

    :param run_dir: its folder
    :return: how many records were sent
    :raises UserError: if the run was not tracked or the store does not answer
    """
    id_path = run_dir / RUN_ID
    if not id_path.exists():
        raise UserError(f"{run_dir} was not tracked: it has no {RUN_ID}")
    client = connect(load_config(run_dir).tracking.uri)
    journal = Journal(run_dir)
    n_sent = 0
    while not journal.is_sent():
        records, offset = journal.unsent(_BATCH)
        if not records:
            break  # a half-written last line of a killed run
        send_all(client, id_path.read_text(encoding="utf-8").strip(), run_dir, records)
        journal.mark_sent(offset)
        n_sent += len(records)
    journal.close()
    return n_sent


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="a run's folder, its MLflow run id, or latest")
    try:
        n_sent = send_rest(find_run(parser.parse_args().run))
    except UserError as error:
        sys.exit(str(error))
    print(f"sent {n_sent} records")  # noqa: T201


if __name__ == "__main__":
    main()
