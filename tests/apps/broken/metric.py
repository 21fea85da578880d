"""Somebody renamed a metric."""

from experiment import evaluation

evaluation.EVAL_SUCCESS_RATE = "eval/successes"  # type: ignore[attr-defined]
