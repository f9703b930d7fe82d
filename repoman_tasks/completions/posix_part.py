"""The part of a script that bash and zsh both understand: reading the line and the registry.

zsh runs it with the options extended_glob, ksh_arrays and bash_rematch. Both find values as
text only: nothing that stands in a file is evaluated, and no function here starts a process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from repoman_tasks.completions.grammar import Command

__all__ = ["LINE", "REGISTRY", "SSH", "tables"]

LINE = r"""
# Read the line as the program does. The arguments are the words before the one at the cursor,
# which is `cur`. Sets `kind`, what that is to be, and `before`, what of it stands already.
__repoman_decide() {
    local word value='' pending='' greedy='' ended='' elsewhere=${REPOMAN_HOST-}
    command='' kind='' before='' used=' '
    for word in "$@"; do
        if [[ -n $ended ]]; then
            break
        elif [[ -n $value ]]; then
            value=''
        elif [[ $word == -- ]]; then
            ended=yes
        elif [[ $word == -* ]]; then
            __repoman_see_flag "$word"
        elif __repoman_is_command "$word" && [[ -z $pending || -z $greedy ]]; then
            command=$word used=' '
            __repoman_word "$command"
        else
            pending=''
        fi
    done
    if [[ -n $ended ]]; then
        kind=file
    elif [[ -n $value ]]; then
        kind=$value
    elif [[ $cur == --*=* ]]; then
        before=${cur%%=*}=
        __repoman_value "$command" "${cur%%=*}"
        kind=${value:-any}
    elif [[ $cur == -* ]]; then
        kind=flag
    else
        kind=${pending:-command}
    fi
    # The projects of another host stand in its own registry.
    [[ $kind != project || -z $elsewhere ]] || kind=any
}

__repoman_see_flag() {
    local flag=${1%%=*}
    [[ $flag != --host ]] || elsewhere=yes
    __repoman_repeats "$flag" || used+="$flag "
    [[ $1 == *=* ]] || __repoman_value "$command" "$flag"
}

# Whether the nearest tasks.py upwards, which is what inv takes, is repoman's own.
__repoman_checkout() {
    local folder=$PWD
    while :; do
        if [[ -e $folder/tasks.py || -e $folder/tasks/__init__.py ]]; then
            [[ -f $folder/repoman_tasks/commands/__init__.py ]]
            return
        fi
        [[ -n $folder ]] || return 1
        folder=${folder%/*}
    done
}
"""

REGISTRY = r"""
# --- the registry ---------------------------------------------------------------------------

# Put into `found` what the registry has under the key $1, at projects and defaults; or the
# names of its hosts, for `hosts`.
__repoman_registry() {
    local file=${REPOMAN_CONFIG:-${XDG_CONFIG_HOME:-$HOME/.config}/repoman/repoman.toml}
    local key=$1 line table='' until='' inside='' depth=0 level=0 member rest
    local -a lines
    __repoman_lines "$file" || return 0
    # Most lines begin with no key that is of use.
    case $key in
        name) __repoman_keep n 'pro[!j]' ;;
        image) __repoman_keep ia 'pro[!j]' ;;
        profiles) __repoman_keep pa 'pro[!fj]' ;;
        local_repos) __repoman_keep l 'last_' ;;
        hosts) __repoman_keep_tables ;;
    esac
    for line in "${lines[@]}"; do
        if [[ -z $until$inside ]]; then
            case $line in
                '[[project]]')
                    table=project
                    continue
                    ;;
                "$key = \""[!\"]*)
                    rest=${line#*\"}
                    rest=${rest%%\"*}
                    if [[ $table == [pd]* && $rest != *\\* ]]; then
                        found+=("$rest")
                        continue
                    fi
                    ;;
            esac
            member=${line%%[!A-Za-z0-9_-]*}
            if [[ -n $member && -n $table && $table != hosts ]]; then
                if __repoman_wanted "$member"; then
                    ! __repoman_read_plain || continue
                elif [[ $line != *\"\"\"* && $line != *\'\'\'* ]]; then
                    continue
                fi
            fi
        fi
        __repoman_read_line
    done
}

# The keys of a table [hosts] can begin with any letter; tables such as [hosts.nas] are usual.
__repoman_keep_tables() {
    local table='\[[[:space:]]*["'\'']?hosts["'\'']?[[:space:]]*\]'
    [[ ${lines[*]} =~ $table ]] || __repoman_keep h 'pro[!j]'
}

# Read a line such as `name = "isurus"`, which most are; or fail.
__repoman_read_plain() {
    [[ $table == [pd]* ]] || return 1
    rest=${line#"$member"}
    rest=${rest#"${rest%%[![:space:]]*}"}
    [[ $rest == "="* ]] || return 1
    rest=${rest#=}
    rest=${rest#"${rest%%[![:space:]]*}"}
    case $rest in
        \"[!\"]*) ;;
        *) return 1 ;;
    esac
    rest=${rest#\"}
    rest=${rest%%\"*}
    [[ $rest != *\\* ]] && found+=("$rest")
}

__repoman_key='([A-Za-z0-9_-]+|"([^"\\]|\\.)*"|'\''[^'\'']*'\'')'
__repoman_header='^[[:space:]]*(\[\[?)[[:space:]]*'$__repoman_key
__repoman_header+='([[:space:]]*\.[[:space:]]*'$__repoman_key')?[[:space:]]*([].])'
__repoman_member='^[[:space:]]*'$__repoman_key'[[:space:]]*([.=])(.*)$'
__repoman_basic='^"(([^"\\]|\\.)*)"(.*)$'

# One `line`, which may be the middle of something that began above it.
__repoman_read_line() {
    local first second brackets end text
    if [[ -n $until$inside ]]; then
        __repoman_scan
    elif [[ ${line#"${line%%[![:space:]]*}"} == \[* && $line =~ $__repoman_header ]]; then
        brackets=${BASH_REMATCH[1]} first=${BASH_REMATCH[2]}
        second=${BASH_REMATCH[5]} end=${BASH_REMATCH[7]}
        __repoman_read_header
    elif [[ $line =~ $__repoman_member ]]; then
        first=${BASH_REMATCH[1]} end=${BASH_REMATCH[3]} rest=${BASH_REMATCH[4]}
        __repoman_unquoted "$first"
        __repoman_read_member
    elif [[ $line == *\"\"\"* || $line == *\'\'\'* ]]; then
        inside=other
        __repoman_scan
    fi
}

__repoman_read_header() {
    __repoman_unquoted "$first"
    table=$brackets$text
    if [[ $table == '[hosts' && -n $second ]]; then
        table=other
        [[ $key != hosts ]] || { __repoman_unquoted "$second" && found+=("$text"); }
    elif [[ -n $second || $end == . ]]; then
        table=other
    fi
    case $table in
        '[[project') table=project ;;
        '[defaults') table=defaults ;;
        '[hosts') table=hosts ;;
        *) table=other ;;
    esac
}

# The key `text` of the `table`; `rest` is what follows the sign `end` behind it.
__repoman_read_member() {
    inside=other level=0 member=''
    if [[ -z $table && $end == . && $text == defaults && $rest =~ $__repoman_member ]]; then
        end=${BASH_REMATCH[3]} rest=${BASH_REMATCH[4]}
        __repoman_unquoted "${BASH_REMATCH[1]}"
        ! __repoman_wanted "$text" || inside=value
    elif [[ -z $table && $end == . && $text == hosts && $rest =~ $__repoman_member ]]; then
        __repoman_unquoted "${BASH_REMATCH[1]}"
        [[ $key != hosts ]] || found+=("$text")
    elif [[ -z $table && $end == '=' ]]; then
        case $text in
            project) inside=tables level=2 ;;
            defaults | hosts) inside=$text level=1 ;;
        esac
    elif [[ $table == hosts && $key == hosts ]]; then
        found+=("$text")
    elif [[ $table == project || $table == defaults ]]; then
        ! __repoman_wanted "$text" || inside=value
    fi
    # What is not wanted is passed over line by line, which is faster, unless it hides lines.
    if [[ $inside == other && $rest != *\"\"\"* && $rest != *\'\'\'* ]]; then
        inside=''
    else
        line=$rest
        __repoman_scan
    fi
}

__repoman_wanted() { [[ $1 == "$key" || $1 == *_"$key" ]]; }

# Read the value in `line`; what is open at its end goes on in the next one. `level` is how
# deep the keys stand that count.
__repoman_scan() {
    local text whole=''
    while [[ -n $line ]]; do
        if [[ -n $until ]]; then
            __repoman_long_string || return 0
        fi
        case $line in
            \"\"\"* | \'\'\'*) until=${line:0:3} line=${line:3} whole=yes ;;
            \"* | \'*) __repoman_string || line='' ;;
            \#*) line='' ;;
            \[* | \{*) depth=$((depth + 1)) line=${line:1} ;;
            \]* | \}*) depth=$((depth - 1)) line=${line:1} ;;
            ,*) line=${line:1} ;;
            ?*) __repoman_bare ;;
        esac
    done
    if [[ -z $until ]] && ((depth <= 0)); then
        inside='' depth=0
    fi
}

# Pass the end of a string in three quotes, or fail where it is not in this line.
__repoman_long_string() {
    local plain=$line content
    [[ $until == \'\'\' ]] || plain=${line//\\?/__}
    [[ $plain == *"$until"* ]] || { line=''; return 1; }
    plain=${plain%%"$until"*}
    content=${line:0:${#plain}} line=${line:$((${#plain} + 3))}
    while [[ $line == "${until:0:1}"* ]]; do # it may end in quotes of its own
        content+=${until:0:1} line=${line:1}
    done
    [[ -n $whole ]] || content='' # no value that is wanted has several lines
    text=${until:0:1}$content${until:0:1} until=''
    __repoman_unquoted "$text"
    __repoman_value_found
}

__repoman_string() {
    local quote=${line:0:1}
    text=${line:1}
    if [[ $text != *"$quote"* ]]; then
        return 1
    elif [[ $quote == \" && ${text%%\"*} == *\\* ]]; then
        [[ $line =~ $__repoman_basic ]] || return 1
        text=${BASH_REMATCH[1]} line=${BASH_REMATCH[3]}
    else
        line=${text#*"$quote"} text=${text%%"$quote"*}
    fi
    __repoman_unquoted "$quote$text$quote"
    if [[ ${line#"${line%%[![:space:]]*}"} == [.=]* ]]; then
        __repoman_member_found
    else
        __repoman_value_found
    fi
}

# What stands between strings and signs: a number, or a key and what parts it from its value.
__repoman_bare() {
    local chunk=${line%%[]\"\'\#,[]*}
    chunk=${chunk%%\{*}
    chunk=${chunk%%\}*}
    line=${line#"$chunk"}
    chunk=${chunk#"${chunk%%[![:space:]]*}"}
    text=${chunk%%[!A-Za-z0-9_-]*}
    chunk=${chunk#"$text"}
    if [[ -n $text && ${chunk#"${chunk%%[![:space:]]*}"} == [.=]* ]]; then
        __repoman_member_found
    fi
}

__repoman_member_found() {
    ((depth == level)) || return 0
    member=$text
    if [[ $inside == hosts && $key == hosts ]]; then
        found+=("$text")
    fi
}

__repoman_value_found() {
    case $inside in
        value) ((depth > 1)) || found+=("$text") ;;
        tables | defaults)
            if ((depth >= level && depth <= level + 1)) && __repoman_wanted "$member"; then
                found+=("$text")
            fi
            ;;
    esac
}

# Put the key or string $1 into `text`, as it is meant.
__repoman_unquoted() {
    text=$1
    case $text in
        \"*) text=${text#\"} text=${text%\"} ;;
        \'*) text=${text#\'} text=${text%\'}; return 0 ;;
    esac
    if [[ $text == *\\* ]]; then
        text=${text//\\\"/\\x22}
        printf -v text '%b' "$text"
    fi
}
"""

SSH = r"""
# --- ssh_config -----------------------------------------------------------------------------

# Put into `found` the hosts of the file $1 and of those it includes, patterns left out. $2 is
# where the latter are, $3 how deep this one stands in others.
__repoman_ssh() {
    local line keyword item folder=$2 deep=$3
    local -a lines files
    __repoman_lines "$1" || return 0
    for line in "${lines[@]}"; do
        line=${line#"${line%%[![:space:]]*}"}
        keyword=${line%%[[:space:]=]*}
        case $keyword in
            [Hh][Oo][Ss][Tt] | [Ii][Nn][Cc][Ll][Uu][Dd][Ee]) ;;
            *) continue ;;
        esac
        line=${line#"$keyword"}
        line=${line#"${line%%[![:space:]=]*}"}
        while [[ -n $line && $line != '#'* ]]; do
            case $line in
                \"*\"*) item=${line#\"} line=${line#\"*\"} item=${item%%\"*} ;;
                *) item=${line%%[[:space:]]*} line=${line#"$item"} ;;
            esac
            line=${line#"${line%%[![:space:]]*}"}
            if [[ $keyword == [Ii]* ]]; then
                ((deep >= 4)) || __repoman_include "$item"
            elif [[ $item != *[*?!]* ]]; then
                found+=("$item")
            fi
        done
    done
}

__repoman_include() {
    local file=$1
    case $file in
        /*) ;;
        '~/'*) file=$HOME/${file:2} ;;
        *) file=$folder/$file ;;
    esac
    __repoman_glob "$file"
    for file in "${files[@]}"; do
        __repoman_ssh "$file" "$folder" $((deep + 1))
    done
}

# --- what is offered ------------------------------------------------------------------------

# Put into `found` all that a word of that `kind` can be.
__repoman_find() {
    found=()
    case $kind in
        project) __repoman_registry name ;;
        image) __repoman_registry image; found+=("${__repoman_images[@]}") ;;
        profile) __repoman_registry profiles; found+=("${__repoman_profiles[@]}") ;;
        host)
            __repoman_registry hosts
            __repoman_ssh "$HOME/.ssh/config" "$HOME/.ssh" 0
            __repoman_ssh /etc/ssh/ssh_config /etc/ssh 0
            ;;
    esac
}

# Set `root`, the folder of the local working copies.
__repoman_root() {
    found=()
    __repoman_registry local_repos
    root=${found[0]:-${LOCAL_REPOS:-\~/repos}}
    [[ $root != '~/'* ]] || root=$HOME/${root:2}
}
"""


def tables(commands: Sequence[Command]) -> str:
    """The functions that know the commands: which there are, their words and their values."""
    return "\n".join(
        [
            _is_command(commands),
            _words(commands),
            _values(commands),
            _repeats(commands),
        ]
    )


def _is_command(commands: Iterable[Command]) -> str:
    names = " | ".join(command.name for command in commands if command.name)
    return _function("__repoman_is_command", "$1", [(names, ""), ("*", "return 1")])


def _words(commands: Iterable[Command]) -> str:
    rows = []
    for command in commands:
        if command.word:
            greedy = " greedy=yes" if command.greedy else ""
            rows.append((command.name, f"pending={_quoted(command.word)}{greedy}"))
    function = _function("__repoman_word", "$1", rows)
    return function.replace("{\n", "{\n    pending='' greedy=''\n", 1)


def _values(commands: Iterable[Command]) -> str:
    by_kind: dict[str, list[str]] = {}
    for command in commands:
        for flag in command.flags:
            if flag.value:
                for name in flag.names:
                    by_kind.setdefault(flag.value, []).append(f"'{command.name} {name}'")
    rows = [(pattern, f"value={_quoted(kind)}") for kind, pattern in _patterns(by_kind)]
    return _function("__repoman_value", '"$1 $2"', rows)


def _patterns(by_kind: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    for kind, patterns in by_kind.items():
        yield kind, " | ".join(patterns)


def _repeats(commands: Iterable[Command]) -> str:
    names = {name for c in commands for flag in c.flags if flag.repeats for name in flag.names}
    rows = [(" | ".join(sorted(names)), ""), ("*", "return 1")]
    return _function("__repoman_repeats", "$1", rows)


def _function(name: str, what: str, rows: Iterable[tuple[str, str]]) -> str:
    lines = (f"        {pattern}) {does + ' ' if does else ''};;\n" for pattern, does in rows)
    body = "".join(lines)
    return f"{name}() {{\n    case {what} in\n{body}    esac\n}}\n"


def _quoted(text: str) -> str:
    return f"'{text}'" if " " in text else text
