"""Make the evaluator that a config names."""

from omegaconf import DictConfig

from experiment.evaluation.evaluation import EvaluationEnv
from interface.instantiation import instantiate, target_of
from interface.learner import Evaluator
from interface.parameters import checked_arguments
from interface.signatures import accepted


def check_evaluator(cfg: DictConfig) -> None:
    """
    Check every parameter that reaches the evaluator.

    :param cfg: the main config
    :raises UserError: for an evaluator or a parameter that there is not, or a wrong value
    """
    checked_arguments({"evaluator": cfg.evaluator}, {"evaluator": target_of(cfg.evaluator)})


def make_evaluator(cfg: DictConfig, env: EvaluationEnv | None) -> Evaluator:
    """
    Make the evaluator: it is given what it names of environment and number of episodes.

    :param cfg: the main config; what its node says itself is not given
    :param env: for evaluations, None for a run without environments
    :raises UserError: if it refuses its arguments
    """
    offered = {"env": env, "n_episodes": cfg.n_test_rollouts}
    given = accepted(target_of(cfg.evaluator), offered).items()
    evaluator: Evaluator = instantiate(
        cfg.evaluator, **{name: value for name, value in given if name not in cfg.evaluator}
    )
    return evaluator
