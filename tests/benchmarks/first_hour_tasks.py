"""The tasks of a first hour: what is wanted, and where and how a README says it."""

from dataclasses import dataclass

from tests.benchmarks.first_hour_outcomes import (
    Shows,
    curve_and_film,
    exported,
    film,
    installed,
    made,
    page,
    picture,
    run,
    said,
)

ROOT, RUNS, AGENTS = "README.md", "experiment/README.md", "baselines_ext/README.md"
ENVS, SEARCH = "envs/README.md", "hydra_plugins/README.md"
MATRIX = "experiment/regression/README.md"
TRAIN, TEST = "python experiment/train.py", "python experiment/evaluate.py run=latest"
REACH = "env=FetchReach-v4 algorithm=her"
SHORT = ("n_epochs=2", "eval_after_n_steps=500")


@dataclass(frozen=True)
class Task:
    """
    What a user wants.

    :param name: in the table
    :param page: the README that says how
    :param command: as it stands there
    :param shows: finds what was wanted and says it in a few words; raises if it is not there
    :param values: make the command short, or name what the user has: each takes the place of the
        value of its key, or comes behind, as the READMEs allow for any value
    :param how: ``shell``; ``page``: it is looked at while it runs, and ended by Ctrl-C; ``tab``:
        typed up to the middle of its last value, then Tab
    :param place: ``clone``, or ``elsewhere``: where the user is
    :param pastes: ``clone`` or ``elsewhere``: where the packages that the READMEs show are pasted
    :param moves: the newest run that matches goes elsewhere before, and is the value of ``run=``
    """

    name: str
    page: str
    command: str
    shows: Shows
    values: tuple[str, ...] = ()
    how: str = "shell"
    place: str = "clone"
    pastes: str = ""
    moves: str = ""


TASKS = [
    Task("install", ROOT, "source ./set_paths.sh", installed),
    Task("train", ROOT, f"{TRAIN} {REACH}", run("FetchReach-v4/her/*"), ("render=record",)),
    Task(
        "see curve and film",
        RUNS,
        "python experiment/look.py run=latest",
        curve_and_film,
        how="page",
    ),
    Task("evaluate", ROOT, f"{TEST} n_episodes=100", said(r"success at the last step.*")),
    Task("film", ROOT, f"{TEST} n_episodes=5 render=record", film),
    Task("export", ROOT, f"{TEST} export=data/policy.zip", exported),
    Task("rerun", ROOT, "python experiment/rerun.py latest", said(r"bit-identical:.*")),
    Task(
        "moved run",
        RUNS,
        f"{TEST} n_episodes=100",
        said(r"success at the last step.*"),
        moves="FetchReach-v4/her/*",
    ),
    Task(
        "hyperparameters",
        ROOT,
        f"{TRAIN} env=Pendulum-v1 algorithm=sac algorithm.learning_rate=1e-3",
        run("Pendulum-v1/sac/*"),
        SHORT,
    ),
    Task(
        "resume",
        ROOT,
        f"{TRAIN} restore=latest n_epochs=40",
        run("Pendulum-v1/sac/*"),
        ("n_epochs=3",),
    ),
    Task(
        "own network",
        AGENTS,
        f"{TRAIN} imports=[own_agents] env=Pendulum-v1 algorithm=sac "
        "network.encoder='{_target_: own_agents.waves.Waves, _partial_: true, n_waves: 64}'",
        run("Pendulum-v1/sac/*"),
        SHORT,
        pastes="clone",
    ),
    Task(
        "own environment",
        ENVS,
        f"{TRAIN} imports=[own_envs] env=LineReach-v0 algorithm=her +env.kwargs.step_size=0.1",
        run("LineReach-v0/her/*"),
        pastes="clone",
    ),
    Task(
        "own algorithm",
        AGENTS,
        f"{TRAIN} imports=[own_agents] env=PointReach-v0 algorithm=her "
        "algorithm.layer_classes=[boosted_sac]",
        run("PointReach-v0/her/*"),
        SHORT,
        pastes="clone",
    ),
    Task(
        "own package",
        RUNS,
        f"{TRAIN} imports=[own_learner] algorithm=regression env=none evaluator=held_out "
        "early_stop_data_column=eval/error early_stop_direction=minimize early_stop_threshold=0.1",
        run("none/regression/*"),
        pastes="elsewhere",
    ),
    Task(
        "other folder",
        RUNS,
        "subgoal train env=PointReach-v0 algorithm=her policy=small",
        run("PointReach-v0/her/*"),
        place="elsewhere",
    ),
    Task(
        "compare",
        ROOT,
        "python experiment/evaluate.py run=best env=PointReach-v0 compare=latest",
        said(r"paired difference:\n.*"),
    ),
    Task("plot", ROOT, "python experiment/plot.py", picture),
    Task(
        "search",
        SEARCH,
        f"{TRAIN} --multirun env=PointReach-v0 policy=small n_epochs=6 eval_after_n_steps=200 "
        "'algorithm.learners.sac.learning_rate=tag(log, interval(1e-4, 1e-2))' "
        "hydra.sweeper.n_trials=4 hydra.sweeper.study_name=rates",
        made("PointReach-v0/her/rates/optimization_results.yaml"),
    ),
    Task(
        "dashboard",
        SEARCH,
        "python experiment/look.py search=latest",
        page("searches", "rates"),
        how="page",
    ),
    Task("plan", ROOT, f"{TRAIN} --plan {REACH}", said(r"an epoch takes.*")),
    Task(
        "no SLURM",
        SEARCH,
        f"{TRAIN} --multirun {REACH} hydra/launcher=slurm_local",
        made("FetchReach-v4/her/*/optimization_results.yaml"),
        ("hydra.sweeper.n_trials=2", "hydra.sweeper.stop_when_verified=true"),
    ),
    Task(
        "launch",
        SEARCH,
        "python experiment/launch.py 'sets=[{env:FetchReach-v4,algorithm:hac},{env:Pendulum-v1,"
        "algorithm:sac}]' 'arguments={tracking:none}'",
        made("launches/*/*/result.json"),
        ("arguments={tracking:none,n_epochs:1}",),
    ),
    Task(
        "completion",
        ROOT,
        f"{TRAIN} env=CartPole-v1 algorithm=dqn policy=small",
        said("policy=small"),
        how="tab",
    ),
    Task(
        "matrix",
        MATRIX,
        "./run_testing.sh -t function --max-minutes 10",
        said(r"(\d+) of \1 rows of the function matrix passed"),
        ("--filter", "PointReach-v0_her*"),
    ),
]
