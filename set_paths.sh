# Source this file: `source ./set_paths.sh` (bash or zsh, from any directory).
#
# The first time it makes .venv beside this file and installs requirements.txt; afterwards it only
# activates it, and installs again when requirements.txt has changed. A virtual environment that
# is already active is used instead. Nothing here ends your shell: on an error it says one line
# and returns 1.
#
# shellcheck shell=bash

_subgoal_root() {
    if [ -n "${ZSH_VERSION:-}" ]; then
        eval 'printf "%s\n" "${${(%):-%x}:A:h}"'
    else
        (cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
    fi
}

_subgoal_say() { printf 'set_paths: %s\n' "$*" >&2; }

_subgoal_find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" python3.11 python3.12 python3.13 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    return 1
}

_subgoal_activate() { # $1: repository root
    local python conda="${CONDA_PREFIX:-}"
    [ "${CONDA_DEFAULT_ENV:-base}" != base ] || conda=""
    if [ -n "${VIRTUAL_ENV:-}" ] || [ -n "$conda" ]; then
        return 0
    fi
    if [ ! -x "$1/.venv/bin/python" ]; then
        if ! python=$(_subgoal_find_python); then
            _subgoal_say "needs Python 3.11 or newer (and its venv module); set PYTHON=/path/to/python3.11"
            return 1
        fi
        _subgoal_say "making $1/.venv with $("$python" --version)"
        if ! "$python" -m venv "$1/.venv"; then
            _subgoal_say "could not make $1/.venv with $python (on Debian: apt install python3-venv)"
            rm -rf "$1/.venv"
            return 1
        fi
    fi
    # shellcheck disable=SC1091
    . "$1/.venv/bin/activate"
}

_subgoal_install() { # $1: repository root, $2: the environment's folder
    if cmp -s "$1/requirements.txt" "$2/installed_requirements.txt"; then
        return 0
    fi
    _subgoal_say "installing requirements.txt into $2 (some minutes, about 2 GB)"
    if ! "$2/bin/python" -m pip install --quiet --disable-pip-version-check -r "$1/requirements.txt"; then
        _subgoal_say "pip failed, see above; source this file again to go on where it stopped"
        return 1
    fi
    # Gradient steps in C++, so that the first run need not build them; without a compiler it does without.
    (cd "$1" && "$2/bin/python" -m baselines_ext.updates.native.build) >/dev/null 2>&1 || true
    # The command subgoal, in an environment that is this clone's alone.
    if [ "$2" = "$1/.venv" ]; then
        "$2/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -e "$1" >/dev/null 2>&1 ||
            _subgoal_say "the command subgoal is not there: pip install -e failed; python experiment/... works"
    fi
    cp "$1/requirements.txt" "$2/installed_requirements.txt"
    _subgoal_say "installed"
}

_subgoal_export() {
    if [ -z "${MUJOCO_GL:-}" ] && [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] && [ "$(uname)" != Darwin ]; then
        export MUJOCO_GL=egl
    fi
    # numpy and MuJoCo gain nothing from more; torch is told its own number by each run (n_threads).
    export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
}

# Tab completes keys, groups and names. Hydra answers when it is asked, so that sourcing costs nothing.
_subgoal_complete() {
    local script="${COMP_WORDS[1]}" found
    [ "$COMP_CWORD" -gt 1 ] || return 0
    case "$script" in
        *experiment/train.py | *experiment/evaluate.py | *experiment/plot.py) ;;
        *experiment/launch.py | *experiment/comet_mirror.py) ;;
        *) return 0 ;; # names of files
    esac
    if found=$(COMP_LINE="$COMP_LINE" "${COMP_WORDS[0]}" "$script" -sc query=bash 2>/dev/null); then
        # shellcheck disable=SC2207
        COMPREPLY=($(compgen -W "$found" -- "${COMP_WORDS[COMP_CWORD]}"))
    else
        printf '\nno completion; what is wrong says: %s %s --help\n' "${COMP_WORDS[0]}" "$script" >&2
    fi
}

_subgoal_completion() {
    case $- in *i*) ;; *) return 0 ;; esac # nobody presses Tab in a script
    if [ -n "${ZSH_VERSION:-}" ]; then
        if ! whence compdef >/dev/null; then
            _subgoal_say "Tab will complete no keys: zsh needs 'autoload -U compinit && compinit' before"
            return 0
        fi
        autoload -U +X bashcompinit && bashcompinit
    else
        COMP_WORDBREAKS=${COMP_WORDBREAKS//=/} # key=name is one word
    fi
    complete -o nospace -o default -F _subgoal_complete python python3
}

_subgoal_setup() {
    local root failed=0
    root=$(_subgoal_root) || return 1
    _subgoal_activate "$root" || return 1
    _subgoal_install "$root" "${VIRTUAL_ENV:-$CONDA_PREFIX}" || failed=1
    _subgoal_export
    _subgoal_completion
    return "$failed"
}

_subgoal_setup
_subgoal_status=$?
unset -f _subgoal_root _subgoal_say _subgoal_find_python _subgoal_activate _subgoal_install _subgoal_export _subgoal_completion _subgoal_setup
return $_subgoal_status
