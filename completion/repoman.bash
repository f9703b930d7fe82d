# repoman's completion for bash, made by `inv dev.completion`; not to be edited.
# TAB starts no process: what is offered stands here, in the registry and in ssh_config.
# Load it with `source`, or have `repoman completion install` put it where bash looks.
# shellcheck shell=bash disable=SC2034,SC2088,SC2178,SC2179,SC2209

# --- the commands ---------------------------------------------------------------------------

__repoman_images=(images:ubuntu/26.04/cloud)
__repoman_profiles=(default claude-share)

__repoman_commands() {
    found=(help adopt completion exec list new remove restart setup shell start status stop sync trust untrust update)
    [[ $program != inv ]] || found+=(dev.bench dev.completion dev.demo dev.lint dev.man dev.matrix dev.package dev.pictures dev.reference dev.test)
}

__repoman_flags() {
    case $1 in
        '') flags=(--help --version --list --debug --dry) ;;
        'help') flags=() ;;
        'adopt') flags=(--from-project --repo --dry-run --yes --no-input --host --help) ;;
        'completion') flags=(--shell --dry-run --yes --no-input --host --help) ;;
        'exec') flags=(--yes --no-input --host --help) ;;
        'list') flags=(--json --yes --no-input --host --help) ;;
        'new') flags=(--profile --repo --image --clone --create --no-container --no-backup --trust --dry-run --yes --no-input --host --help) ;;
        'remove') flags=(--keep-repo --delete-repo --dry-run --yes --no-input --host --help) ;;
        'restart') flags=(--force --dry-run --yes --no-input --host --help) ;;
        'setup') flags=(--local-repos --nfs-repos --new-share --adopt-share --storage-pool --network --init-incus --repair --dry-run --yes --no-input --host --help) ;;
        'shell') flags=(--forward-agent --yes --no-input --host --help) ;;
        'start') flags=(--dry-run --yes --no-input --host --help) ;;
        'status') flags=(--values --repair --missing --orphan --half-made --seen --json --watch --interval --yes --no-input --host --help) ;;
        'stop') flags=(--force --dry-run --yes --no-input --host --help) ;;
        'sync') flags=(--dry-run --no-delete --force --itemize --jobs --wait --json --json-lines --yes --no-input --host --help) ;;
        'trust') flags=(--yes --no-input --host --help) ;;
        'untrust') flags=(--yes --no-input --host --help) ;;
        'update') flags=(--restart --rebuild --trust --dry-run --yes --no-input --host --help) ;;
        'dev.bench') flags=(--yes --no-input --host --help) ;;
        'dev.completion') flags=(--yes --no-input --host --help) ;;
        'dev.demo') flags=(--yes --no-input --host --help) ;;
        'dev.lint') flags=(--yes --no-input --host --help) ;;
        'dev.man') flags=(--yes --no-input --host --help) ;;
        'dev.matrix') flags=(--yes --no-input --host --help) ;;
        'dev.package') flags=(--to --yes --no-input --host --help) ;;
        'dev.pictures') flags=(--yes --no-input --host --help) ;;
        'dev.reference') flags=(--yes --no-input --host --help) ;;
        'dev.test') flags=(--tier --all --k --coverage --missing --yes --no-input --host --help) ;;
    esac
}

__repoman_is_command() {
    case $1 in
        help | adopt | completion | exec | list | new | remove | restart | setup | shell | start | status | stop | sync | trust | untrust | update | dev.bench | dev.completion | dev.demo | dev.lint | dev.man | dev.matrix | dev.package | dev.pictures | dev.reference | dev.test) ;;
        *) return 1 ;;
    esac
}

__repoman_word() {
    pending='' greedy=''
    case $1 in
        adopt) pending=any greedy=yes ;;
        completion) pending='choice install remove' greedy=yes ;;
        exec) pending=project ;;
        new) pending=any greedy=yes ;;
        remove) pending=project greedy=yes ;;
        restart) pending=project ;;
        shell) pending=project ;;
        start) pending=project ;;
        status) pending=project ;;
        stop) pending=project ;;
        sync) pending=project ;;
        trust) pending=project ;;
        untrust) pending=project ;;
        update) pending=project ;;
    esac
}

__repoman_value() {
    case "$1 $2" in
        'adopt --from-project' | 'new --clone' | 'setup --storage-pool' | 'setup --network' | 'status --interval' | 'sync --jobs' | 'sync -j' | 'dev.test --tier' | 'dev.test --k') value=any ;;
        'adopt --repo' | 'new --repo') value=repo ;;
        'adopt --host' | 'completion --host' | 'exec --host' | 'list --host' | 'new --host' | 'remove --host' | 'restart --host' | 'setup --host' | 'shell --host' | 'start --host' | 'status --host' | 'stop --host' | 'sync --host' | 'trust --host' | 'untrust --host' | 'update --host' | 'dev.bench --host' | 'dev.completion --host' | 'dev.demo --host' | 'dev.lint --host' | 'dev.man --host' | 'dev.matrix --host' | 'dev.package --host' | 'dev.pictures --host' | 'dev.reference --host' | 'dev.test --host') value=host ;;
        'completion --shell') value='choice bash fish zsh' ;;
        'new --profile') value=profile ;;
        'new --image') value=image ;;
        'setup --local-repos' | 'setup --nfs-repos' | 'dev.package --to') value=folder ;;
        'status --missing') value='choice recreate forget' ;;
        'status --orphan') value='choice adopt destroy' ;;
        'status --half-made') value='choice finish remove' ;;
    esac
}

__repoman_repeats() {
    case $1 in
        --profile | --tier) ;;
        *) return 1 ;;
    esac
}

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
