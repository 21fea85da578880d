#!/usr/bin/env bash
# Checks of this repository: ./run_testing.sh -t lint|unit|ci|browser
#   lint  format, lint, types, shell, spelling        unit  the fast tests        ci  both
#   browser  mlflow ui in Chromium, with screenshots in data/screenshots
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

usage() { sed -n '2,4s/^# //p' "$0"; }

lint() {
    local status=0
    ruff format --check . || status=1
    ruff check . || status=1
    mypy || status=1
    shellcheck ./*.sh .ci/run || status=1
    codespell || status=1
    return $status
}

unit() { python -m pytest -n "$(python -c 'import os; print(os.cpu_count())')" -m "not slow"; }

# Selenium gets an environment of its own, which also sees the packages of this one.
browser() {
    local venv=data/browser-venv sites='import site; print(site.getsitepackages()[0])'
    if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; then
        echo "skipped: no Chromium; apt-get install chromium chromium-driver"
        return 0
    fi
    [ -x $venv/bin/python ] || python -m venv $venv || return 1
    $venv/bin/python -m pip install --quiet -r tests/requirements-browser.txt || return 1
    python -c "$sites" >"$($venv/bin/python -c "$sites")/subgoal.pth"
    $venv/bin/python -m pytest tests/test_browser.py
}

kind=ci
while getopts "t:h" option; do
    case $option in
        t) kind=$OPTARG ;;
        h) usage && exit 0 ;;
        *) usage >&2 && exit 2 ;;
    esac
done

if ! command -v ruff >/dev/null; then
    echo "run_testing.sh: the tools are not on the path; first: source ./set_paths.sh" >&2
    exit 2
fi

case $kind in
    lint) lint ;;
    unit) unit ;;
    ci) lint && unit ;;
    browser) browser ;;
    *)
        echo "run_testing.sh: unknown -t $kind; known: lint, unit, ci, browser" >&2
        exit 2
        ;;
esac
