"""A training script of one file, as CleanRL's: flags, and a line of JSON for each evaluation."""

import argparse
import json
import math
import random
from pathlib import Path

ARMS = [0.2, 0.4, 0.6, 0.9]  # chance of a reward


def main() -> None:
    parser = argparse.ArgumentParser(description="REINFORCE on a bandit of four arms.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--baseline", type=float, default=0.0)
    parser.add_argument("--total-timesteps", type=int, default=2000)
    args = parser.parse_args()
    draw = random.Random(args.seed)
    logits = [0.0] * len(ARMS)
    folder = Path("runs") / f"bandit__{args.seed}"
    folder.mkdir(parents=True)
    with (folder / "metrics.jsonl").open("w", buffering=1) as file:
        for step in range(1, args.total_timesteps + 1):
            total = sum(map(math.exp, logits))
            policy = [math.exp(one) / total for one in logits]
            arm = draw.choices(range(len(ARMS)), policy)[0]
            reward = float(draw.random() < ARMS[arm])
            for index, chance in enumerate(policy):
                gradient = (index == arm) - chance
                logits[index] += args.learning_rate * (reward - args.baseline) * gradient
            if step % 100 == 0:
                value = sum(map(float.__mul__, policy, ARMS))
                file.write(json.dumps({"global_step": step, "eval/return": value}) + "\n")


if __name__ == "__main__":
    main()
