"""Where training episodes go first, to see more of the world: a replaceable part."""

import numpy as np

from baselines_ext.hac.layer import Layer
from baselines_ext.replay.samplers import draw_rows


class ExplorationGoals:
    """
    Some training episodes first go to a place that was hardly ever reached.

    Only after it do they pursue the environment's goal. Of remembered goals, the one that the
    fewest others would count as reaching is taken: the edge of what is known (as in MEGA,
    arXiv 2007.02832, section 3, with the goals' own threshold in place of a density model).

    An episode that goes on after its goal stays there, and then most of what is remembered is
    of goals already reached; ``again`` spends that time on the way.

    :param share: of training episodes, in [0, 1]
    :param n_candidates: achieved goals to choose from
    :param n_compared: achieved goals that each is compared with
    :param again: whenever such an episode has reached the environment's goal, go to the edge once
        more, and come back
    """

    again = False  # of agents that were saved before it could be chosen

    def __init__(
        self,
        share: float = 0.5,
        n_candidates: int = 50,
        n_compared: int = 500,
        again: bool = False,
    ) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"exploration.share must be from 0 to 1, got {share}")
        if min(n_candidates, n_compared) < 1:
            raise ValueError(
                f"exploration.n_candidates and n_compared must be at least 1, got {n_candidates} "
                f"and {n_compared}"
            )
        self.share = share
        self.n_candidates = n_candidates
        self.n_compared = n_compared
        self.again = again

    def choose(self, layer: Layer, rng: np.random.Generator) -> np.ndarray | None:
        """
        Choose where an episode goes first, if it explores.

        :param layer: the highest
        :param rng: only source of randomness
        :return: (G,) or None: to the environment's goal
        """
        if self.share == 0 or rng.random() >= self.share:
            return None
        if layer.store.n_transitions < self.n_candidates:
            return None
        return self.edge(layer, rng)

    def edge(self, layer: Layer, rng: np.random.Generator) -> np.ndarray:
        """
        Find a place that was hardly ever reached.

        :param layer: the highest, with something remembered
        :param rng: only source of randomness
        :return: (G,)
        """
        achieved = layer.store.column("achieved_goal")
        candidates = achieved[draw_rows(layer.store, self.n_candidates, rng)]
        others = achieved[draw_rows(layer.store, self.n_compared, rng)]
        pairs = np.broadcast_arrays(others, candidates[:, None])  # one call: it may cross a pipe
        return candidates[layer.goals.reached(*pairs).sum(axis=1).argmin()]
