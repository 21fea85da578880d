"""The evaluator of agents: deterministic episodes, the same ones after each epoch."""

from collections.abc import Callable, Sequence

from experiment.evaluation.evaluation import EvaluationEnv, evaluate, summarize
from interface.abilities import Acts, MeasuresEvaluations
from interface.errors import UserError
from interface.learner import Learner
from interface.metrics import EVAL_KEYS


class Episodes:
    """
    Plays episodes, and asks the agent what else it has to say of them; an ``Evaluator``.

    :param env: where to play
    :param n_episodes: how many, at least 1
    """

    def __init__(self, env: EvaluationEnv, n_episodes: int) -> None:
        self._env = env
        self._n_episodes = n_episodes

    def keys(self, model: Learner) -> Sequence[str]:
        """
        List what episodes and the agent may tell.

        :param model: the agent
        :raises UserError: if it is none
        """
        if not isinstance(model, Acts):
            raise UserError(
                f"{type(model).__name__} has no predict, so it cannot be tested in episodes; "
                f"name an evaluator of its own: evaluator=..."
            )
        own = model.evaluation_keys() if isinstance(model, MeasuresEvaluations) else ()
        return [*EVAL_KEYS, *own]

    def evaluate(self, model: Acts, on_step: Callable[[], None]) -> dict[str, float]:
        """
        Play the episodes.

        :param model: the agent
        :param on_step: called after each step; may raise
        """
        metrics = summarize(evaluate(model, self._env, self._n_episodes, on_step=on_step))
        if isinstance(model, MeasuresEvaluations):
            metrics |= model.evaluation_metrics()
        return metrics
