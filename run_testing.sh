#!/usr/bin/env bash
# Checks of this repository: ./run_testing.sh -t lint|unit|ci
#   lint  format, lint, types, shell, spelling        unit  the fast tests        ci  both
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

usage() { sed -n '2,3s/^# //p' "$0"; }

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
    *)
        echo "run_testing.sh: unknown -t $kind; known: lint, unit, ci" >&2
        exit 2
        ;;
esac
