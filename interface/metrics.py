"""The keys of the metrics that every run logs."""

EVAL_SUCCESS_RATE = "eval/success_rate"
"""Share of test episodes whose last step was a success, in [0, 1]."""

EVAL_SUCCESS_EVER = "eval/success_ever"
"""Share of test episodes with a success at any step, in [0, 1]."""

EVAL_RETURN = "eval/return"
"""Mean undiscounted return of the test episodes, in the env's own reward."""

EVAL_LENGTH = "eval/length"
"""Mean number of steps of the test episodes."""

EVAL_GOAL_DISTANCE = "eval/goal_distance"
"""Mean distance to the goal at the last step, in the env's goal unit (Fetch: metres)."""

SUCCESS_KEYS = (EVAL_SUCCESS_RATE, EVAL_SUCCESS_EVER)
"""Shares of episodes that succeed."""

EVAL_KEYS = (
    EVAL_SUCCESS_RATE,
    EVAL_SUCCESS_EVER,
    EVAL_RETURN,
    EVAL_LENGTH,
    EVAL_GOAL_DISTANCE,
)
