"""
Do agents keep what they can in plain SB3? ``python tests/benchmarks/exported.py``.

Trains a preset's agent of each learner, plays 100 episodes with it here, and the same episodes in
a process that does not have this repository: by SB3's ``load`` of ``best_model.zip``, and of what
``evaluate.py export=`` wrote. Prints one row each; exit code 1 if one differs by more than 0.02
of success, or 2 % of return.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[0] = str(REPOSITORY)

from envs.episode_seeds import final_test_seeds  # noqa: E402

N_EPISODES = 100
FETCH = ["env=FetchReach-v4", "algorithm=her"]
SHORT = ["n_epochs=5", "eval_after_n_steps=1000"]
AGENTS = {
    "her over sac": ("SAC", FETCH),
    "her over td3": ("TD3", [*FETCH, "algorithm.layer_classes=[td3]"]),
    "her over ddpg": ("DDPG", [*FETCH, "algorithm.layer_classes=[ddpg]"]),
    "sac": ("SAC", ["env=Pendulum-v1", "algorithm=sac", *SHORT]),
    "td3": ("TD3", ["env=Pendulum-v1", "algorithm=td3", *SHORT]),
    "ddpg": ("DDPG", ["env=Pendulum-v1", "algorithm=ddpg", *SHORT]),
    "ppo": ("PPO", ["env=Pendulum-v1", "algorithm=ppo", "n_epochs=10"]),
    "dqn": ("DQN", ["env=CartPole-v1", "algorithm=dqn", "n_epochs=10"]),
}
PLAY = """
import json, sys
import gymnasium, gymnasium_robotics, numpy, stable_baselines3
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
gymnasium.register_envs(gymnasium_robotics)
path, statistics, env_id, learner, *seeds = sys.argv[1:]
model = getattr(stable_baselines3, learner).load(path, device="cpu")
env = gymnasium.make(env_id)
normalize = lambda seen: seen
if statistics:
    scaled = VecNormalize.load(statistics, DummyVecEnv([lambda: gymnasium.make(env_id)]))
    normalize = scaled.normalize_obs
successes, returns = [], []
for seed in seeds:
    seen, over, total, info = env.reset(seed=int(seed))[0], False, 0.0, {}
    while not over:
        seen, reward, terminated, truncated, info = env.step(
            model.predict(normalize(seen), deterministic=True)[0])
        total += float(reward)
        over = terminated or truncated
    successes.append(float(info.get("is_success", 0)))
    returns.append(total)
assert not any(name.split(".")[0] in ("baselines_ext", "experiment") for name in sys.modules)
print(json.dumps([numpy.mean(successes), numpy.mean(returns)]))
"""


def command(*words: str, cwd: Path = REPOSITORY) -> str:
    """Run Python outside or inside the repository, and return what it printed."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, *words], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)[:300]} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def there(path: Path, statistics: Path, learner: str, env_id: str) -> tuple[float, float]:
    """Play by plain SB3; return mean success and mean return."""
    seeds = [str(final_test_seeds(N_EPISODES)(episode)) for episode in range(N_EPISODES)]
    given = str(statistics) if statistics.is_file() else ""
    success, total = json.loads(
        command("-c", PLAY, str(path), given, env_id, learner, *seeds, cwd=path.parent)
    )
    return success, total


def compare(name: str, folder: Path) -> bool:
    """Train an agent, play it in three ways, and print a row; tell whether all are alike."""
    learner, overrides = AGENTS[name]
    run_dir, exported = folder / "run", folder / "policy.zip"
    fixed = ["seed=1", "n_threads=1", "overlap=false", "tracking=none", f"hydra.run.dir={run_dir}"]
    command("experiment/train.py", *overrides, *fixed)
    wanted = [f"run={run_dir}", f"n_episodes={N_EPISODES}", f"export={exported}", "trust=true"]
    command("experiment/evaluate.py", *wanted)
    summary = json.loads((run_dir / "test_best_model.json").read_text())
    here = summary.get("eval/success_rate", 0.0), summary["eval/return"]
    env_id = overrides[0].removeprefix("env=")
    best = there(run_dir / "best_model.zip", run_dir / "vecnormalize.pkl", learner, env_id)
    taken = there(exported, folder / "policy.vecnormalize.pkl", learner, env_id)
    by_success = env_id == "FetchReach-v4"
    alike = all(
        abs(one[0] - here[0]) <= 0.02 if by_success else abs(one[1] / here[1] - 1) <= 0.02
        for one in (best, taken)
    )
    success = "{:.2f}" if by_success else "-"  # others have none of their own
    cells = " | ".join(f"{success.format(one[0])} / {one[1]:.2f}" for one in (here, best, taken))
    print(f"| {name} | {env_id} | {cells} | {'equal' if alike else 'DIFFERS'} |", flush=True)
    return alike


def main() -> int:
    print("| agent | environment | success / return here | best_model.zip | export= | |")
    print("|---|---|---|---|---|---|", flush=True)
    alike = []
    for name in AGENTS:
        with tempfile.TemporaryDirectory() as folder:
            alike.append(compare(name, Path(folder)))
    return int(not all(alike))


if __name__ == "__main__":
    sys.exit(main())
