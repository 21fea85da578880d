"""Put runs into groups that differ in nothing but the seed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from experiment.plotting.run_data import SHORT_NAMES, RunData, full_key
from interface.errors import UserError, unknown_name

_ALGORITHM = SHORT_NAMES["algorithm"]

Groups = dict[str, list[RunData]]


def selected(
    runs: Sequence[RunData],
    envs: Sequence[str],
    algorithms: Sequence[str],
    where: Sequence[str],
) -> list[RunData]:
    """
    Keep the runs that were asked for.

    :param runs: read
    :param envs: only these; empty: all
    :param algorithms: only these; empty: all
    :param where: only runs with these parameters, each as ``name:value``
    :raises UserError: if none is left, naming what there is
    """
    for kind, wanted, known in (
        ("env among the runs", envs, {run.env for run in runs}),
        ("algorithm among the runs", algorithms, {run.algorithm for run in runs}),
    ):
        for name in wanted:
            if name not in known:
                raise unknown_name(kind, name, known)
    kept = [
        run
        for run in runs
        if (not envs or run.env in envs)
        and (not algorithms or run.algorithm in algorithms)
        and all(_holds(run, condition) for condition in where)
    ]
    if not kept:
        raise UserError(f"none of {len(runs)} runs is asked for: where=[{','.join(where)}]")
    return kept


def _holds(run: RunData, condition: str) -> bool:
    name, colon, value = condition.partition(":")
    if not colon:
        raise UserError(f"where takes name:value, got {condition}")
    return _value(run, name) == value


def _value(run: RunData, name: str) -> str:
    key = full_key(name, run.params)
    return "none" if key is None else run.params[key]


def groups_of(runs: Sequence[RunData], by: str | Sequence[str], not_by: Sequence[str]) -> Groups:
    """
    Group runs by parameters.

    :param runs: of any environments
    :param by: names of parameters, see ``full_key``; ``auto``: the algorithm, and whatever differs
        between runs of one algorithm on one environment
    :param not_by: beginnings of the parameters that ``auto`` leaves out
    :return: by label, the labels in alphabetical order
    :raises UserError: if no run has a parameter of ``by``
    """
    groups: Groups = defaultdict(list)
    names = [] if by == "auto" else [by] if isinstance(by, str) else list(by)
    for name in names:
        if all(full_key(name, run.params) is None for run in runs):
            known = {key.rpartition(".")[2] for run in runs for key in run.params}
            raise unknown_name("parameter in by", name, known)
    differing = {} if names else _differing(runs, not_by)
    for run in runs:
        label = (
            " ".join(_part(name, _value(run, name)) for name in names)
            if names
            else _auto_label(run, differing[run.env, run.algorithm])
        )
        groups[label].append(run)
    return dict(sorted(groups.items()))


def _part(name: str, value: str) -> str:
    return value if name in SHORT_NAMES else f"{name.rpartition('.')[2]}={_shown(value)}"


def _shown(value: str) -> str:
    """Shorten numbers: a search draws them with sixteen digits."""
    try:
        return value if value.isdigit() else f"{float(value):.3g}"
    except ValueError:
        return value.replace('"', "")


def _differing(
    runs: Sequence[RunData], not_by: Sequence[str]
) -> dict[tuple[str, str], dict[str, str]]:
    """Find, for each environment and algorithm, the differing keys and short names for them."""
    alike: dict[tuple[str, str], list[RunData]] = defaultdict(list)
    for run in runs:
        alike[run.env, run.algorithm].append(run)
    return {pair: short_names(_telling(members, not_by)) for pair, members in alike.items()}


def _telling(runs: Sequence[RunData], not_by: Sequence[str]) -> list[str]:
    """
    Find the keys that tell runs apart.

    A class brings keys of its own. Of those that have the same value wherever they are, its name is
    kept, and others only if nothing else tells the same runs apart.
    """
    differing: list[str] = []
    of_some: list[str] = []
    for key in sorted({key for run in runs for key in run.params}):
        if key == _ALGORITHM or key.startswith(tuple(not_by)):
            continue
        if len({run.params[key] for run in runs if key in run.params}) > 1:
            differing.append(key)
        elif any(key not in run.params for run in runs):
            (differing if key.endswith("._target_") else of_some).append(key)
    for key in of_some:
        if _n_apart(runs, [*differing, key]) > _n_apart(runs, differing):
            differing.append(key)
    return sorted(differing)


def _n_apart(runs: Sequence[RunData], keys: Sequence[str]) -> int:
    return len({tuple(run.params.get(key) for key in keys) for run in runs})


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """
    Shorten keys to their last part, or their last two where that is not clear.

    :param keys: e.g. ``algorithm.learners.sac.gamma``
    """
    last = [key.rpartition(".")[2] for key in keys]
    return {
        key: name if last.count(name) == 1 else ".".join(key.split(".")[-2:])
        for key, name in zip(keys, last, strict=True)
    }


def _auto_label(run: RunData, differing: Mapping[str, str]) -> str:
    values = [
        f"{name}={_shown(run.params[key])}" for key, name in differing.items() if key in run.params
    ]
    return " ".join([run.algorithm, *values])
