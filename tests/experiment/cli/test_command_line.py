"""Wrong input is answered with one clear sentence, and nothing is left behind."""

import errno
import logging.config
import os
import shlex
import sys
from pathlib import Path

import pytest

from experiment.cli.command_line import prepare, run_command
from experiment.cli.first_line import say_that_it_starts
from experiment.run_folder.shown import command as command_line
from experiment.run_folder.shown import shown
from interface.errors import UserError
from interface.resolvers import REPOSITORY, changed_overrides
from tests.running import TINY_HER, command, forked_command, hydra_main

PREDECESSOR = [
    ("env=FetchReach-v1", "env=FetchReach-v4"),
    ("layer_classes=['sac']", "algorithm.layer_classes=['sac']"),
    ("layer_classes=['sacvg','ddpg']", "algorithm.layer_classes=[sac]"),
    ("algorithm.layer_classes=[sacvg]", "algorithm.layer_classes=[sac]"),
    ("algorithm=her2", "algorithm=her"),
    ("algorithm=sacvg", "algorithm=sac"),
    ("algorithm.render_test=record", "render=record"),
]

WRONG = [
    (["n_epoch=3"], "did you mean n_epochs?"),
    (["learning_rate=0.1"], "did you mean algorithm.learners.sac.learning_rate?"),
    (["algorithm.learners.sac.gama=0.9"], "did you mean algorithm.learners.sac.gamma?"),
    (["algorithm=hr"], "did you mean algorithm=her?"),
    (["env=FetchReech-v4"], "did you mean env=FetchReach-v4?"),
    (["preset=FetchReach-v4-hr"], "did you mean FetchReach-v4-her?"),
    (["n_epochs=many"], "n_epochs: Value 'many'"),
    (["n_epochs=0"], "n_epochs must be at least 1, got 0"),
    (["env.n_envs=0"], "env.n_envs must be at least 1, got 0"),
    (["early_stop_direction=up"], "expected one of [maximize, minimize]"),
    (["early_stop_data_column=eval/succes_rate"], "did you mean eval/success_rate?"),
    (["algorithm.learners.sac.learning_rate=-1"], "must be more than 0, got -1"),
    (["algorithm.learners.sac.learning_rate=fast"], "must be float"),
    (["algorithm.learners.sac.buffer_size=1.5"], "must be int, got 1.5"),
    (["algorithm.learners.td3.gamma=0.9"], "changes a learner that no layer uses"),
    (["algorithm.layer_classes=[sca]"], "did you mean sac?"),
    (["algorithm.layer_classes=[sac,td3]"], "her has one layer"),
    (["algorithm.layer_classes=[]"], "layer_classes is empty"),
    (["algorithm.goal_selection_strategy=futur"], "did you mean future?"),
    (["algorithm.n_candidates=0"], "n_candidates must be an integer of at least 1, got 0"),
    (["algorithm.layer_classes=[dqn]"], "dqn needs a Discrete action space, got Box"),
    (["algorithm=dqn"], "what fits: algorithm=ddpg, hac, her, ppo, sac, td3, tqc"),
    (["env=CartPole-v1"], "needs Dict observations with observation, achieved_goal"),
    (["env=CartPole-v1", "algorithm=sac"], "what fits: algorithm=dqn, ppo"),
    (["env=HumanoidStandup-v5", "algorithm=sac"], "reports no success"),
    (["+env.kwargs.colour=red"], "cannot make env PointReach-v0"),
    (["policy.name=MlpPolic"], "did you mean MlpPolicy?"),
    (["algorithm=ppo", "policy.n_critics=3"], "policy.n_critics=3 has no effect on PPO"),
    (["policy.shared=true"], "policy.shared=true has no effect on SAC, only on ppo"),
    (["normalize.frozen_in_rollouts=true"], "has no effect on her, which has no rollouts"),
    (["reward.weight=3"], "reward=none has no values; choose one first"),
    (["policy.log_std_init=-1"], "log_std_init=-1.0 has no effect on SAC"),
    (["render.mode=recrd"], "did you mean record?"),
    (["render.camera.distanc=1"], "did you mean render.camera.distance?"),
    (["env.camera.elevation=100"], "env.camera.elevation must be from -90 to 90, got 100"),
    (["render.camera.lookat=[0,1]"], "render.camera.lookat must be three numbers, e.g. [0,0,0.5]"),
    (["device=gpu7"], "device=gpu7 is no device of torch"),
    (["imports=[no_such_package]"], "there is no package no_such_package"),
    (["tracking=mlflow", "tracking.uri=sqlite:////no/such/folder/x.db"], "there is no folder"),
    (["tracking=mlflow", "tracking.uri=file:///tmp/mlruns"], "what can be used: sqlite:///"),
    (["tracking=mlflow", "tracking.uri=htp://127.0.0.1:9"], "what can be used: sqlite:///"),
    (["tracking=mlflow", "tracking.uri=sqlite:////etc/hostname"], "file is not a database"),
    (["tracking.uri=postgresql://me:secret@host/db"], "tracking.uri holds a password"),
    (["restore=/no/such/run"], "there is no run '/no/such/run'"),
    (["restore=latest"], "there is no run with a checkpoint"),
]


@pytest.mark.parametrize(("override", "answer"), PREDECESSOR)
def test_spellings_of_the_predecessor(override: str, answer: str):
    with pytest.raises(UserError) as error:
        prepare([override])
    assert answer in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("overrides", "answer"), WRONG, ids=lambda value: str(value)[:60])
def test_wrong_input(overrides: list[str], answer: str, tmp_path: Path):
    tiny = [text for text in TINY_HER if "buffer_size" not in text]
    if overrides[0].startswith("restore"):
        tiny = []
    data = tmp_path / "data"
    done = forked_command("experiment/train.py", *tiny, f"data_dir={data}", *overrides)
    assert answer in done.stderr, done.stdout + done.stderr
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
    assert not [path for path in data.rglob("*") if path.is_file()]


def test_a_wrong_key_in_a_file_of_ones_own(tmp_path: Path):
    preset = tmp_path / "mine.yaml"
    preset.write_text("# @package _global_\npolicy: {net_arc: [8]}\n")
    done = forked_command("experiment/train.py", f"data_dir={tmp_path}", f"preset={preset}")
    assert done.returncode == 2
    assert f"{preset}: unknown key 'policy.net_arc'; did you mean policy.net_arch?" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_output_directory_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").touch()
    done = forked_command("experiment/train.py", *TINY_HER, f"data_dir={tmp_path}/file/data")
    assert done.returncode == 2
    assert f"cannot write {tmp_path}/file" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "is_said"),
    [(["n_epochs=3"], True), (["--multirun"], True), (["--cfg", "job"], False), (["-h"], False)],
)
def test_a_run_speaks_at_once(arguments: list[str], is_said: bool, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
    say_that_it_starts()
    assert ("INFO starting" in capsys.readouterr().out) is is_said


def test_nothing_heavy_is_imported_before_a_run_speaks():
    program = "import sys, experiment.cli.first_line; print({'hydra', 'torch'} & {*sys.modules})"
    assert command("-c", program).stdout == "set()\n"


@pytest.mark.parametrize(
    ("given", "found"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "5"}, "5"), ({"OMP_WAIT_POLICY": "passive"}, "None")],
)
def test_threads_do_not_spin_long_unless_told(given: dict[str, str], found: str):
    program = (
        "import os, sys, experiment; assert 'torch' not in sys.modules; "
        "print(os.environ.get('GOMP_SPINCOUNT'))"
    )
    with pytest.MonkeyPatch.context() as patched:
        for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
            patched.delenv(name, raising=False)
        assert command("-c", program, env=given).stdout == f"{found}\n"


def test_parameter_table():
    done = command(
        "-m", "interface.parameter_table", "her", "env=FetchReach-v4", "algorithm.n_sampled_goal=6"
    )
    assert done.returncode == 0
    rows = {line.split("│")[1].strip(): line for line in done.stdout.splitlines() if "│" in line}
    assert "command line" in rows["algorithm.n_sampled_goal"]
    assert "preset" in rows["algorithm.learners.sac.gamma"]
    assert "conf/algorithm/sac.yaml" in rows["algorithm.learners.sac.batch_size"]


def test_debug_goes_before_the_users_own_values():
    arguments = prepare(["debug=true", "n_epochs=5"])
    assert arguments.index("n_epochs=2") < arguments.index("n_epochs=5")


@pytest.mark.parametrize(
    ("n_steps", "epoch_steps", "n_epochs"), [(4000, 2000, 2), (4001, 2000, 3), (1, 2000, 1)]
)
def test_steps_are_whole_epochs(n_steps: int, epoch_steps: int, n_epochs: int, tmp_path: Path):
    arguments = prepare([f"total_timesteps={n_steps}", f"eval_after_n_steps={epoch_steps}"])
    with hydra_main(arguments, tmp_path) as cfg:
        assert cfg.n_epochs == n_epochs


def test_steps_are_counted_in_the_epochs_of_a_preset(tmp_path: Path):
    arguments = prepare(["env=FetchReach-v4", "algorithm=her", "total_timesteps=1200"])
    with hydra_main(arguments, tmp_path) as cfg:
        assert (cfg.n_epochs, cfg.eval_after_n_steps) == (3, 500)


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ([], ""),
        (["n_epochs=${total_timesteps:5000}"], "-n_epochs_total_timesteps_5000"),
        (["env=X", "algorithm=her", "seed=3"], ""),
        (["n_epochs=3", "algorithm.learners.sac.gamma=0.9"], "-gamma_0.9-n_epochs_3"),
        (["n_epochs=3", "n_epochs=4"], "-n_epochs_4"),
        (["debug=true", "n_epochs=3", "policy.x=1", "tau=2"], "-tau_2-x_1-debug_true-n_epochs_3"),
        (["+env.kwargs.a={b:1.5}"], "-a_b_1.5"),
        (["policy.net_arch=[64,64]"], "-net_arch_64_64"),
        (["n_epochs=" + "9" * 500], "-n_epochs_" + "9" * 102 + "-7d7171a3"),
    ],
)
def test_folder_names(overrides: list[str], name: str):
    assert changed_overrides(overrides) == name


def test_paths_may_hold_any_character(tmp_path: Path):
    data_dir = tmp_path / "a, b=c's"
    data_dir.mkdir()
    done = forked_command("experiment/train.py", *TINY_HER, f"data_dir={data_dir}")
    assert done.returncode == 0, done.stderr
    (run_dir,) = (path.parent for path in data_dir.rglob("config.yaml"))
    done = forked_command("experiment/evaluate.py", f"run={run_dir}", "n_episodes=1")
    assert done.returncode == 0, done.stderr
    done = forked_command("experiment/train.py", f"restore={run_dir}", "n_epochs=3")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EFBIG, "goes on with restore="),
    ],
)
def test_files_are_told_in_one_sentence(number: int, said: str, capsys, monkeypatch):
    def fail() -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(sys, "argv", ["train.py"])
    with pytest.raises(SystemExit) as end:
        run_command(fail, "main")
    assert end.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "name", "readable", "said"),
    [
        (errno.EACCES, "there", False, "cannot read"),
        (errno.EACCES, "there", True, "cannot write"),
        (errno.EROFS, "new", True, "cannot write"),
        (errno.ENOENT, "nowhere/new", True, "cannot find"),
        (errno.EISDIR, ".", True, "cannot open"),
    ],
)
def test_reading_and_writing_are_told_apart(
    number: int, name: str, readable: bool, said: str, tmp_path: Path, capsys, monkeypatch
):
    (tmp_path / "there").touch()
    path = str(tmp_path / name)

    def fail() -> None:
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(os, "access", lambda *_: readable)  # root may read everything
    monkeypatch.setattr(sys, "argv", ["train.py"])
    with pytest.raises(SystemExit):
        run_command(fail, "main")
    assert capsys.readouterr().err == f"{said} {path}: {os.strerror(number)}\n"


def test_a_folder_where_no_log_can_be_written(tmp_path: Path, capsys, monkeypatch):
    (tmp_path / "train.log").mkdir()
    handler = {"class": "logging.FileHandler", "filename": str(tmp_path / "train.log")}

    def configure() -> None:
        logging.config.dictConfig(
            {"version": 1, "incremental": False, "handlers": {"file": handler}}
        )

    monkeypatch.setattr(sys, "argv", ["train.py"])
    with pytest.raises(SystemExit) as end:
        run_command(configure, "main")
    assert end.value.code == 2
    assert capsys.readouterr().err == f"cannot open {tmp_path}/train.log: Is a directory\n"


def test_another_value_error_keeps_its_traceback(monkeypatch):
    def fail() -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(sys, "argv", ["train.py"])
    with pytest.raises(ValueError, match="a bug"):
        run_command(fail, "main")


def test_a_folder_with_an_interpolation_is_refused():
    with pytest.raises(UserError, match="cannot hold"):
        prepare(["data_dir=/tmp/${here}"])


def test_printed_commands_can_be_pasted(tmp_path: Path, monkeypatch):
    folder = tmp_path / "it's a folder"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command_line("evaluate", f"run={shown(folder)}"))
    assert words[0] == "python"
    assert Path(words[1]) == REPOSITORY / "experiment" / "evaluate.py"
    assert words[2] == "run=it's a folder"
