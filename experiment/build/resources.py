"""Which cores a run uses: one run all that help, many runs never more than there are."""

import os
import re
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf
from stable_baselines3 import DQN
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from interface.algorithm import AlgorithmSpec
from interface.errors import UserError
from util.slots import available_cpus

# More threads do not help networks of the usual size.
_MOST_THREADS = 4
# Multiplications in the largest matrix product of a gradient step from which threads pay.
_LARGE_PRODUCT = 4_000_000
# Of SB3's hidden layers: those of on-policy learners and of DQN, and those of all others.
_SMALL_WIDTH, _LARGE_WIDTH = 64, 256


@dataclass(frozen=True)
class Resources:
    """
    What a run uses.

    :param n_threads: of torch
    :param overlap: step the environment in a process of its own while torch computes
    """

    n_threads: int
    overlap: bool


def available_cores() -> int:
    """Count the cores that this process may run on, or that SLURM gave it without binding it."""
    given = os.environ.get("SLURM_CPUS_PER_TASK")
    n_cores = len(available_cpus())
    return n_cores if given is None else min(n_cores, int(given))


def resources_of(cfg: DictConfig, spec: AlgorithmSpec, n_cores: int) -> Resources:
    """
    Decide what ``auto`` means here.

    A run's share of the cores is ``n_cores / n_parallel_runs``. Large matrix products gain from up
    to four threads, small ones lose. Where a core is left, the environment steps on it meanwhile;
    a thread and an environment on one core would wait for each other.

    :param cfg: the main config
    :param spec: of its algorithm
    :param n_cores: of this machine
    :raises UserError: if overlap is wanted and impossible
    """
    can_overlap = spec.offers("overlap") and not cfg.env.exclusive
    share = max(1, n_cores // cfg.n_parallel_runs)
    if cfg.overlap is True and not can_overlap:
        raise UserError(f"overlap=true has no effect on {cfg.algorithm_name}")
    n_threads = cfg.n_threads
    if n_threads == "auto":
        spared = 1 if cfg.overlap is True or (share > 2 and can_overlap) else 0
        n_threads = min(share - spared, _MOST_THREADS) if _has_large_products(cfg, spec) else 1
    overlap = share > n_threads and can_overlap if cfg.overlap == "auto" else cfg.overlap
    return Resources(max(1, n_threads), overlap)


def _has_large_products(cfg: DictConfig, spec: AlgorithmSpec) -> bool:
    net_arch = OmegaConf.to_container(OmegaConf.create({"sizes": cfg.policy.net_arch}))
    sizes = [int(size) for size in re.findall(r"\d+", str(net_arch))]
    width = max(sizes or [_usual_width(spec.learner.target)])
    return bool(spec.learner.node.get("batch_size", 0) * width**2 >= _LARGE_PRODUCT)


def _usual_width(learner: Any) -> int:
    is_small = isinstance(learner, type) and issubclass(learner, OnPolicyAlgorithm | DQN)
    return _SMALL_WIDTH if is_small else _LARGE_WIDTH


def resolved(cfg: DictConfig, resources: Resources) -> DictConfig:
    """
    Copy a config with ``auto`` replaced by what was decided, so that a rerun decides the same.

    :param cfg: the main config
    :param resources: decided
    """
    decided: dict[str, Any] = {"n_threads": resources.n_threads, "overlap": resources.overlap}
    copy = OmegaConf.merge(cfg, decided)
    assert isinstance(copy, DictConfig)
    return copy
