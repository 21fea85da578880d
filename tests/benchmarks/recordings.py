"""
Record what runs compute, to see that rearranging changes nothing.

``python tests/benchmarks/recordings.py REPOSITORY FILE`` trains a run of each kind with the sources
of a checkout, and writes a digest of its evaluations, training metrics and weights. Where the file
is there already, it is compared: exit code 1 if a run differs. Digests hold on one machine.
"""

import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TINY = [
    "policy=small",
    "preset=none",
    "tracking=none",
    "tensorboard=false",
    "n_threads=1",
    "seed=1",
    "n_epochs=3",
    "eval_after_n_steps=137",  # in mid-episode
    "n_test_rollouts=2",
    "early_stop_threshold=1.1",
]
EAGER = ["overlap=false", "update=eager"]
REACH, DISCRETE = "env=PointReach-v0", "env=PointReachDiscrete-v0"
PPO = [REACH, "update=eager", "algorithm=ppo", "algorithm.n_steps=64", "algorithm.batch_size=32"]
TQC, DQN = [REACH, "algorithm=tqc", "overlap=false"], [DISCRETE, "algorithm=dqn", "overlap=false"]
HER = [REACH, *EAGER, "algorithm=her", "algorithm.learners.sac.learning_starts=50"]
HAC = [
    REACH,
    *EAGER,
    "algorithm=hac",
    "algorithm.time_scales=[-1,5]",
    "algorithm.learners.sac.learning_starts=50",
]
THREE = ["env.n_envs=3"]
KINDS = {
    **{name: [REACH, *EAGER, f"algorithm={name}"] for name in ("sac", "td3", "ddpg")},
    **{f"{name}, 3": [REACH, *EAGER, f"algorithm={name}", *THREE] for name in ("sac", "td3")},
    **{"tqc": TQC, "dqn": DQN, "ppo": PPO, "her": HER, "hac": HAC},
    **{"tqc, 3": [*TQC, *THREE], "dqn, 3": [*DQN, *THREE], "ppo, 3": [*PPO, *THREE]},
    **{"her, 3": [*HER, *THREE], "hac, 3": [*HAC, *THREE]},
    "her, native": [*HER, "update=native"],
    "hac, native": [*HAC, "update=native"],
    "ppo, native": [*PPO, "update=native"],
    "td3, native": [REACH, *EAGER, "algorithm=td3", "update=native"],
    "her, compile": [*HER, "update=compile"],
    "her over td3": [REACH, *EAGER, "algorithm=her", "algorithm.layer_classes=[td3]"],
    "her over dqn": [*DQN, "algorithm=her", "algorithm.layer_classes=[dqn]"],
    "her, overlapped": [*HER, "overlap=true"],
    "hac, overlapped, 3": [*HAC, *THREE, "overlap=true"],
    "her, subprocesses": [*HER, *THREE, "env.subprocesses=true"],
    "sac, normalised": [REACH, *EAGER, "algorithm=sac", "normalize.reward=true"],
    "her, inputs, candidates": [
        *HER,
        "algorithm.learners.sac.normalize_inputs=true",
        "algorithm.n_candidates=3",
    ],
    "hac, FetchReach": [*HAC, "env=FetchReach-v4"],
    "her, FetchReach": [*HER, "env=FetchReach-v4"],
}
RESTORED = {"her, restored": HER, "hac, restored": [*HAC, *THREE]}


def train(repository: Path, overrides: list[str]) -> None:
    once = list({text.partition("=")[0]: text for text in overrides}.values())
    words = [sys.executable, "experiment/train.py", *once]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        words, cwd=repository, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def digest(run_dir: Path) -> str:
    """Hash all that a run computed; not how long it took."""
    content: list[object] = [json.loads((run_dir / "result.json").read_text())["weights_sha256"]]
    for name in ("evaluations.csv", "progress.csv"):
        with (run_dir / name).open(encoding="utf-8", newline="") as file:
            rows = [
                sorted((key, value) for key, value in row.items() if not key.startswith("time/"))
                for row in csv.DictReader(file)
            ]
        content.append(rows)
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def record(repository: Path, name: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        if name in RESTORED:
            first = [*TINY, *RESTORED[name], f"hydra.run.dir={run_dir}", "n_epochs=1"]
            train(repository, first)
            train(repository, [f"restore={run_dir}", "n_epochs=3", "early_stop_threshold=1.1"])
        else:
            train(repository, [*TINY, *KINDS[name], f"hydra.run.dir={run_dir}"])
        return digest(run_dir)


def main() -> None:
    repository, path = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    before = json.loads(path.read_text()) if path.exists() else None
    now, different = {}, 0
    for name in [*KINDS, *RESTORED]:
        now[name] = record(repository, name)
        if before is not None and name in before:
            different += before[name] != now[name]
            print(f"{name}: {'same' if before[name] == now[name] else 'DIFFERS'}", flush=True)
    if before is None:
        path.write_text(json.dumps(now, indent=1) + "\n")
    print(f"{len(now)} kinds of runs" + (f", {different} differ" if before else " recorded"))
    sys.exit(different > 0)


if __name__ == "__main__":
    main()
