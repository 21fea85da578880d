"""
Draw learning curves of several runs each: every seed thin, their mean thick.

``python tests/benchmarks/hac_curves.py out.png "flat HER=data/flat/*/*/*" "HAC=data/hac/*/*/*"``
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiment.run_folder.metric_history import read_csv


def curves(pattern: str, column: str) -> tuple[np.ndarray, np.ndarray]:
    """
    Read runs; one that stopped early keeps its last value, since it was good enough.

    :param pattern: of run folders
    :param column: of their evaluations
    :return: steps (E,) and values (runs, E)
    """
    paths = sorted(Path().glob(pattern))
    histories = [read_csv(path / "evaluations.csv").epochs for path in paths]
    longest = max(histories, key=len)
    values = [[epoch.values[column] for epoch in epochs] for epochs in histories]
    filled = [each + [each[-1]] * (len(longest) - len(each)) for each in values]
    return np.array([epoch.step for epoch in longest]), np.array(filled)


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("series", nargs="+", help="label=pattern of run folders")
    parser.add_argument("--column", default="eval/success_ever")
    parser.add_argument("--title", default="")
    arguments = parser.parse_args()
    figure, axes = plt.subplots(figsize=(6, 3.5))
    for index, series in enumerate(arguments.series):
        label, _, pattern = series.partition("=")
        steps, values = curves(pattern, arguments.column)
        axes.plot(steps, values.T, color=f"C{index}", alpha=0.25, linewidth=1)
        label = f"{label} ({len(values)} seeds)"
        axes.plot(steps, values.mean(axis=0), color=f"C{index}", linewidth=2, label=label)
    axes.set(xlabel="environment steps", ylabel=arguments.column, title=arguments.title)
    axes.set_ylim(-0.03, 1.03)
    axes.legend()
    figure.savefig(arguments.out, dpi=100, bbox_inches="tight")


if __name__ == "__main__":
    main()
