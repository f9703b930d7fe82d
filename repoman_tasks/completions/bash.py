"""The completion for bash."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from repoman_tasks.completions.grammar import Command, first_line
from repoman_tasks.completions.posix_part import LINE, REGISTRY, SSH, tables

__all__ = ["script"]

_HEAD = r"""
# TAB starts no process: what is offered stands here, in the registry and in ssh_config.
# Load it with `source`, or have `repoman completion install` put it where bash looks.
# shellcheck shell=bash disable=SC2034,SC2088,SC2178,SC2179,SC2209

# --- the commands ---------------------------------------------------------------------------

"""

_MAIN = r"""
# --- bash -----------------------------------------------------------------------------------

__repoman_lines() {
    [[ -f $1 && -r $1 ]] && mapfile -t lines <"$1"
}

# Leave only those `lines` that begin with one of the letters $1, or may hold a table or a value
# that goes on, without those that begin with the pattern $2; and those where a string of several
# lines may begin or end. Where there is none it is done to all at once, which is much faster.
__repoman_keep() {
    local - LC_ALL=C IFS= text first="$1pdh[]{}\"' "$'\t'
    local -a kept=()
    set -f
    if [[ ! ${lines[*]} =~ \"\"\"|\'\'\' ]]; then
        # shellcheck disable=SC2206,SC2068 # what is empty is to go
        lines=(${lines[@]/#[!$1pdh\[\{\}\]\"\' $'\t']*/})
        # shellcheck disable=SC2206,SC2068,SC2295
        lines=(${lines[@]/#$2*/})
        return
    fi
    for text in "${lines[@]}"; do
        # shellcheck disable=SC2254 # a pattern
        case $text in
            *\"\"\"* | *\'\'\'*) kept+=("$text") ;;
            '' | $2*) ;;
            *) [[ $first != *"${text:0:1}"* ]] || kept+=("$text") ;;
        esac
    done
    lines=("${kept[@]}")
}

# Put into `files` what the pattern $1 stands for. It is one of ssh_config.
__repoman_glob() {
    local IFS=
    files=()
    # shellcheck disable=SC2206 # a pattern
    shopt -q failglob || files=($1)
}

# Put the words before the cursor's into `earlier`, and the latter into `typed`. bash parts them
# at each = and : too; `piece` is what it will put another word in the place of.
__repoman_words() {
    local rest=${COMP_LINE:0:COMP_POINT} trimmed word
    local -i number
    earlier=() typed=''
    for ((number = 0; number <= COMP_CWORD; number++)); do
        word=${COMP_WORDS[number]}
        trimmed=${rest#"${rest%%[![:space:]]*}"}
        if [[ $number -gt 0 && ($trimmed != "$rest" || -z $rest) ]]; then
            earlier+=("$typed")
            typed=''
        fi
        if ((number == COMP_CWORD)); then
            word=$trimmed
        fi
        piece=$word
        typed+=$word
        rest=${trimmed#"$word"}
    done
    earlier=("${earlier[@]:1}")
    [[ -n ${piece//[@=:]/} ]] || piece=''
}

# Put what the word $1 means into `plain`, quotes removed and nothing else done; `quote` is the
# quote that it leaves open.
__repoman_plain() {
    local rest=$1 sign
    plain='' quote=''
    while [[ -n $rest ]]; do
        sign=${rest:0:1} rest=${rest:1}
        if [[ $sign == "$quote" ]]; then
            quote=''
        elif [[ -z $quote && ($sign == \' || $sign == \") ]]; then
            quote=$sign
        elif [[ $sign == \\ && $quote != \' ]]; then
            plain+=${rest:0:1} rest=${rest:1}
        else
            plain+=$sign
        fi
    done
}

# Offer those of `found` that the word can become, each as it has to be typed.
__repoman_offer() {
    local head=${typed%"$piece"} text plain quote stands
    __repoman_plain "$head"
    stands=$plain
    __repoman_plain "$typed"
    for text in "${found[@]}"; do
        [[ $before$text == "$plain"* ]] || continue
        case $text in
            '' | [-~]* | *[[:cntrl:]]*) continue ;;
        esac
        text=$before$text
        text=${text#"$stands"}
        case $quote$text in
            *[!A-Za-z0-9_./:@%+,=-]*) __repoman_quoted ;;
        esac
        COMPREPLY+=("$text")
    done
}

# Make `text` what has to be typed for it, within the `quote` that is open.
__repoman_quoted() {
    case $quote in
        \') text=${text//\'/\'\\\'\'} ;;
        \")
            text=${text//\\/\\\\} text=${text//\"/\\\"}
            text=${text//\$/\\\$} text=${text//\`/\\\`}
            text=${text//!/\"\'!\'\"} # which bash would look up among earlier lines
            ;;
        *) printf -v text '%q' "$text" ;;
    esac
}

# Offer the flags of `command` that are not `used`, or those that stand before a command.
__repoman_offer_flags() {
    local flag
    for flag in "${flags[@]}"; do
        if [[ $flag == "$cur"* && $used != *" $flag "* ]]; then
            COMPREPLY+=("$flag")
        fi
    done
}

# Offer the folders below local_repos, as `--repo` takes them.
__repoman_offer_repos() {
    local root folder plain quote
    __repoman_root
    __repoman_plain "$cur"
    cur=$plain found=()
    shopt -q failglob && return 0
    for folder in "$root/$cur"*/; do
        [[ -d $folder ]] && found+=("${folder:${#root}+1}")
    done
    compopt -o nospace
    __repoman_offer
}

_repoman() {
    local IFS=$' \t\n' program=${1##*/} command kind before used piece typed cur
    local -a earlier found flags
    COMPREPLY=()
    __repoman_words
    cur=$typed
    __repoman_decide "${earlier[@]}"
    cur=${typed#"$before"}
    case $kind in
        any) ;;
        file) compopt -o bashdefault -o default ;;
        folder) compopt -o dirnames ;;
        repo)
            case $cur in
                [/~]*) compopt -o dirnames ;;
                *) __repoman_offer_repos ;;
            esac
            ;;
        flag) __repoman_flags "$command" && __repoman_offer_flags ;;
        command) __repoman_commands && __repoman_offer ;;
        choice\ *)
            # shellcheck disable=SC2206 # words of this script
            found=(${kind#choice }) && __repoman_offer
            ;;
        *) __repoman_find && __repoman_offer ;;
    esac
    return 0
}

# --- inv: as `repoman` where its tasks are repoman's, and elsewhere as it was before ---------

_repoman_inv() {
    if __repoman_checkout; then
        compopt +o default +o bashdefault +o dirnames +o plusdirs +o filenames +o nospace
        _repoman "$@"
    elif [[ -n $__repoman_inv_before ]]; then
        "$__repoman_inv_before" "$@"
    else
        compopt -o bashdefault -o default
    fi
}

# Load the completion of inv that the package bash-completion would have loaded.
__repoman_load_other_inv() {
    local IFS=: folder file first
    declare -F _completion_loader >/dev/null || declare -F _comp_load >/dev/null || return 0
    local data=${XDG_DATA_HOME:-$HOME/.local/share}/bash-completion
    local -a folders=("${BASH_COMPLETION_USER_DIR:-$data}")
    for folder in ${XDG_DATA_DIRS:-/usr/local/share:/usr/share}; do
        folders+=("$folder/bash-completion")
    done
    for folder in "${folders[@]}"; do
        for file in "$folder/completions/"{inv,inv.bash,_inv}; do
            if [[ -f $file && -r $file ]]; then
                read -r first <"$file"
                # shellcheck source=/dev/null
                [[ $first == "# repoman's "* ]] || { source "$file" && return 0; }
            fi
        done
    done
}

# Stand before the function that completes inv, if there is one. What completes it otherwise
# stays as it is.
__repoman_take_inv() {
    local IFS=$' \t\n' spec name word
    local -a options=()
    complete -p inv >/dev/null 2>&1 || __repoman_load_other_inv
    spec=$(complete -p inv 2>/dev/null)
    spec=${spec% inv}
    name=${spec##* } spec=${spec#complete}
    [[ $name != _repoman_inv ]] || return 0
    if [[ -n $name ]]; then
        [[ $spec == *' -F '* ]] || return 0
        spec=${spec% -F *}
        for word in $spec; do
            case $word in
                -o) ;;
                [a-z]*) options+=(-o "$word") ;;
                *) return 0 ;;
            esac
        done
    fi
    __repoman_inv_before=$name
    complete "${options[@]}" -F _repoman_inv inv
}

complete -F _repoman repoman
__repoman_take_inv
"""


def script(commands: Sequence[Command], images: Sequence[str], profiles: Sequence[str]) -> str:
    """The script for bash; `images` and `profiles` are those that hold without a registry."""
    return "".join(
        [
            first_line("bash"),
            _HEAD.lstrip("\n"),
            f"__repoman_images=({shlex.join(images)})\n",
            f"__repoman_profiles=({shlex.join(profiles)})\n\n",
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
    typed = " ".join(command.name for command in commands if command.name and not command.chore)
    chores = " ".join(command.name for command in commands if command.chore)
    return (
        "__repoman_commands() {\n"
        f"    found=({typed})\n"
        f"    [[ $program != inv ]] || found+=({chores})\n"
        "}\n"
    )


def _flags(commands: Sequence[Command]) -> str:
    rows = ""
    for command in commands:
        names = " ".join(flag.names[0] for flag in command.flags)
        rows += f"        '{command.name}') flags=({names}) ;;\n"
    return f"__repoman_flags() {{\n    case $1 in\n{rows}    esac\n}}\n"
