"""
How much of the house one has to know: ``python tests/benchmarks/house.py [REPOSITORY]``.

Counts, for this repository or another checkout of it: files to open to read SAC and HAC, lines
they lead to, our calls and changes of file per environment step, climbs to a higher layer among the
calls that are given the config, until it is a run, cycles, places that name a learner, and lengths.
"""

import ast
import inspect
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType

LAYERS = {
    "util": 0,
    "interface": 0,
    "baselines_ext": 1,
    "envs": 1,
    "hydra_plugins": 1,
    "experiment": 2,
}
ALGORITHMS = {"SAC": "sac/sac.py", "HAC": "hac/hac.py"}
LEARNER = "tqc"
RUN = [
    "env=PointReach-v0",
    "preset=none",
    "tracking=none",
    "tensorboard=false",
    "n_threads=1",
    "overlap=false",
    "seed=1",
    "n_epochs=1",
    "n_test_rollouts=1",
    "early_stop_threshold=1.1",
]


class House:
    """
    The sources of a checkout.

    :param root: its folder
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = sorted(path for top in LAYERS for path in (root / top).rglob("*.py"))
        self.trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in self.files}
        self.imports = {path: set(self._imports_of(path)) for path in self.files}

    def _imports_of(self, path: Path) -> Iterator[Path]:
        """List the files of ours that a file imports, wherever in it."""
        for node in ast.walk(self.trees[path]):
            names: list[list[str]] = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [[f"{node.module}.{each.name}", node.module] for each in node.names]
            elif isinstance(node, ast.Import):
                names = [[each.name] for each in node.names]
            for candidates in names:
                found = next(filter(None, map(self._file_of, candidates)), None)
                if found is not None and found != path:
                    yield found

    def _file_of(self, name: str) -> Path | None:
        place = self.root.joinpath(*name.split("."))
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if name.split(".")[0] in LAYERS and path.is_file():
                return path
        return None

    def to_open(self, algorithm: Path) -> set[Path]:
        """List the class, its equations, and what they import."""
        first = {algorithm, algorithm.with_name("losses.py")} & set(self.files)
        return first.union(*(self.imports[path] for path in first))

    def closure(self, first: Path) -> set[Path]:
        """List everything that a file leads to."""
        seen, todo = set(), [first]
        while todo:
            path = todo.pop()
            if path not in seen:
                seen.add(path)
                todo += self.imports[path]
        return seen

    def cycles(self) -> list[list[str]]:
        """List the groups of files, and of folders, that import each other."""
        files: dict[str, set[str]] = {}
        folders: dict[str, set[str]] = {}
        for path, imported in self.imports.items():
            name = path.relative_to(self.root)
            files[str(name)] = {str(one.relative_to(self.root)) for one in imported}
            inside = folders.setdefault(str(name.parent), set())
            inside |= {str(one.relative_to(self.root).parent) for one in imported}
        return [*knots(files), *knots({a: b - {a} for a, b in folders.items()})]

    def flat(self) -> list[str]:
        """List files directly in ``experiment`` that are no entry script."""
        paths = (path for path in self.files if path.parent == self.root / "experiment")
        return [
            path.name
            for path in paths
            if path.name != "__init__.py" and "__main__" not in path.read_text(encoding="utf-8")
        ]

    def naming(self, learner: str) -> list[str]:
        """List files outside a learner's own package that name it."""
        tops = ("baselines_ext", "interface", "experiment", "conf")
        paths = (path for top in tops for path in (self.root / top).rglob("*"))
        return [
            str(path.relative_to(self.root))
            for path in paths
            if path.suffix in (".py", ".yaml")
            and "performance" not in path.parts
            and path.parent.name != learner
            and learner in path.read_text(encoding="utf-8")
        ]

    def function_lengths(self) -> list[int]:
        """List the lines of each function, without its docstring."""
        return [
            node.end_lineno - node.lineno + 1 - len((ast.get_docstring(node) or "").splitlines())
            for tree in self.trees.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and node.end_lineno
        ]


def knots(graph: dict[str, set[str]]) -> list[list[str]]:
    """List sets of nodes that reach each other, in graphs as small as ours."""
    reach = {node: walk(graph, graph[node]) for node in graph}
    found = {tuple(sorted(a for a in reach[b] if b in reach[a])) for b in graph if b in reach[b]}
    return [list(knot) for knot in sorted(found)]


PARAMETERS = "interface/parameters.py"


def walk(graph: dict[str, set[str]], first: Iterable[str]) -> set[str]:
    seen, todo = set(), list(first)
    while todo:
        node = todo.pop()
        if node not in seen and node in graph:
            seen.add(node)
            todo += graph[node]
    return seen


def lines(paths: Iterable[Path]) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


class Steps:
    """
    Counts what Python calls: a profile function.

    :param root: of the repository
    """

    def __init__(self, root: Path) -> None:
        self._root, self._last, self._last_with_config = f"{root}/", "", ""
        self.n_calls = self.n_switches = self.n_climbs = self.n_entries = 0
        self.before_learn: tuple[int, int] | None = None

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if event != "call" or not code.co_flags & inspect.CO_OPTIMIZED:  # bodies of classes
            return
        if code.co_name == "learn" and self.before_learn is None:
            self.before_learn = self.n_climbs, self.n_entries
        name = code.co_filename.removeprefix(self._root)
        if name == code.co_filename or name.split("/")[0] not in LAYERS:
            return
        self.n_calls += 1
        if name != self._last:
            self.n_switches += 1
            caller = frame.f_back.f_code.co_filename if frame.f_back is not None else ""
            self.n_entries += name == PARAMETERS and not caller.endswith(PARAMETERS)
        self._last = name
        if self.before_learn is None and is_given_config(frame):
            self._count_climb(name)

    def _count_climb(self, name: str) -> None:
        before, self._last_with_config = self._last_with_config, name
        layers = [LAYERS[path.split("/")[0]] for path in (before or name, name)]
        self.n_climbs += layers[1] > layers[0]


def is_given_config(frame: FrameType) -> bool:
    """Tell whether a function gets a config, or a node of it."""
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return any(type(frame.f_locals.get(name)).__name__ == "DictConfig" for name in names)


def profile(root: Path, n_steps: int, *overrides: str) -> dict[str, int]:
    """Train in a process of its own, and count."""
    with tempfile.TemporaryDirectory() as folder:
        given = [*RUN, f"eval_after_n_steps={n_steps}", f"hydra.run.dir={folder}", *overrides]
        words = [sys.executable, __file__, "--profiled", str(root), *given]
        done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def profiled(root: Path, overrides: list[str]) -> None:
    """Be the process that trains."""
    import runpy

    script = root / "experiment" / "train.py"
    sys.argv = [str(script), *overrides]
    steps = Steps(root)
    sys.setprofile(steps)
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
    finally:
        sys.setprofile(None)
    climbs, entries = steps.before_learn or (0, 0)
    counted = {
        "calls": steps.n_calls,
        "switches": steps.n_switches,
        "climbs": climbs,
        "entries": entries,
    }
    print("\n" + json.dumps(counted))


def per_step(root: Path, *overrides: str) -> tuple[float, float, int, int]:
    """Count calls and switches of an environment step, and what is before the first one."""
    short, long = (profile(root, n, *overrides) for n in (1000, 2000))
    calls, switches = ((long[key] - short[key]) / 1000 for key in ("calls", "switches"))
    return calls, switches, short["climbs"], short["entries"]


def append_us(n_envs: int) -> float:
    """Measure what the replay buffer of SAC takes for one transition; median of five."""
    import numpy as np
    from stable_baselines3.common.env_util import make_vec_env

    from baselines_ext import SAC

    env = make_vec_env("Pendulum-v1", n_envs)
    buffer = SAC("MlpPolicy", env, buffer_size=100_000).replay_buffer
    seen, n_times = np.zeros((n_envs, 3), np.float32), 20_000 // n_envs
    transition = (seen, seen, np.zeros((n_envs, 1), np.float32), np.zeros(n_envs))
    infos: list[dict] = [{} for _ in range(n_envs)]
    seconds = []
    for _ in range(5):
        begin = time.perf_counter()
        for number in range(n_times):
            buffer.add(*transition, np.full(n_envs, number % 200 == 199), infos)
        seconds.append(time.perf_counter() - begin)
    return 1e6 * statistics.median(seconds) / (n_times * n_envs)


def appended(root: Path, n_envs: int) -> float:
    """Measure with the sources of a checkout."""
    words = [sys.executable, __file__, "--append", str(root), str(n_envs)]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    house = House(root)
    print("| what | |\n|---|---|")

    def row(what: str, value: object) -> None:
        print(f"| {what} | {value} |", flush=True)

    for name, path in ALGORITHMS.items():
        first = root / "baselines_ext" / path
        opened, whole = house.to_open(first), house.closure(first)
        row(f"files to open to read {name}", f"{len(opened)} with {lines(opened)} lines")
        row(f"its closure: {name}", f"{lines(whole)} lines in {len(whole)} files")
    for name in ("her", "hac"):
        for update in ("native", "eager"):
            calls, switches, climbs, entries = per_step(
                root, f"algorithm={name}", f"update={update}"
            )
            row(f"calls / switches a step, {name}, {update}", f"{calls:.0f} / {switches:.0f}")
        row(f"climbs; entries into parameters.py, {name}", f"{climbs}; {entries}")
    for n_envs in (1, 16, 128):
        row(f"us to add a transition, n_envs={n_envs}", f"{appended(root, n_envs):.1f}")
    row("flat files in experiment/ that are no entry script", len(house.flat()))
    cycles = house.cycles()
    row("cycles of files or folders", f"{len(cycles)} {cycles or ''}")
    row(f"files that name a learner ({LEARNER})", len(house.naming(LEARNER)))
    lengths = house.function_lengths()
    row("function length p90", f"{statistics.quantiles(lengths, n=10)[-1]:.0f}")
    row("longest file", max(lines([path]) for path in house.files))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--profiled"]:
        profiled(Path(sys.argv[2]), sys.argv[3:])
    elif sys.argv[1:2] == ["--append"]:
        sys.path[0] = sys.argv[2]
        print(append_us(int(sys.argv[3])))
    else:
        main()
