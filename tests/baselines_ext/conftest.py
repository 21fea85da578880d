"""What tests of algorithms share."""

from collections.abc import Iterator

import pytest
import torch as th


@pytest.fixture
def in_float64(monkeypatch) -> Iterator[None]:
    """Compute in float64, where rounding cannot hide a difference."""

    def as_they_are(observations, space, normalize_images=True):
        if isinstance(observations, dict):
            return {key: value.double() for key, value in observations.items()}
        return observations.double()

    monkeypatch.setattr("stable_baselines3.common.policies.preprocess_obs", as_they_are)
    before = th.get_default_dtype()
    th.set_default_dtype(th.float64)
    yield
    th.set_default_dtype(before)
