#!/usr/bin/env bash
# Checks of this repository.
#   ./run_testing.sh                  the performance matrix: does every agent still learn?
#   ./run_testing.sh --list           write all commands of both matrices to test_cmds.txt, run nothing
#   ./run_testing.sh -t function      the function matrix: does every agent still run?
#   ./run_testing.sh -t ci            lint, unit, the README commands, a slice of the function matrix
#   ./run_testing.sh -t lint          format, lint, types, shell, spelling
#   ./run_testing.sh -t unit          the fast tests
#   ./run_testing.sh -t faults        kills, locks, full disks, NaN: was anything lost?
#   ./run_testing.sh -t sb3           SB3's own tests on our classes (tests/sb3/README.md)
#   ./run_testing.sh -t browser       mlflow ui in Chromium, with screenshots in data/screenshots
# Options of the matrices (-g -p -m -s --filter --shard --max-minutes ...): ./run_testing.sh -h
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

usage() {
    sed -n '2,12s/^# //p' "$0"
    python -m experiment.regression -h
}

# Files that git knows and that are there; a user's own are left alone.
tracked() {
    local file
    git ls-files -z -- "$@" | while IFS= read -r -d '' file; do
        [ ! -e "$file" ] || printf '%s\0' "$file"
    done
}

lint() {
    local status=0
    tracked '*.py' '*.ipynb' | xargs -0 ruff format --check || status=1
    tracked '*.py' '*.ipynb' | xargs -0 ruff check || status=1
    tracked '*.py' | xargs -0 mypy || status=1
    tracked '*.sh' .ci/run | xargs -0 shellcheck || status=1
    tracked | xargs -0 codespell || status=1
    return $status
}

tests() { python -m pytest -n "$(python -c 'import os; print(os.cpu_count())')" -m "$1"; }

# Selenium gets an environment of its own, which also sees the packages of this one.
browser() {
    local venv=data/browser-venv sites='import site; print(site.getsitepackages()[0])'
    if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; then
        echo "skipped: no Chromium; apt-get install chromium chromium-driver"
        return 0
    fi
    [ -x $venv/bin/python ] || python -m venv $venv || return 1
    $venv/bin/python -m pip install --quiet -r conf/requirements/browser.txt || return 1
    python -c "$sites" >"$($venv/bin/python -c "$sites")/subgoal.pth"
    $venv/bin/python -m pytest tests/project/test_browser.py
}

if ! command -v ruff >/dev/null; then
    echo "run_testing.sh: the tools are not on the path; first: source ./set_paths.sh" >&2
    exit 2
fi

kind=""
matrix=("$@")
for ((i = 1; i <= $#; i++)); do
    case ${!i} in
        -h) usage && exit 0 ;;
        -t) ((next = i + 1)) && kind=${!next:-} && matrix=("${@:1:i-1}" "${@:i+2}") ;;
    esac
done

case $kind in
    lint) lint ;;
    unit) tests "not slow and not readme" ;;
    ci) lint && tests "not slow" && python -m experiment.regression -t function --ci "${matrix[@]}" ;;
    "" | function | performance)
        [ $# -gt 0 ] || echo "run_testing.sh: the performance matrix; other checks: ./run_testing.sh -h"
        python -m experiment.regression "$@"
        ;;
    faults) python -m pytest -m faults "${matrix[@]}" ;;
    sb3) python -m tests.sb3 "${matrix[@]}" ;;
    browser) browser ;;
    *)
        echo "run_testing.sh: unknown -t $kind; known: lint, unit, ci, function, performance," \
            "faults, sb3, browser" >&2
        exit 2
        ;;
esac
