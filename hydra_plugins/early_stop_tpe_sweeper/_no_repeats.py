"""A sampler that tries each configuration of a finite space before it tries one again."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

Space = dict[str, BaseDistribution]

_N_PROPOSALS = 10  # of the sampler; then chance decides


class NoRepeats(BaseSampler):
    """
    Asks another sampler again while it proposes what was tried.

    :param sampler: proposes
    :param space: that is searched
    """

    def __init__(self, sampler: BaseSampler, space: Mapping[str, BaseDistribution]) -> None:
        self._sampler = sampler
        self._space = dict(space)
        self._size = math.prod(map(n_values, space.values()))
        self._rng = np.random.default_rng(getattr(sampler, "_seed", None))

    def reseed_rng(self) -> None:
        """Let the sampler propose other values than another one with the same seed."""
        self._sampler.reseed_rng()
        self._rng = np.random.default_rng()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Space:
        """Take all parameters together: only whole configurations repeat."""
        return self._space if self._size < math.inf else self._inner_space(study, trial)

    def _inner_space(self, study: Study, trial: FrozenTrial) -> Space:
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: Space) -> Space:
        """Propose a configuration that was not tried, if there is one."""
        if self._size == math.inf:
            return self._sampler.sample_relative(study, trial, search_space)
        tried = {self._key(params) for params in _tried(study, trial)}
        for params in self._proposals(study, trial):
            if len(tried) >= self._size or self._key(params) not in tried:
                return params
        while self._key(params) in tried:
            params = {key: self._any(one) for key, one in self._space.items()}
        return params

    def _proposals(self, study: Study, trial: FrozenTrial) -> Iterator[dict[str, Any]]:
        fixed = trial.system_attrs.get("fixed_params", {})
        inner = self._inner_space(study, trial)
        for _ in range(_N_PROPOSALS):
            params = self._sampler.sample_relative(study, trial, inner)
            for key, one in self._space.items():
                if key not in params:
                    params[key] = self._sampler.sample_independent(study, trial, key, one)
            yield params | fixed
            if fixed.keys() >= self._space.keys():
                break

    def _any(self, distribution: BaseDistribution) -> Any:
        low = distribution.low if not isinstance(distribution, CategoricalDistribution) else 0  # type: ignore[attr-defined]
        step = getattr(distribution, "step", None) or 1
        number = int(self._rng.integers(int(n_values(distribution))))
        return distribution.to_external_repr(low + number * step)

    def _key(self, params: Mapping[str, Any]) -> tuple[float, ...]:
        return tuple(
            round(one.to_internal_repr(params[key]), 12) if key in params else math.nan
            for key, one in self._space.items()
        )

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        """Let the sampler propose one value."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Tell the sampler."""
        self._sampler.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        """Tell the sampler."""
        self._sampler.after_trial(study, trial, state, values)


def n_values(distribution: BaseDistribution) -> float:
    """
    Count the values of a distribution.

    :param distribution: of one parameter
    :return: infinity if they lie dense
    """
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    if distribution.step is None:
        return math.inf
    return round((distribution.high - distribution.low) / distribution.step) + 1


def _tried(study: Study, trial: FrozenTrial) -> list[dict[str, Any]]:
    """List what was tried, runs, or is queued, but for this trial."""
    others = (one for one in study.get_trials(deepcopy=False) if one.number != trial.number)
    return [one.system_attrs.get("fixed_params", {}) | one.params for one in others]
