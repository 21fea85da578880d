"""Tell in one or two lines what Hydra did not understand, and what was probably meant."""

import re
from collections.abc import Sequence

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from experiment.cli.config_groups import composed, groups_of, keys_of, keys_of_hydra
from interface.environment_ids import missing_simulators
from util.nearest_name import nearest_name

_MOST_OPTIONS = 12
_GROUPS_OF_HYDRA = ("hydra/launcher", "hydra/sweeper", "hydra/sweeper/sampler")
# what Hydra says -> what is meant
_SENTENCES = (
    ("Error resolving interpolation '\\${env}", "env= and algorithm= must each name one"),
    (
        "Ambiguous value for argument '([^']*)'",
        "{0} has several values: write [...] for a list, or add --multirun for a search",
    ),
    ("Could not append .* already at '(.*)'", "{0} is there already; write {0}=... without +"),
)
# what OmegaConf says of a key -> what is meant
_REASONS = (
    ("is not a ListConfig", "must be a list, e.g. [a,b]"),
    ("is not a subclass of", "has keys of its own, and is no value itself; see --help"),
    ("incompatible container", "is a list here, or a mapping, and cannot become the other"),
    ("does not support deletion", "is needed and cannot be deleted; give it another value"),
)
_NAMES_OF_SB3 = {
    "features_extractor_class": "network/encoder=cnn, or e.g. "
    "network.encoder='{_target_: my_package.MyExtractor, _partial_: true, features_dim: 64}'",
    "features_extractor_kwargs": "a part of that: network.encoder.features_dim=64",
    "optimizer_class": "e.g. policy.optimizer='{_target_: torch.optim.AdamW, _partial_: true}'",
    "optimizer_kwargs": "a part of that: policy.optimizer='{_target_: torch.optim.AdamW, "
    "_partial_: true, weight_decay: 0.01}'",
    "policy_kwargs": "policy.net_arch, policy.activation_fn, policy.optimizer and network/encoder",
    "callback": "e.g. callbacks='[{_target_: my_package.MyCallback}]'",
    "replay_buffer_class": "e.g. algorithm.sampler='{_target_: baselines_ext.Hindsight}'",
    "eval_freq": "eval_after_n_steps",
    "n_eval_episodes": "n_test_rollouts",
}


def explain(error: HydraException, config_name: str, arguments: list[str]) -> str:
    """
    Turn an error of the composition into one sentence for the user.

    :param error: what Hydra raised
    :param config_name: of the app
    :param arguments: of the command line
    """
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return _missing_config(error.missing_cfg_file, list(error.options or []))
    if isinstance(error, OverrideParseException):
        reason = error.message.splitlines()[-2 if "\nSee " in error.message else -1]
        return f"cannot read {error.override!r}: {reason.partition(' expecting')[0]}"
    if found := re.match(r"In '(.+)': \w+ raised while composing", str(error)):
        _, _, elsewhere = found[1].partition("//")  # preset=/a/file
        file = f"/{elsewhere}" if elsewhere else f"{found[1]}.yaml"
        return f"{file}: {_what_is_wrong(error.__context__, config_name, [], error)}"
    return _what_is_wrong(error.__cause__, config_name, arguments, error)


def _what_is_wrong(
    cause: BaseException | None, config_name: str, arguments: list[str], error: HydraException
) -> str:
    """Read what OmegaConf says, or else Hydra; arguments: with which the config can be composed."""
    if isinstance(cause, OmegaConfBaseException):
        first_line = str(cause).splitlines()[0]
        if re.match(r"Key '.*' (is )?not in ", first_line):
            return _unknown_key(str(cause.full_key), config_name, arguments)
        return f"{cause.full_key}{_in_our_words(first_line)}"
    first_line = str(error).strip().partition("\n")[0]
    for pattern, words in _SENTENCES:
        if found := re.match(pattern, first_line):
            return words.format(*found.groups())
    missing = re.match(r"Could not (?:delete from config\.|override|delete) '([^'=]+)", first_line)
    if missing is None or missing[1] in groups_of(config_name):
        return first_line
    return _unknown_key(missing[1], config_name, arguments)


def _in_our_words(reason: str) -> str:
    for pattern, words in _REASONS:
        if re.search(pattern, reason):
            return f" {words}"
    return f": {reason}"


def _missing_config(path: str, options: list[str]) -> str:
    group, _, name = path.rpartition("/")
    if not group:
        return f"there is no config {name!r}"
    close = nearest_name(name, options)
    alike = options if len(options) <= _MOST_OPTIONS else _alike(name, options)
    if close:
        more = f"; did you mean {group}={close}?"
    elif alike:
        more = f"; there are: {', '.join(alike)}"
    else:
        more = f"; --help lists the {len(options)} that exist"
    missing = missing_simulators() if group == "env" else ""
    return f"unknown {group} {name!r}{more}" + (f"; {missing}" if missing else "")


def _alike(name: str, options: list[str]) -> list[str]:
    stem = re.split(r"[-_]", name)[0].lower()[:5]
    alike = [option for option in options if stem and option.lower().startswith(stem)]
    return alike[:_MOST_OPTIONS]


def _unknown_key(key: str, config_name: str, arguments: list[str]) -> str:
    last = key.rsplit(".", 1)[-1]
    if last in _NAMES_OF_SB3:
        return f"unknown key {key!r}; what SB3 calls {last} is here {_NAMES_OF_SB3[last]}"
    if key.startswith("reward.") and not any("reward=" in given for given in arguments):
        return f"unknown key {key!r}: reward=none has no values; choose one first, see --help"
    if "/" in key:
        known = [*groups_of(config_name), *_GROUPS_OF_HYDRA]
        close = nearest_name(key, known)
    elif key.startswith("hydra."):
        close = nearest_key(key, keys_of_hydra(config_name))
    else:
        close = nearest_key(key, keys_in_use(config_name, arguments))
    return f"unknown key {key!r}" + (f"; did you mean {close}?" if close else "")


def nearest_key(wrong: str, known: Sequence[str]) -> str | None:
    """
    Find the key that was probably meant by its last part, wherever in the config it is.

    :param wrong: what was typed
    :param known: what exists, those in use first
    :return: None if no key's last part comes near
    """
    parent, _, last = wrong.rpartition(".")
    by_last_part: dict[str, list[str]] = {}
    for key in known:
        by_last_part.setdefault(key.rpartition(".")[2], []).append(key)
    near = nearest_name(last, by_last_part)
    if near is None:
        return None
    parents = {*parent.split(".")}
    return max(by_last_part[near], key=lambda key: len(parents & {*key.split(".")}))


def keys_in_use(config_name: str, arguments: Sequence[str]) -> list[str]:
    """
    List the keys of the config as it would be with the chosen groups alone.

    :param config_name: of the command
    :param arguments: of the command line
    """
    cfg = composed(config_name, arguments)
    in_use = tuple(OmegaConf.select(cfg, "algorithm.layer_classes") or ())
    extra = ["total_timesteps"] if config_name == "main" else []
    # those of other learners last: to change them is an error
    return [*sorted(keys_of(cfg), key=lambda path: _is_of_a_learner_but(in_use, path)), *extra]


def _is_of_a_learner_but(in_use: Sequence[str], path: str) -> bool:
    match = re.match(r"algorithm\.learners\.(\w+)", path)
    return match is not None and match[1] not in in_use
