"""What all pictures look like: told apart by colour-blind readers, and in black and white."""

# Okabe and Ito's palette, the yellow left out: it is too pale on paper.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#7F7F7F")
DASHES = ("solid", "dashed", "dashdot", "dotted", (0, (5, 1)), (0, (3, 1, 1, 1)), "solid", "dashed")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

_TITLES = {"steps": "environment steps", "minutes": "minutes"}
BAND_OPACITY = 0.18


def axis_title(x: str) -> str:
    """
    Name the x axis.

    :param x: steps or minutes
    """
    return _TITLES[x]


def metric_title(metric: str) -> str:
    """
    Name a metric for an axis.

    :param metric: key, e.g. ``eval/success_rate``
    """
    folder, _, name = metric.rpartition("/")
    words = name.replace("_", " ")
    return words if folder == "eval" else f"{words} ({folder})"


def is_share(metric: str) -> bool:
    """
    Tell whether a metric lies between 0 and 1.

    :param metric: key
    """
    return "success" in metric
