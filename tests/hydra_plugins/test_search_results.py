"""What a search accepts, what it finds, and that both can be used as they are."""

from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from experiment.final_test.tested_agents import find_agent
from experiment.run_folder.continuation import has_checkpoint
from hydra_plugins.early_stop_tpe_sweeper._no_repeats import NoRepeats
from hydra_plugins.early_stop_tpe_sweeper._reserved import check_searchable
from hydra_plugins.early_stop_tpe_sweeper._search_space import fitting, parse
from hydra_plugins.early_stop_tpe_sweeper._storage import open_storage
from hydra_plugins.early_stop_tpe_sweeper._tuned import header, tuned
from hydra_plugins.early_stop_tpe_sweeper._warm_start import configurations_of
from interface.config import check_ranges
from interface.errors import UserError
from tests.running import CONF, TINY, forked_command, hydra_main


def composed(*overrides: str) -> DictConfig:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF)):
        return compose("main", overrides=list(overrides), return_hydra_config=True)


def searched(folder: Path, *overrides: str) -> tuple[Path, str]:
    """Search over a key of the environment that the config lacks: two choices, two trials."""
    done = forked_command(
        "experiment/train.py",
        *("--multirun", *TINY, "n_epochs=1", "+env.kwargs.step_size=0.2,0.5"),
        *("early_stop_threshold=0", "early_stop_last_n=1", "hydra/launcher=basic"),
        *("hydra.sweeper.n_trials=2", "hydra.sweeper.n_verification_rollouts=7"),
        *("hydra.sweeper.min_trials_per_param=1", "hydra.sweeper.max_trials_per_param=1"),
        *("hydra.sweeper.study_name=keys", f"hydra.sweep.dir='{folder}/keys'", *overrides),
    )
    assert done.returncode == 0, done.stderr
    return folder / "keys", done.stdout + done.stderr


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return searched(tmp_path_factory.mktemp("a search"))


def studies(folder: Path) -> tuple[list[optuna.trial.FrozenTrial], ...]:
    storage = open_storage(str(folder / "study.journal"))
    names = ("keys", "keys-fresh")
    return tuple(optuna.load_study(study_name=one, storage=storage).trials for one in names)


def test_what_was_found_with_a_key_of_ones_own_is_usable_at_once(search):
    folder, said = search
    found = OmegaConf.load(folder / "optimization_results.yaml").best_params
    assert list(found) == ["env.kwargs.step_size"]
    cfg = composed("env=PointReach-v0", f"preset='{folder}/tuned.yaml'")
    assert cfg.env.kwargs.step_size == found["env.kwargs.step_size"]
    assert (cfg.n_epochs, cfg.eval_after_n_steps) == (1, 150)
    assert "use it: python experiment/train.py env=PointReach-v0 policy=small" in said
    assert "tuned.yaml" in said.partition("use it:")[2]


def test_two_choices_and_two_trials_try_both(search):
    screening, _ = studies(search[0])
    assert sorted(one.params["env.kwargs.step_size"] for one in screening) == [0.2, 0.5]


def test_fresh_runs_have_goals_of_their_own(search):
    folder, _ = search
    screening, fresh = studies(folder)
    assert fresh
    screened = OmegaConf.load(Path(screening[0].user_attrs["run"]["dir"]) / "config.yaml")
    assert (screened.test_goals, screened.n_test_rollouts) == (0, 3)
    configs = [OmegaConf.load(Path(one.user_attrs["run"]["dir"]) / "config.yaml") for one in fresh]
    assert all(config.n_test_rollouts == 7 for config in configs)
    goals = [config.test_goals for config in configs]
    assert all(goals)
    assert len(set(goals)) == len(goals)
    assert "7 goals of its own, which screening never saw" in (folder / "report.md").read_text()


def test_only_the_winner_can_go_on(search):
    folder, _ = search
    winner = Path(OmegaConf.load(folder / "optimization_results.yaml").run_dir)
    runs = [path.parent for path in folder.rglob("config.yaml")]
    assert [run for run in runs if (run / "last.zip").exists()] == [winner]
    for run in runs:
        kept = {"best_model.zip", "evaluations.csv", "progress.csv", "result.json", "train.log"}
        assert kept <= {path.name for path in run.iterdir()}
    (other,) = [folder / name for name in "01" if folder / name != winner]
    with pytest.raises(UserError, match=r"a search keeps that of its winner only.*keep_checkpoin"):
        has_checkpoint(other)
    given = [f"run={other}", "checkpoint=last"]
    with (
        hydra_main(given, folder, "evaluate") as cfg,
        pytest.raises(UserError, match="a search keeps that of its winner only"),
    ):
        find_agent(cfg, cfg.run)


def test_all_can_go_on_where_that_is_wanted(tmp_path: Path):
    folder, _ = searched(
        tmp_path, "hydra.sweeper.keep_checkpoints=true", "hydra.sweeper.n_trials=1"
    )
    assert len(list(folder.rglob("config.yaml"))) == len(list(folder.rglob("last.zip"))) == 2


@pytest.mark.parametrize(
    ("lines", "params", "key", "value"),
    [
        (["+env.kwargs.a=1,2"], {"env.kwargs.a": 2}, "env.kwargs.a", 2),
        (["++env.kwargs.a=x,y"], {"env.kwargs.a": "y"}, "env.kwargs.a", "y"),
        (["+env.kwargs.a=choice('p,q','r')"], {"env.kwargs.a": "p,q"}, "env.kwargs.a", "p,q"),
        (["+env.kwargs.a='b c',d"], {"env.kwargs.a": "'b c'"}, "env.kwargs.a", "b c"),
        (["+env.kwargs.a={b:1},{b:2}"], {"env.kwargs.a": "{b:2}"}, "env.kwargs.a", {"b": 2}),
        (["+env.kwargs.a=inf,1.0"], {"env.kwargs.a": "inf"}, "env.kwargs.a", float("inf")),
        (["policy.net_arch=[64,64],[8]"], {"policy.net_arch": "[8]"}, "policy.net_arch", [8]),
        (["policy.n_critics=null,1"], {"policy.n_critics": "null"}, "policy.n_critics", None),
        (["policy=default,small"], {"policy": "small"}, "policy.net_arch", [64, 64]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)  # fmt: skip
def test_a_preset_trains_what_the_trial_trained(lines, params, key, value, tmp_path: Path):
    space = replace(parse({}, lines), groups=frozenset({"policy"} & set(params)))
    trial = composed("env=PointReach-v0", *space.overrides(params))
    path = tmp_path / "tuned.yaml"
    path.write_text(header("found.") + tuned(params, space, trial, {}))
    again = composed("env=PointReach-v0", f"preset={path}")
    assert OmegaConf.select(trial, key) == OmegaConf.select(again, key)
    assert OmegaConf.select(again, key) == value
    known, others = fitting({name: OmegaConf.select(again, name) for name in params}, space)
    if not space.groups:
        assert (known, others) == (params, {})


def test_a_preset_takes_the_place_of_the_one_it_began_with(tmp_path: Path):
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra._internal.utils import create_config_search_path

    from hydra_plugins.early_stop_tpe_sweeper._tuned import preset_values

    chosen = ["env=FetchReach-v4", "algorithm=her"]
    space = parse({}, [*chosen, "algorithm.learners.sac.tau=0.01,0.02"])
    config = composed(*chosen)
    loader = ConfigLoaderImpl(create_config_search_path(str(CONF)))
    base = loader.load_sweep_config(config, space.fixed)
    preset = preset_values(loader, config, space, base)
    assert preset
    path = tmp_path / "tuned.yaml"
    params = {"algorithm.learners.sac.tau": 0.02}
    path.write_text(header("found.") + tuned(params, space, base, preset))
    trial = composed(*chosen, "algorithm.learners.sac.tau=0.02")
    again = composed(*chosen, f"preset={path}")
    for node in ("algorithm", "policy", "env", "n_epochs", "eval_after_n_steps", "normalize"):
        assert trial[node] == again[node]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("seed", "gives each run its seed.*launch.py.*n_seeds=3.*hydra/sweeper=basic"),
        ("n_epochs", "counts the steps of all runs against one budget"),
        ("eval_after_n_steps", "budget"),
        ("early_stop_threshold", "same target"),
        ("hyperopt_criterion", "what the search optimises"),
        ("n_test_rollouts", "measured in the same way"),
        ("evaluator", "measured in the same way"),
        ("evaluator.n_samples", "measured in the same way"),
        ("test_goals", "goals of their own"),
        ("env", r"do not compare.*'sweep=\[\{env:\[...\]\}\]'"),
        ("data_dir", "the search needs it"),
        ("hydra/launcher", "the search needs it"),
        ("run_monitor._target_", "the search needs it"),
    ],
)
def test_what_a_search_needs_itself_is_not_searched(key, message):
    with pytest.raises(UserError, match=f"^{key} cannot be searched, because .*{message}"):
        check_searchable([key], OmegaConf.create({"run_monitor": {}}))


@pytest.mark.parametrize(
    "key", ["algorithm.learners.sac.gamma", "env.kwargs.seed", "policy", "algorithm.n_epochs"]
)
def test_everything_else_is_searched(key):
    check_searchable([key], OmegaConf.create({"run_monitor": {}}))


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_one_sentence(seed, tmp_path: Path):
    with (
        hydra_main([*TINY, f"seed={seed}"], tmp_path) as cfg,
        pytest.raises(UserError, match=f"seed must be from 0 to 4294967295, got {seed}"),
    ):
        check_ranges(cfg)


@pytest.mark.parametrize("arguments", [["seed=1,2,3"], ["seed=5000000000", "policy=default,small"]])
def test_a_search_refuses_seeds_before_anything_is_written(arguments, tmp_path: Path):
    folder = tmp_path / "sweep"
    run = ["--multirun", *TINY[:-1], *arguments, f"hydra.sweep.dir={folder}"]
    done = forked_command("experiment/train.py", *run)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("seed ")
    assert "Traceback" not in done.stderr
    assert not folder.exists()


SPACE = parse({"a": "interval(0,1)", "b": "choice(x,y)", "c": "range(1,10,3)"}, [])


@pytest.mark.parametrize(
    ("values", "taken", "said"),
    [
        ({"a": 0.5, "b": "y", "c": 4}, {"a": 0.5, "b": "y", "c": 4}, []),
        ({"a": 2, "b": "y"}, {"b": "y"}, ["a=2 is not in 0.0 to 1.0"]),
        ({"a": 0.5, "b": "z"}, {"a": 0.5}, ["b=z is not in x, y"]),
        ({"a": 0.5, "c": 5}, {"a": 0.5}, ["c=5 is not in 1 to 7 in steps of 3"]),
        ({"a": 0.5, "c": 4.5}, {"a": 0.5}, ["c=4.5 is not in"]),
        ({"a": True, "b": "x"}, {"b": "x"}, ["a=True is not in"]),
        ({"a": 0.5, "d": {"e": 1}}, {"a": 0.5}, ["d.e is not searched"]),
    ],
    ids=str,
)
def test_warm_starts_are_held_to_the_space(values, taken, said, tmp_path: Path, caplog):
    path = tmp_path / "start.yaml"
    OmegaConf.save(OmegaConf.create(values), path)
    assert configurations_of(str(path), SPACE) == [taken]
    assert len(caplog.records) == len(said)
    for text in said:
        assert text in caplog.text


def test_a_warm_start_without_a_value_to_try_is_refused(tmp_path: Path):
    path = tmp_path / "start.yaml"
    path.write_text("a: 7\nother: 1\n")
    with pytest.raises(UserError, match="no value that can be tried; searched are a, b, c"):
        configurations_of(str(path), SPACE)


@pytest.mark.parametrize(("direction", "best"), [("maximize", 0.9), ("minimize", 0.1)])
def test_the_best_of_another_study_go_by_its_direction(direction, best, tmp_path: Path):
    storage = open_storage(str(tmp_path / "study.journal"))
    study = optuna.create_study(study_name="s", storage=storage, direction=direction)
    for value in (0.5, 0.1, 0.9, 0.7, 0.3):
        study.enqueue_trial({"a": value})
        trial = study.ask({"a": SPACE.distributions["a"]})
        study.tell(trial, value)
    assert configurations_of(str(tmp_path), SPACE)[0] == {"a": best}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x=1,1.0", "x offers 1.0 twice"),
        ("x=true,1", "x offers 1 twice"),
        ("x=fast,fast", "x offers fast twice"),
        ("x=interval(0,inf)", "x is searched up to infinity"),
    ],
)
def test_ranges_that_a_store_would_change_are_refused(line, message):
    with pytest.raises(UserError, match=message):
        parse({}, [line])


def test_what_a_store_would_change_becomes_text():
    space = parse({}, ["x=inf,1.0", "y=[1,2],[3]"])
    choices = [one.choices for one in space.distributions.values()]  # type: ignore[attr-defined]
    assert choices == [("inf", 1.0), ("[1,2]", "[3]")]


FINITE = parse({"p": "choice(x,y,z)", "q": "range(1,5)", "r": "range(0.0,1.1,step=0.5)"}, [])


@pytest.mark.parametrize("sampler", ["TPESampler", "RandomSampler", "NSGAIISampler"])
def test_a_finite_space_is_tried_without_repeats(sampler):
    inner = getattr(optuna.samplers, sampler)(seed=3)
    study = optuna.create_study(sampler=NoRepeats(inner, FINITE.distributions))
    study.enqueue_trial({"p": "y", "q": 2, "r": 0.5})
    study.enqueue_trial({"p": "y"})
    seen = []
    for number in range(3 * 4 * 3 + 2):
        trial = study.ask(FINITE.distributions)
        seen.append(tuple(trial.params[key] for key in "pqr"))
        study.tell(trial, trial.params["q"] + trial.params["r"])
        assert number != 1 or seen[1][0] == "y"
    assert seen[0] == ("y", 2, 0.5)
    assert len(set(seen[:36])) == 36


def test_a_space_without_end_is_left_to_the_sampler():
    space = parse({"p": "choice(x,y)", "q": "interval(0,1)"}, []).distributions
    plain = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=5))
    ours = optuna.create_study(sampler=NoRepeats(optuna.samplers.TPESampler(seed=5), space))
    for _ in range(15):
        trials = [study.ask(space) for study in (plain, ours)]
        assert trials[0].params == trials[1].params
        for study, trial in zip((plain, ours), trials, strict=True):
            study.tell(trial, trial.params["q"])


def test_a_plan_leaves_nothing_behind(tmp_path: Path):
    data_dir = tmp_path / "data"
    done = forked_command(
        "experiment/train.py",
        *("--plan", *TINY, "policy=small,default", "hydra/launcher=basic", f"data_dir={data_dir}"),
        *("eval_after_n_steps=40", "hydra.sweeper.n_verification_rollouts=5"),
    )
    assert done.returncode == 0, done.stderr
    assert "an epoch takes 0." in done.stdout
    assert not data_dir.exists()
