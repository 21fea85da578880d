"""Tell in one or two lines what Hydra did not understand, and what was probably meant."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from interface.environment_ids import missing_simulators
from interface.resolvers import REPOSITORY
from util.nearest_name import nearest_name

_MOST_OPTIONS = 12
_GROUPS = (
    "algorithm",
    "env",
    "policy",
    "network/encoder",
    "evaluator",
    "tracking",
    "render",
    "imports",
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
    "total_timesteps": "n_epochs times eval_after_n_steps",
    "eval_freq": "eval_after_n_steps",
    "n_eval_episodes": "n_test_rollouts",
}


def explain(error: HydraException, config_name: str, arguments: list[str]) -> str:
    """
    Turn an error of the composition into a message for the user.

    :param error: what Hydra raised
    :param config_name: of the app
    :param arguments: of the command line
    """
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return _missing_config(error.missing_cfg_file, list(error.options or []))
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException):
        first_line = str(cause).splitlines()[0]
        if re.match(r"Key '.*' (is )?not in ", first_line):
            return _unknown_key(str(cause.full_key), config_name, arguments)
        return f"{cause.full_key}: {first_line}"
    return str(error).strip()


def _missing_config(path: str, options: list[str]) -> str:
    group, _, name = path.rpartition("/")
    close = nearest_name(name, options)
    shown = options if len(options) <= _MOST_OPTIONS else _closest(name, options)
    listing = ", ".join(shown) + (", ..." if len(shown) < len(options) else "")
    question = f"; did you mean {group}={close}?" if close else ""
    missing = missing_simulators() if group == "env" else ""
    if missing:
        question += f"; {missing}"
    return f"unknown {group} {name!r}{question}\n{len(options)} exist: {listing}"


def _closest(name: str, options: list[str]) -> list[str]:
    stem = re.split(r"[-_]", name)[0].lower()[:5]
    alike = [option for option in options if option.lower().startswith(stem)]
    return (alike or options)[:_MOST_OPTIONS]


def _unknown_key(key: str, config_name: str, arguments: list[str]) -> str:
    last = key.rsplit(".", 1)[-1]
    if last in _NAMES_OF_SB3:
        return f"unknown key {key!r}; what SB3 calls {last} is here {_NAMES_OF_SB3[last]}"
    known = _keys_of_config(config_name, arguments)
    same_name = [name for name in known if name.rsplit(".", 1)[-1] == last]
    close = same_name[0] if same_name else nearest_name(key, known)
    if close is None:
        by_last_part = {name.rsplit(".", 1)[-1]: name for name in reversed(known)}
        nearest = nearest_name(last, by_last_part)
        close = by_last_part[nearest] if nearest else None
    question = f"; did you mean {close}?" if close else ""
    return f"unknown key {key!r}{question}"


def _keys_of_config(config_name: str, arguments: list[str]) -> list[str]:
    """List the keys of the config as it would be with the chosen groups alone."""
    overrides = [text for text in arguments if text.partition("=")[0] in _GROUPS]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(REPOSITORY / "conf")):
        cfg = compose(config_name, overrides=overrides)
    in_use = tuple(OmegaConf.select(cfg, "algorithm.layer_classes") or ())
    # those of other learners last: to change them is an error
    return sorted(_paths(cfg), key=lambda path: _is_of_a_learner_but(in_use, path))


def _is_of_a_learner_but(in_use: Sequence[str], path: str) -> bool:
    match = re.match(r"algorithm\.learners\.(\w+)", path)
    return match is not None and match[1] not in in_use


def _paths(node: Any, prefix: str = "") -> Iterator[str]:
    for key in node:
        path = f"{prefix}{key}"
        yield path
        child = node._get_node(key)
        if OmegaConf.is_dict(child) and not child._is_interpolation() and not child._is_none():
            yield from _paths(child, f"{path}.")
