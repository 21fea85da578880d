"""Somebody renamed a metric."""

from experiment.evaluation import evaluation

evaluation.EVAL_SUCCESS_RATE = "eval/successes"  # type: ignore[attr-defined]
