"""
What a hurried user types: one sentence, the nearest value where there is one, and nothing is left.

The commands are real; those that find fault late have begun to build a run.
"""

from pathlib import Path

import pytest

from interface.resolvers import REPOSITORY
from tests.running import forked_command

TRAIN, SEARCH = ["train", "tracking=none"], ["train", "--multirun", "tracking=none"]
EVALUATE, PLOT, LAUNCH = ["evaluate"], ["plot"], ["launch"]
RERUN, MIRROR = ["rerun"], ["comet_mirror"]

HOSTILE = [
    # spelled as other programs want it
    ([*TRAIN, "FetchReach-v4"], "did you mean env=FetchReach-v4?"),
    ([*TRAIN, "FetchReech-v4"], "did you mean env=FetchReach-v4?"),
    ([*TRAIN, "--env", "X", "--algo", "her"], "did you mean env=X?"),
    ([*TRAIN, "--algo=her"], "did you mean algorithm=her?"),
    ([*TRAIN, "--total-timesteps", "5000"], "did you mean total_timesteps=5000?"),
    ([*TRAIN, "--cfg", "jobs"], "invalid choice: 'jobs'"),
    ([*TRAIN, "n_epochs==3"], "cannot read 'n_epochs==3'"),
    ([*TRAIN, "algorithm=her,sac"], "has several values"),
    ([*TRAIN, "env=[FetchReach-v4]"], "must each name one"),
    ([*EVALUATE, "latest"], "did you mean run=latest?"),
    # keys, by their last part
    ([*TRAIN, "algorithm.gama=0.9"], "did you mean algorithm.learners.sac.gamma?"),
    ([*TRAIN, "learning_rat=1e-3"], "did you mean algorithm.learners.sac.learning_rate?"),
    ([*TRAIN, "quux=1"], "unknown key 'quux'\n"),
    ([*TRAIN, "~algorithm.learners.sac.gama"], "did you mean algorithm.learners.sac.gamma?"),
    ([*TRAIN, "+n_epochs=3"], "n_epochs is there already"),
    ([*TRAIN, "network/encodr=cnn"], "did you mean network/encoder?"),
    ([*SEARCH, "hydra.sweeper.n_trial=3"], "did you mean hydra.sweeper.n_trials?"),
    ([*PLOT, "metric=eval/success_rate"], "did you mean metrics?"),
    ([*LAUNCH, "n_seed=3"], "did you mean n_seeds?"),
    # names
    ([*TRAIN, "render=recrd"], "did you mean render=record?"),
    ([*TRAIN, "tracking=wandb"], "there are: mlflow, mlflow_comet, none"),
    ([*TRAIN, "search_space=hre"], "did you mean her?"),
    ([*TRAIN, "env.id=FetchReech-v4"], "did you mean FetchReach-v4?"),
    ([*TRAIN, "env.id=Nope-v0"], "unknown env.id 'Nope-v0'\n"),
    ([*EVALUATE, "run=best", "env=Nope-v0"], "unknown env 'Nope-v0'; --help lists"),
    ([*EVALUATE, "run=latst"], "there is no run 'latst'"),
    ([*PLOT, "x=step"], "did you mean steps?"),
    ([*LAUNCH, "hydra/launcher=slrum"], "did you mean hydra/launcher=slurm?"),
    ([*RERUN, "latestt"], "there is no run 'latestt'"),
    ([*RERUN, "latest", "--trusted"], "unrecognized arguments: --trusted"),
    # values
    ([*TRAIN, "total_timesteps=5000", "n_epochs=3"], "give one of them"),
    ([*TRAIN, "total_timesteps=5e4"], "must be an integer of at least 1, got '5e4'"),
    ([*TRAIN, "policy.activation_fn=torch.nn.Nope"], "names no class"),
    ([*TRAIN, "policy.activation_fn=Relu"], "did you mean torch.nn.ReLU?"),
    ([*TRAIN, "policy.net_arch=[64,-3]"], "must be integers of at least 1"),
    ([*TRAIN, "policy.optimizer={_target_:torch.optim.Adm,_partial_:true}"], "did you mean Adam?"),
    ([*TRAIN, "algorithm.layer_classes=sac"], "must be a list, e.g. [sac], got sac"),
    ([*TRAIN, "imports=own"], "imports must be a list"),
    ([*TRAIN, "device=cuda:99"], "device=cuda:99 is not there"),
    ([*TRAIN, "early_stop_threshold=nan"], "early_stop_threshold must be a number, got nan"),
    (["train", "data_dir="], "data_dir= must name a folder"),
    ([*EVALUATE, "n_episodes=many"], "n_episodes must be an integer, got many"),
    ([*PLOT, "formats=png"], "formats must be a list, e.g. [a,b], got png"),
    ([*LAUNCH, "n_seeds=-1"], "n_seeds must be at least 0, got -1"),
    ([*LAUNCH, "argument=--lr"], "argument must hold {key} and {value}, got --lr"),
    ([*MIRROR, "interval_minutes=soon"], "interval_minutes must be an integer, got soon"),
    ([*MIRROR, "uri=sqlite:////nowhere/x.db"], "there is no MLflow database /nowhere/x.db"),
    # pairs that do not fit, and choices of a search that no run could take
    ([*TRAIN, "env=CartPole-v1"], "what fits: algorithm=dqn, ppo"),
    ([*TRAIN, "algorithm=dqn"], "what fits: algorithm=ddpg, hac, her"),
    ([*SEARCH, "policy=small,smaal"], "did you mean policy=small?"),
    ([*SEARCH, "algorithm.layer_classes=choice([sac],[scc])"], "did you mean sac?"),
    ([*SEARCH, "policy.net_arch=choice([64,64],[64,-3])"], "the search may choose"),
    ([*SEARCH, "algorithm.learners.sac.gamma=choice(0.9,1.5)"], "from 0 to 1, got 1.5"),
]  # fmt: skip


def test_there_are_forty():
    assert len({tuple(arguments) for arguments, _ in HOSTILE}) >= 40


@pytest.mark.parametrize(("arguments", "answer"), HOSTILE, ids=lambda value: str(value)[:70])
def test_one_sentence_and_nothing_left(arguments: list[str], answer: str, tmp_path: Path):
    script, *others = arguments
    data = tmp_path / "data"
    if script not in ("rerun", "comet_mirror") and "data_dir=" not in others:
        others.append(f"data_dir={data}")
    if script == "comet_mirror":
        others.append(f"archive_dir={data}")
    before = sorted(REPOSITORY.iterdir())
    done = forked_command(f"experiment/{script}.py", *others)
    assert done.returncode == 2, done.stdout + done.stderr
    assert answer in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert not [line for line in done.stdout.splitlines() if "starting" not in line]
    assert not data.exists()
    assert sorted(REPOSITORY.iterdir()) == before
