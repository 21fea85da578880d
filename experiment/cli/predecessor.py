"""Answer the commands of this project's predecessor with today's spelling."""

import re

# pattern of one override -> what to write today
_TODAY = (
    (
        r"env=(Fetch\w+)-v[0-3]$",
        "{0} is gone with the mujoco-py bindings; write env={1}-v4",
    ),
    (
        r"env=((?:Hand|Adroit)\w+)-v0$",
        "{0} is gone with the mujoco-py bindings; train.py --help lists today's ids",
    ),
    (
        r"(?:algorithm\.)?layer_classes=.*(?:sacvg|SACVG).*",
        "{0}: sacvg is sac today; write algorithm.layer_classes=[sac]",
    ),
    (
        r"layer_classes=(.*)",
        "{0}: layers belong to the algorithm; write algorithm.layer_classes={1}",
    ),
    (
        r"algorithm=her2",
        "{0}: her2 is her today; write algorithm=her algorithm.layer_classes=[sac]",
    ),
    (
        r"algorithm=sacvg",
        "{0}: sacvg is sac today; write algorithm=sac",
    ),
    (
        r"algorithm\.render_(?:test|train)=(.*)",
        "{0}: films are no matter of the algorithm; write render=record, display or none",
    ),
    (
        r"algorithm\.render_every_n_eval=(.*)",
        "{0}: write render.every_n_epochs={1}",
    ),
)


def todays_spelling(override: str) -> str | None:
    """
    Translate an override of the predecessor.

    :param override: one argument of the command line
    :return: one sentence with today's spelling, None if the override is none of the predecessor's
    """
    for pattern, answer in _TODAY:
        match = re.fullmatch(pattern, override)
        if match:
            return answer.format(override, *match.groups())
    return None
