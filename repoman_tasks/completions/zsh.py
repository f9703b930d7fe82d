"""The completion for zsh."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from repoman_tasks.completions.grammar import Command, first_line
from repoman_tasks.completions.posix_part import LINE, REGISTRY, SSH, tables

__all__ = ["script"]

_HEAD = r"""
# TAB starts no process: what is offered stands here, in the registry and in ssh_config.
# It is for a folder of fpath, and `repoman completion install` puts it into one. Loaded with
# `source` after compinit it works too.

# --- the commands ---------------------------------------------------------------------------

"""

_MAIN = r"""
# --- zsh ------------------------------------------------------------------------------------

__repoman_lines() {
    [[ -f $1 && -r $1 ]] && lines=("${(@f)$(<$1)}")
}

# Leave only those `lines` that begin with one of the letters $1, or may hold a table or a value
# that goes on, without those that begin with the pattern $2; and those where a string of several
# lines may begin or end. Done to all at once, which is much faster than one after the other.
__repoman_keep() {
    setopt local_options no_ksh_arrays
    local kept="([]['{}\"[:space:]$1pdh]*~$2*)" long="\"{3}|'{3}"
    [[ ! ${(F)lines} =~ $long ]] || kept+="|*\"(#c3)*|*'(#c3)*"
    lines=("${(@M)lines:#(${~kept})}")
}

# Put into `files` what the pattern $1 stands for. It is one of ssh_config.
__repoman_glob() {
    files=(${~1}(N))
}

# What both shells share is run with arrays that begin at 0, and matches where bash has them.
__repoman_as_in_bash() {
    setopt local_options extended_glob ksh_arrays bash_rematch
    "$@"
}

# Offer those of `found` that do no harm as words.
__repoman_offer() {
    local -aU offered=("${(@)found:#([-~]*|*[[:cntrl:]]*|)}")
    [[ -z $before ]] || compset -P 1 '*='
    compadd "$@" -- "${(@)offered}"
}

__repoman_offer_flags() {
    local flag
    local -a flags offered
    __repoman_flags "$command"
    for flag in "${(@)flags}"; do
        [[ $used == *" ${flag%%:*} "* ]] || offered+=("$flag")
    done
    _describe -o flag offered
}

__repoman_offer_folders() {
    [[ -z $before ]] || compset -P 1 '*='
    _path_files -/ "$@"
}

__repoman_offer_repos() {
    local root
    case ${PREFIX#$before} in
        [/~]*) __repoman_offer_folders ;;
        *)
            __repoman_as_in_bash __repoman_root
            __repoman_offer_folders -W "$root"
            ;;
    esac
}

__repoman_complete() {
    emulate -L zsh
    setopt extended_glob
    local program=$1 command kind before used cur=$PREFIX
    local -a found commands
    __repoman_as_in_bash __repoman_decide "${(@)words[2,CURRENT-1]}"
    case $kind in
        any) return 1 ;;
        file) _files ;;
        folder) __repoman_offer_folders ;;
        repo) __repoman_offer_repos ;;
        flag) __repoman_offer_flags ;;
        command) __repoman_commands && _describe command commands ;;
        choice\ *) found=(${(s: :)kind#choice }) && __repoman_offer ;;
        *) __repoman_as_in_bash __repoman_find && __repoman_offer ;;
    esac
}

# inv: as `repoman` where its tasks are repoman's, and elsewhere as it was before.
__repoman_complete_inv() {
    local folder
    if __repoman_checkout; then
        __repoman_complete inv
        return
    elif [[ -n $__repoman_inv_before ]]; then
        $__repoman_inv_before "$@"
        return
    fi
    for folder in $fpath; do
        if [[ -f $folder/_inv ]]; then
            autoload -Uz _inv && _inv "$@"
            return
        fi
    done
    _default
}

_repoman() {
    case $service in
        inv) __repoman_complete_inv "$@" ;;
        *) __repoman_complete repoman ;;
    esac
}

if [[ $funcstack[1] == _repoman ]]; then
    _repoman "$@"
elif (($+functions[compdef])); then
    typeset -g __repoman_inv_before=${${_comps[inv]-}:#_repoman}
    compdef _repoman repoman inv
fi
"""


def script(commands: Sequence[Command], images: Sequence[str], profiles: Sequence[str]) -> str:
    """The script for zsh; `images` and `profiles` are those that hold without a registry."""
    return "".join(
        [
            "#compdef repoman inv\n",
            first_line("zsh"),
            _HEAD.lstrip("\n"),
            f"typeset -ga __repoman_images=({shlex.join(images)})\n",
            f"typeset -ga __repoman_profiles=({shlex.join(profiles)})\n",
            "typeset -g __repoman_inv_before\n\n",
            _commands(commands),
            "\n",
            _flags(commands),
            "\n",
            tables(commands),
            LINE,
            REGISTRY,
            SSH,
            _MAIN,
        ]
    )


def _commands(commands: Sequence[Command]) -> str:
    typed = _described((c.name, c.help) for c in commands if c.name and not c.chore)
    chores = _described((c.name, c.help) for c in commands if c.chore)
    return (
        "__repoman_commands() {\n"
        f"    commands=({typed}\n    )\n"
        f"    [[ $program != inv ]] || commands+=({chores}\n    )\n"
        "}\n"
    )


def _flags(commands: Sequence[Command]) -> str:
    rows = []
    for command in commands:
        flags = _described((f.names[0], f.help) for f in command.flags)
        rows.append(f"        {command.name or chr(39) * 2}) flags=({flags}\n        ) ;;\n")
    return f"__repoman_flags() {{\n    case $1 in\n{''.join(rows)}    esac\n}}\n"


def _described(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f"\n        {shlex.quote(f'{name}:{text}')}" for name, text in pairs)
