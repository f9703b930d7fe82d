#!/bin/sh
# repoman's guard for git, as `repoman git-guard install` puts it before the real git on PATH.
#
# Called as `git`, it runs the real git at once outside of the guarded folders. Inside, it first
# judges what the real git would read there. Called as `repoman-judge REPO…`, by `sh -c`, it
# prints what it refuses in each REPO; repoman's `status` and `trust --git` do that.
#
# The first part runs in every call of git, so it starts no program.

state=/nowhere # `git-guard install` sets it

nl='
'
tab='	'
set -f

# Set `real` to the git that PATH has besides this one.
find_real() {
    IFS=:
    for folder in $PATH; do
        case $folder/ in */repoman/bin/ | */repoman/bin// | [!/]*) continue ;; esac
        # shellcheck disable=SC3013 # dash, busybox, bash and ksh have -ef
        if [ -f "$folder/git" ] && [ -x "$folder/git" ] && ! [ "$folder/git" -ef "$0" ]; then
            real=$folder/git
            break
        fi
    done
    IFS=" $tab$nl"
}

# Set `parsed` to the command, `left` to the number of arguments from it on, `dir` to git's folder,
# and `given_dir` to the git directory given.
parse() {
    parsed='' left=0 dir=. given_dir=${GIT_DIR-} given_tree=${GIT_WORK_TREE-} bare=
    while [ $# -gt 0 ]; do
        case $1 in
        -C) case ${2-} in '') ;; /*) dir=$2 ;; *) dir=$dir/$2 ;; esac ;;
        --git-dir) given_dir=${2-} ;;
        --git-dir=*) given_dir=${1#*=} ;;
        --work-tree) given_tree=${2-} ;;
        --work-tree=*) given_tree=${1#*=} ;;
        --bare) bare=1 ;;
        -*) ;;
        *)
            parsed=$1 left=$#
            break
            ;;
        esac
        case $1 in
        -C | -c | --git-dir | --work-tree | --namespace | --super-prefix | --config-env | \
            --attr-source | --shallow-file)
            [ $# -gt 1 ] || break
            shift
            ;;
        esac
        shift
    done
    [ -z "$bare" ] || given_dir=${given_dir:-.}
}

# Set `physical` to the folder $1 with links resolved; return 1 if it is none.
resolve() {
    physical=$(CDPATH='' && cd -P -- "$1" 2>/dev/null && printf '%s/' "$PWD") || return 1
    physical=${physical%/}
    physical=${physical:-/}
}

# Set `physical` to the current folder, without starting a process.
resolve_here() {
    logical=${PWD-} old=${OLDPWD-}
    cd -P . 2>/dev/null || return 1
    physical=$PWD PWD=$logical OLDPWD=$old
}

# Set `roots` to the guarded folders, one on each line.
read_roots() {
    roots=
    while IFS= read -r folder; do
        case $folder in /?*) roots=$roots$folder$nl ;; esac
    done <"$state/guard/folders"
}

# Return 0 if the physical path $1 is in a guarded folder, and set `around` to that.
is_guarded() {
    IFS=$nl
    for around in $roots; do
        case $1/ in "$around"/*)
            IFS=" $tab$nl"
            return
            ;;
        esac
    done
    IFS=" $tab$nl"
    return 1
}

# Set `leads` to what the git file $1 in the folder $2 leads to; return 1 if it is no git file.
read_gitfile() {
    IFS= read -r leads <"$1" || [ -n "$leads" ] || return 1
    case $leads in 'gitdir: '?*) leads=${leads#gitdir: } ;; *) return 1 ;; esac
    case $leads in /*) ;; *) leads=$2/$leads ;; esac
    resolve "$leads" && leads=$physical
}

# Return 0 if git would read something in a guarded folder; `dir` is a physical path. Set `outside`
# to a working tree that is outside, but of a guarded repo.
concerns_guarded() {
    outside=
    if [ -n "$given_dir" ]; then
        case $given_dir in /*) ;; *) given_dir=$dir/$given_dir ;; esac
        if [ -f "$given_dir" ]; then
            read_gitfile "$given_dir" "${given_dir%/*}" || return 1
            given_dir=$leads
        fi
        resolve "$given_dir" || return 1
        given_dir=$physical
        is_guarded "$given_dir"
        return
    fi
    is_guarded "$dir" && return
    # A working tree of a guarded repo may be outside.
    at=$dir
    while ! [ -e "$at/.git" ]; do
        case $at in
        /) return 1 ;;
        /*/*) at=${at%/*} ;;
        *) at=/ ;;
        esac
    done
    outside=$at
    if [ -f "$at/.git" ]; then
        read_gitfile "$at/.git" "$at" && is_guarded "$leads"
    elif [ -L "$at/.git" ]; then
        resolve "$at/.git" && is_guarded "$physical"
    else
        return 1
    fi
}

# Return 0 if the command $1 is one of git itself, which no alias replaces, and runs git in no other
# repo, which may be a guarded one.
stays_here() {
    case $1 in
    '' | add | am | apply | bisect | blame | branch | cat-file | check-attr | check-ignore | \
        check-ref-format | checkout | checkout-index | cherry | cherry-pick | clean | \
        commit | commit-graph | commit-tree | config | count-objects | credential | \
        describe | diff | diff-files | diff-index | diff-tree | difftool | fast-export | \
        fast-import | fmt-merge-msg | for-each-ref | format-patch | fsck | gc | grep | \
        hash-object | help | index-pack | init | interpret-trailers | log | ls-files | \
        ls-tree | merge | merge-base | merge-file | merge-tree | mktree | multi-pack-index | \
        mv | name-rev | notes | pack-objects | pack-refs | patch-id | prune | prune-packed | \
        range-diff | read-tree | rebase | reflog | repack | replace | rerere | reset | \
        restore | rev-list | rev-parse | revert | rm | shortlog | show | show-branch | \
        show-ref | sparse-checkout | stash | status | stripspace | switch | symbolic-ref | \
        tag | unpack-file | unpack-objects | update-index | update-ref | update-server-info | \
        var | verify-commit | verify-pack | verify-tag | version | worktree | write-tree) ;;
    *) return 1 ;;
    esac
}

if [ "$0" != repoman-judge ]; then
    find_real
    [ -n "${real-}" ] || {
        echo "repoman: git is not installed" >&2
        exit 127
    }
    [ -r "$state/guard/folders" ] || {
        echo "repoman: $state/guard/folders can't be read:" \
            "run \`repoman git-guard install\`, or \`repoman git-guard remove\`" >&2
        exit 128
    }
    read_roots
    parse "$@"
    case $dir in .) resolve_here ;; *) resolve "$dir" ;; esac || exec "$real" "$@"
    dir=$physical
    concerned=
    concerns_guarded && concerned=1
    [ -n "$concerned" ] || ! stays_here "$parsed" || exec "$real" "$@"
fi

# --- the judge ------------------------------------------------------------------------------

most=512 # folders to look into, and reports
most_deep=16
own_files=
most_text=262144
most_path=1000 # characters: the judge opens files by longer paths than git, which may enter folders

# Every variable that git itself clears for another repo, besides those that find one.
clean() {
    unset GIT_DIR GIT_WORK_TREE GIT_COMMON_DIR GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_NAMESPACE \
        GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_PREFIX GIT_CEILING_DIRECTORIES GIT_CONFIG \
        GIT_CONFIG_PARAMETERS GIT_CONFIG_COUNT GIT_GRAFT_FILE GIT_SHALLOW_FILE \
        GIT_IMPLICIT_WORK_TREE GIT_INTERNAL_SUPER_PREFIX GIT_REPLACE_REF_BASE \
        GIT_NO_REPLACE_OBJECTS GIT_TRACE GIT_TRACE2 GIT_TRACE2_EVENT GIT_TRACE2_PERF
    # git before 2.39.4 and 2.44 does not know GIT_NO_LAZY_FETCH.
    LC_ALL=C GIT_NO_LAZY_FETCH=1 GIT_ALLOW_PROTOCOL=none GIT_OPTIONAL_LOCKS=0
    export LC_ALL GIT_NO_LAZY_FETCH GIT_ALLOW_PROTOCOL GIT_OPTIONAL_LOCKS
    # shellcheck disable=SC3045 # dash, busybox, bash and ksh have -t
    ulimit -t 10
    exec </dev/null # which a file that git includes may name
}

# Run the real git for at most ten seconds: what it opens may be a pipe.
bounded() { timeout 10 "$real" "$@"; }

# Set `mark` to the fingerprint of the arguments.
fingerprint() {
    mark=$(printf '%s\0' "$@" | sha256sum)
    mark=${mark%% *}
}

# Return 0 if a person has approved what the arguments say.
is_approved() {
    [ -f "$state/approvals/git" ] || return 1
    fingerprint "$@"
    [ -n "${approved-}" ] || approved=$(cat -- "$state/approvals/git")
    # Only at the start of a line: further on it is what a repo has named so.
    case $nl$approved in *"$nl$mark$tab"*) ;; *) return 1 ;; esac
}

# Report something by KIND FILE KEY VALUE. What is of the kind `unsafe` can't be approved. Nor can
# what is `unread`: there may be more than is reported.
found() {
    if [ "$0" = repoman-judge ]; then
        [ -z "$stop_judging" ] || return 0
        reports=$((reports + 1))
        if [ "$reports" -gt "$most" ]; then
            stop_judging=1
            set -- unsafe "$first" 'too many reports' ''
        fi
        fingerprint "$@"
        printf '%s\0' "$depth" "$@" "$mark"
        return
    fi
    case $1 in
    unsafe | unread) ;;
    todo) ! is_harmless_during_rebase && ! is_approved "$@" || return 0 ;;
    *) ! is_approved "$@" || return 0 ;;
    esac
    refuse "$@"
}

# Return 0 if the command does not go on with a rebase.
is_harmless_during_rebase() {
    case $parsed in
    status | diff | log | show | rev-parse | config | ls-files | add | describe | symbolic-ref | \
        for-each-ref | branch) return 0 ;;
    rebase | cherry-pick | revert)
        case " $arguments " in *" --abort "* | *" --quit "*) return 0 ;; esac
        ;;
    esac
    return 1
}

# Set `name` to what `repoman trust --git` takes for the path $1: a project, or the path itself.
find_name() {
    name='' best=
    if [ -r "$state/guard/names" ]; then
        while IFS=$tab read -r folder known; do
            case $1/ in "$folder"/*) [ ${#folder} -lt ${#best} ] || name=$known best=$folder ;; esac
        done <"$state/guard/names"
    fi
    [ -n "$name" ] || name=$(printf %s "$1" | LC_ALL=C tr -c '\040-\137\141-\176' '?' | sed "s/'/'\\\\''/g; s/.*/'&'/")
}

# Print why git is not run, and what to do.
refuse() {
    find_name "$first"
    cure="to see and approve it, run \`repoman trust --git $name\`"
    case $1 in unsafe | unread) cure="look there with another program than git" ;; esac
    {
        # Only a cure has backticks.
        printf '%s' "repoman: git does not run here: $3${4:+ = $4} in $2" |
            LC_ALL=C tr -c '\040-\137\141-\176' '?' | cut -c 1-400
        printf 'repoman: %s\n' "$cure"
    } >&2
    exit 128
}

# Return 0 if the path $1 of a folder is in no guarded folder.
is_elsewhere() {
    case $1/ in */../* | */./* | *//*) return 1 ;; esac
    ! is_guarded "$1" || return 1
    if resolve "$1"; then ! is_guarded "$physical"; fi
}

# Return 0 if the URL $1 runs no program of an unknown name or place.
is_safe_url() {
    case $1 in
    '' | -* | *::* | *[[:cntrl:]]*) return 1 ;;
    https://* | http://* | ssh://* | git://*)
        host=${1#*://}
        host=${host%%/*}
        case $host in -* | '') return 1 ;; esac
        case ${host##*@} in -* | '') return 1 ;; esac
        case $1 in ssh://*) ! is_container "$host" || return 1 ;; esac
        ;;
    *://*) return 1 ;; # of file://, and of a path, git runs the hooks, and reads what is private
    *:*)
        host=${1%%:*}
        case $host in */* | -* | *[!A-Za-z0-9@._+~-]*) return 1 ;; esac
        case ${host##*@} in -* | '') return 1 ;; esac
        ! is_container "$host" || return 1
        ;;
    *) return 1 ;;
    esac
}

# Return 0 if ssh may reach the host $1 of a URL, with user and port, by `repoman ssh-config`: the
# repo of another project can be read there. git decodes a % first.
is_container() {
    case $1 in
    *%* | *.[Rr][Ee][Pp][Oo][Mm][Aa][Nn] | *.[Rr][Ee][Pp][Oo][Mm][Aa][Nn][]:]*) return 0 ;;
    esac
    return 1
}

# Return 0 if $1 is this repo, a remote of `list`, or a URL that is safe. git takes a name that is
# no remote for a path, which could be in the working tree.
is_remote() {
    [ "$1" != . ] || return 0
    case $nl$list in *"${nl}remote.$1.url$tab"*) return 0 ;; esac
    is_safe_url "$1"
}

# Return 0 if the key $1 with the value $2 is known to run nothing and to lead nowhere else.
is_allowed() {
    case $1 in
    *[[:cntrl:]]*) return 1 ;;
    core.repositoryformatversion | core.filemode | core.bare | core.logallrefupdates | \
        core.ignorecase | core.symlinks | core.precomposeunicode | core.autocrlf | core.eol | \
        core.safecrlf | core.abbrev | core.compression | core.loosecompression | \
        core.bigfilethreshold | core.quotepath | core.whitespace | core.trustctime | \
        core.checkstat | core.untrackedcache | core.preloadindex | core.splitindex | \
        core.commitgraph | core.multipackindex | core.sharedrepository | core.sparsecheckout | \
        core.sparsecheckoutcone | core.fsync | core.fsyncmethod | core.fsyncobjectfiles | \
        core.deltabasecachelimit | core.packedgitlimit | core.packedgitwindowsize) ;;
    diff.submodule) case $2 in short | log) ;; *) return 1 ;; esac ;;
    core.fsmonitor) [ "$2" = false ] ;;
    core.hookspath) [ "$2" = /dev/null ] ;;
    core.worktree) is_own_worktree "$2" ;;
    extensions.refstorage) case $2 in files | reftable) ;; *) return 1 ;; esac ;;
    extensions.objectformat | extensions.compatobjectformat | extensions.worktreeconfig | \
        extensions.noop | extensions.preciousobjects | extensions.relativeworktrees) ;;
    remote.pushdefault | checkout.defaultremote) is_remote "$2" ;;
    user.name | user.email | user.useconfigonly | author.name | author.email | \
        committer.name | committer.email) ;;
    remote.*.url | remote.*.pushurl | lfs.url | remote.*.lfsurl) is_safe_url "$2" ;;
    remote.*.mirror) case $2 in no | false | off | 0) ;; *) return 1 ;; esac ;; # deletes branches there
    remote.*.push) # `git push x feature` would go to main
        case $2 in +* | :*) return 1 ;; *:*) [ "${2%%:*}" = "${2#*:}" ] ;; esac
        ;;
    remote.*.fetch | remote.*.tagopt | remote.*.prune | remote.*.prunetags | \
        remote.*.skipdefaultupdate | remote.*.skipfetchall | \
        remote.*.followremotehead) ;;
    branch.*.remote | branch.*.pushremote) is_remote "$2" ;;
    branch.*.merge | branch.*.rebase | branch.*.description | branch.autosetupmerge | \
        branch.autosetuprebase | branch.*.vscode-merge-base | \
        branch.*.github-pr-owner-number | branch.*.github-pr-base-branch) ;;
    submodule.*.url) is_safe_url "$2" ;;
    submodule.*.update) case $2 in checkout | merge | rebase | none) ;; *) return 1 ;; esac ;;
    submodule.*.active | submodule.*.branch | submodule.*.ignore | submodule.*.shallow | \
        submodule.*.fetchrecursesubmodules | submodule.active | submodule.recurse | \
        submodule.fetchjobs | submodule.propagatebranches | submodule.alternatelocation | \
        submodule.alternateerrorstrategy) ;;
    push.default) case $2 in nothing | current | simple) ;; *) return 1 ;; esac ;; # to the same name
    pull.rebase | pull.ff | push.autosetupremote | push.followtags | \
        push.recursesubmodules | fetch.prune | fetch.prunetags | fetch.parallel | \
        fetch.recursesubmodules | fetch.writecommitgraph | fetch.fsckobjects | \
        fetch.showforcedupdates | transfer.fsckobjects | receive.fsckobjects | \
        receive.denycurrentbranch | receive.denynonfastforwards | receive.denydeletes) ;;
    merge.ff | merge.conflictstyle | merge.renames | merge.renamelimit | merge.log | \
        merge.stat | merge.autostash | merge.directoryrenames | rebase.autosquash | \
        rebase.autostash | rebase.updaterefs | rebase.stat | rerere.enabled | \
        rerere.autoupdate | commit.gpgsign | commit.verbose | commit.status | commit.cleanup | \
        tag.gpgsign | stash.showpatch | stash.showstat | \
        stash.showincludeuntracked) ;;
    gc.auto | gc.autodetach | gc.autopacklimit | gc.pruneexpire | gc.reflogexpire | \
        gc.reflogexpireunreachable | gc.worktreepruneexpire | gc.packrefs | gc.cruftpacks | \
        gc.rerereresolved | gc.rerereunresolved | gc.aggressivedepth | gc.aggressivewindow | \
        gc.bigpackthreshold | gc.writecommitgraph | maintenance.auto | maintenance.strategy | \
        maintenance.autodetach | pack.threads | pack.window | pack.depth | pack.compression | \
        pack.windowmemory | pack.deltacachesize | pack.packsizelimit | pack.usesparse | \
        pack.writebitmaphashcache | repack.usedeltabaseoffset | repack.writebitmaps | \
        index.version | index.threads | index.sparse | index.skiphash | feature.manyfiles | \
        feature.experimental) ;;
    branch.sort | tag.sort) # a signature has gpg run
        case $2 in *[!a-z:-]* | *signature* | *describe*) return 1 ;; esac
        ;;
    color.* | column.* | advice.* | status.short | status.branch | status.relativepaths | \
        status.aheadbehind | status.displaycommentprefix | status.renames | status.renamelimit | \
        status.showstash | status.showuntrackedfiles | log.date | log.decorate | log.follow | \
        log.abbrevcommit | diff.algorithm | diff.renames | diff.renamelimit | diff.context | \
        diff.interhunkcontext | diff.mnemonicprefix | diff.noprefix | diff.colormoved | \
        diff.colormovedws | diff.indentheuristic | diff.ignoresubmodules | \
        diff.relative | diff.suppressblankempty | diff.wserrorhighlight | \
        blame.date | init.defaultbranch | http.postbuffer) ;;
    blame.ignorerevsfile) is_top_file "$2" ;;
    i18n.commitencoding | i18n.logoutputencoding) case $2 in *[!A-Za-z0-9._-]*) return 1 ;; esac ;;
    gui.wmstate | gui.geometry) case $2 in *[!a-z0-9+\ -]*) return 1 ;; esac ;;
    lfs.repositoryformatversion | lfs.*.access | lfs.*.locksverify | filter.lfs.required) ;;
    filter.lfs.clean) [ "$2" = 'git-lfs clean -- %f' ] ;;
    filter.lfs.smudge)
        case $2 in 'git-lfs smudge -- %f' | 'git-lfs smudge --skip -- %f') ;; *) return 1 ;; esac
        ;;
    filter.lfs.process)
        case $2 in 'git-lfs filter-process' | 'git-lfs filter-process --skip') ;; *) return 1 ;; esac
        ;;
    *) return 1 ;;
    esac
}

# Return 0 if $1 is the name of a plain file at the top of the working tree, or of none there.
is_top_file() {
    case $1 in '' | .. | *[!A-Za-z0-9._-]*) return 1 ;; esac
    set -- "${top:-${dir-}}/$1"
    [ ! -L "$1" ] && { [ -f "$1" ] || [ ! -e "$1" ]; }
}

# Set `owner` to the working tree of the repo that has the git directory $1 of a submodule.
find_owner() {
    case $1 in
    */.git/worktrees/*/modules/*)
        owner=${1#*/.git/worktrees/}
        owner=${1%%/.git/worktrees/*}/.git/worktrees/${owner%%/*}
        is_one_line "$owner/gitdir" && IFS= read -r owner <"$owner/gitdir" || return 1
        owner=${owner%/.git}
        ;;
    */.git/modules/*) owner=${1%%/.git/modules/*} ;;
    *) return 1 ;;
    esac
}

# Return 0 if core.worktree = $1 is what git itself writes for a submodule. Sets `top`.
is_own_worktree() {
    find_owner "$git" || return 1
    case $1 in
    *[[:cntrl:]]*) return 1 ;; # which `read_list` has replaced
    /*) folder=$1 ;;
    *) folder=$git/$1 ;;
    esac
    # git enters a relative one from `git`, so it may enter what is too long here.
    is_short "$folder" || return 1
    if ! resolve "$folder"; then
        [ ! -e "$folder" ] && [ ! -L "$folder" ] # not checked out
        return
    fi
    case $physical/ in "$owner"/?*/) ;; *) return 1 ;; esac
    # shellcheck disable=SC3013
    [ -z "$top" ] || [ "$physical" -ef "$top" ] || return 1
    top=$physical
}

# Set `own_file` to 1 if no container can write the file $1 of a person's configuration, which may
# be a link, or else to nothing.
find_own() {
    case $own_files in
    *"$nl$1$tab"1*) own_file=1 ;;
    *"$nl$1$tab"0*) own_file='' ;;
    *)
        own_file=
        ! leads_nowhere_guarded "$1" || own_file=1
        own_files=$own_files$nl$1$tab${own_file:-0}
        ;;
    esac
}

# Return 0 if the file $1 is in no guarded folder, nor what it leads to as a link.
leads_nowhere_guarded() {
    file=$1
    ! is_guarded "$file" || return 1
    [ ! -L "$file" ] || file=$(readlink -f -- "$file") || return 1
    case $file in */*) ;; *) return 0 ;; esac # the command line
    resolve "${file%/*}/" && ! is_guarded "$physical"
}

# Run git or find, and print `end` if it did not fail.
print_list() {
    clean
    "$@" 2>/dev/null && printf 'end\0'
}

# Print the records of standard input, which end with NUL, as lines: a line break becomes a tab.
to_lines() { tr '\000\011\012' '\012\002\011'; }

# Return 0 if `list` has all that was printed, and is not too long.
is_complete() {
    [ ${#list} -lt "$most_text" ] || return 1
    case $nl$list in *"${nl}end") ;; *) return 1 ;; esac
}

# Read what git prints into `list`, a record on each line. Return 1 if it failed or that is too long.
read_list() {
    list=$(print_list "$@" | to_lines)
    is_complete
}

# Do that for find, which may print without an end, and fails on what is deleted meanwhile, and on
# what can't be listed.
try_list() {
    for _ in 1 2 3; do
        list=$(print_list "$@" | head -c "$most_text" | to_lines)
        ! is_complete || return 0
    done
    return 1
}

# Judge the configuration of `git`, as git itself reads it.
judge_config() {
    # With a working tree git does not enter that of core.worktree, which may be missing.
    read_list bounded --no-pager --git-dir="$git" --work-tree=. config --list -z --show-scope \
        --show-origin --includes || {
        found unread "$git/config" 'a configuration that git cannot read, or too long' ''
        return 1
    }
    IFS=$nl
    # shellcheck disable=SC2086
    set -- $list
    IFS=" $tab$nl"
    hooks_path='' own_hooks='' updates_tree=
    while [ $# -gt 3 ]; do
        scope=$1 origin=$2 key=${3%%"$tab"*} value=${3#"${3%%"$tab"*}"}
        value=${value#"$tab"}
        shift 3
        case $scope in
        system | global | command)
            # A file of the person's configuration may be one that the container can write.
            find_own "${origin#file:}"
            own=$own_file
            ;;
        *) own= ;;
        esac
        [ -n "$own" ] || is_allowed "$key" "$value" ||
            found config "${origin#file:}" "$key" "$value"
        case $key in
        core.hookspath) hooks_path=$value own_hooks=$own ;;
        diff.submodule) diff_submodule=$value ;;
        receive.denycurrentbranch) case $value in [Uu][Pp][Dd]*) updates_tree=1 ;; *) updates_tree= ;; esac ;;
        log.diffmerges) diff_merges=$value ;;
        status.submodulesummary) case $value in no | false | off | 0) summary='' ;; *) summary=1 ;; esac ;;
        push.recursesubmodules | submodule.recurse)
            case $value in no | false | off | 0) ;; *) recurse=1 ;; esac
            ;;
        esac
    done
}

# Judge what git finds in `git` besides its configuration: files of remotes, and work to go on with.
judge_files() {
    set +f
    set -- "$common"/remotes/* "$common"/branches/*
    set -f
    for file; do
        [ ! -e "$file" ] || found_file remote "$file"
    done
    for file in "$common"/objects/info/alternates "$common"/objects/info/http-alternates; do
        [ ! -s "$file" ] || found_file remote "$file"
    done
    for file in "$git/rebase-merge/git-rebase-todo" "$git/sequencer/todo"; do
        [ ! -e "$file" ] || judge_lines "$file" step "^[[:blank:]]*(\$|#|($steps)([[:space:]]|\$))"
    done
    for file in "$git/rebase-merge/strategy" "$git/rebase-apply/strategy"; do
        [ ! -e "$file" ] || judge_lines "$file" strategy "^($strategies)\$"
    done
    file=$git/rebase-apply/apply-opt # options of git apply, some of which write to any file
    [ ! -e "$file" ] || judge_lines "$file" option "^( '($apply_options)')*\$"
    [ ! -f "$git/MERGE_RR" ] || judge_rerere
    file=$git/sequencer/opts # a configuration: what is on the list, as git writes it
    [ ! -e "$file" ] || judge_lines "$file" option \
        "^(\[options\]|[[:blank:]]*($options) = [a-z0-9=-]+|[[:blank:]]*strategy = ($strategies))\$"
}

steps='p|pick|r|reword|e|edit|s|squash|f|fixup|d|drop|l|label|t|reset|m|merge|u|update-ref'
steps="$steps|b|break|noop|revert"
strategies='ort|recursive|resolve|octopus|ours|subtree' # of another one, git runs git-merge-NAME
options='no-commit|edit|signoff|mainline|record-origin|allow-ff|strategy-option|allow-rerere-auto'
options="$options|allow-empty|allow-empty-message|drop-redundant-commits|keep-redundant-commits"
options="$options|default-msg-cleanup"

outside='(.*/)?([.][.]?|[.][gG][iI][tT])(/|"?$)' # the end of a path that git puts into no index
apply_options='--whitespace=[a-z-]+|-C[0-9]+|-p[0-9]+|--reject|--ignore-whitespace|--ignore-space-change'

# Set `lines` to those of the file $1 that grep prints with the arguments after $2, which stands for
# NUL in them. Return 1 if the file is too long.
find_lines() {
    lines=$(
        clean
        file=$1 nul=$2
        shift 2
        head -c "$most_text" <"$file" | tr '\000' "$nul" | grep -E "$@"
    )
    length=$(
        clean
        head -c "$most_text" <"$1" | wc -c
    )
    [ "$length" -lt "$most_text" ]
}

# Report paths in MERGE_RR that lead out of the working tree: git reads and writes these files.
judge_rerere() {
    if ! find_lines "$git/MERGE_RR" '\n' "$tab(/|$outside)" || [ -n "$lines" ]; then
        found unsafe "$git/MERGE_RR" 'a path outside of the repo, or too long' ''
    fi
}

# Judge a file that tells git how to go on: report each line as $2 that does not match $3, which
# lists what is known to run no program.
judge_lines() {
    [ -f "$1" ] || {
        found unsafe "$1" 'not a plain file' ''
        return
    }
    find_lines "$1" '?' -v "$3" || {
        found_file todo "$1"
        return
    }
    IFS=$nl
    for line in $lines; do found todo "$1" "$2" "$line"; done
    IFS=" $tab$nl"
}

# Set `content` to the hash of the file $1; return 1 if it can't be read.
hash_file() {
    content=$(
        clean
        sha256sum <"$1"
    ) || return 1
    content=${content%% *}
}

# Report a file by its content.
found_file() {
    [ -f "$2" ] || {
        found unsafe "$2" 'not a plain file' ''
        return
    }
    hash_file "$2" || {
        found unread "$2" 'a file that cannot be read' ''
        return
    }
    found "$1" "$2" "${2##*/}" "$content"
}

# Set `hooks` to the folder of the hooks that git would run. Return 1 if these are a person's own.
find_hooks() {
    case $hooks_path in
    '') hooks=$common/hooks ;;
    /*) hooks=$hooks_path ;;
    [~]/*) hooks=${HOME-}/${hooks_path#??} ;;
    *) hooks=$top/$hooks_path ;;
    esac
    [ -z "$own_hooks" ] || ! is_elsewhere "$hooks"
}

# Return 0 if the file $1 has one line, with neither CR nor NUL: git reads all of it as a path.
is_one_line() {
    [ -f "$1" ] || return 1
    text=$(
        clean
        head -c 4096 <"$1" | tr '\000\015' '\011\011' && echo .
    )
    text=${text%.}
    text=${text%"$nl"}
    case $text in '' | *"$tab"* | *"$nl"*) return 1 ;; esac
    [ ${#text} -lt 4000 ]
}

# Call $1 with the path of each hook in `hooks`.
each_hook() {
    call=$1
    set +f
    set -- "$hooks"/*
    set -f
    for file; do
        case $file in *.sample) continue ;; esac
        [ -d "$file" ] || ! [ -x "$file" ] || "$call" "$file"
    done
}

report_hook() {
    found_file hook "$1"
    is_kept "$1" || hooks_in_tree=1
}

check_hook() {
    hooks_exist=1
    is_kept "$1" || hooks_in_tree=1
    [ -z "$hooks_off" ] || return 0
    [ -f "$1" ] && [ -f "$state/approvals/git" ] && hash_file "$1" &&
        is_approved hook "$1" "${1##*/}" "$content" || hooks_off=1
}

# Return 0 if no command replaces the hook $1 by what another commit has: it is in the git directory.
is_kept() {
    [ ! -L "$1" ] && resolve "${1%/*}" && case $physical/ in "$common"/*) ;; *) return 1 ;; esac
}

# Judge the hooks. Those of the repo itself can be switched off, those of a submodule can't.
judge_hooks() {
    # `status` finds such folders by itself.
    [ "$0" = repoman-judge ] || ! find_hooks || [ ! -d "$hooks" ] || [ -r "$hooks" ] ||
        found unsafe "$hooks" 'a folder that cannot be listed' ''
    if [ "$0" = repoman-judge ] || [ "$depth" -gt 0 ]; then
        ! find_hooks || each_hook report_hook
    else
        hooks_off='' hooks_exist=
        ! find_hooks || each_hook check_hook
        hooks_off=${hooks_off:-${hooks_exist:+approved}}
        [ -z "$own_hooks" ] || find_hooks || hooks_off=approved
    fi
}

# Print what the index of `top` has besides files and links of plain names, and `end`.
list_links() {
    clean
    cd -- "$top" || return
    { bounded --git-dir="$git" --work-tree="$top" -c core.fsmonitor=false -c core.quotepath=false \
        ls-files -s 2>/dev/null && echo end; } |
        sed -E -e '/^(100644|100755|120000) /!b' -e "\\#$tab\"?(/|$outside)#!d"
}

# Add the nested repos that the index of `top` has, and judge .gitmodules.
judge_tree() {
    links=$(list_links)
    case $nl$links in *"${nl}end") ;; *)
        found unread "$git/index" 'an index that git cannot read' ''
        return
        ;;
    esac
    [ ${#links} -lt "$most_text" ] || found unread "$git/index" 'too many submodules' ''
    IFS=$nl
    for link in ${links%end}; do
        mode=${link%% *} link=${link#*"$tab"}
        case $mode,/$link/ in
        160000,/\"*) found unsafe "$git/index" 'a submodule of an invalid name' "$link" ;;
        100644,* | 100755,* | 120000,* | *,*//* | *,*/./* | *,*/../* | *,*/.[Gg][Ii][Tt]/*)
            found unsafe "$git/index" 'a path outside of the repo' "$link"
            ;;
        160000,*)
            if ! is_short "$top/$link" || [ -e "$top/$link/.git" ] || [ -L "$top/$link/.git" ]; then
                add tree "$top/$link"
            fi
            ;;
        # git takes it for a submodule by some of its bits.
        *) found unsafe "$git/index" "a file of the unknown mode $mode" "$link" ;;
        esac
    done
    IFS=" $tab$nl"
    if [ -e "$top/.gitmodules" ] || [ -L "$top/.gitmodules" ]; then
        [ -f "$top/.gitmodules" ] || {
            found unsafe "$top/.gitmodules" 'not a plain file' ''
            return
        }
        judge_gitmodules --file "$top/.gitmodules"
    elif [ "${links%end}" ]; then
        for blob in :.gitmodules HEAD:.gitmodules; do # as git does if there is no such file
            read_list bounded --git-dir="$git" cat-file -e "$blob" || continue
            judge_gitmodules --blob "$blob"
            return
        done
    fi
}

# Add every repo in `top`: the command may make it a submodule, and go on into it.
add_nested() {
    try_list find "$top" -name .git -prune -print0 || {
        found unread "$top" 'a folder that cannot be listed, or too many git directories' ''
        return
    }
    IFS=$nl
    for link in ${list%end}; do
        case $link in
        "$top/.git") ;;
        *"$tab"*) found unsafe "$top" 'a git directory in a folder of an invalid name' '' ;;
        *) add tree "${link%/.git}" ;;
        esac
    done
    IFS=" $tab$nl"
}

# Return 0 if the command makes no other repo a submodule, shows none in full, merges none, and goes
# on into none that only another commit has, as a fetch does by itself.
is_looking() {
    # These may have the same keys, and another index other submodules.
    [ -z "${GIT_CONFIG_COUNT-}${GIT_CONFIG_PARAMETERS-}${GIT_INDEX_FILE-}" ] || return 1
    case "$diff_submodule $arguments " in
    diff\ * | log\ * | *" --sub"* | *.[Ss][Uu][Bb][Mm][Oo][Dd][Uu][Ll][Ee]* | \
        *[Rr][Ee][Cc][Uu][Rr][Ss]* | *" --rec"*) return 1 ;;
    *" --rem"* | *" --diff-m"* | *.[Dd][Ii][Ff][Ff][Mm]*) return 1 ;; # a merge that is done again
    esac
    case $diff_merges in r*) return 1 ;; esac
    case $summary,$recurse,$parsed in 1,*,status | *,1,push | *,1,grep | *,1,branch) return 1 ;; esac
    keeps_tree
}

# Return 0 if the command brings nothing from another commit into the working tree.
keeps_tree() {
    case $parsed in
    add | status | diff | log | show | rev-parse | config | ls-files | describe | symbolic-ref | \
        for-each-ref | branch | push | tag | blame | grep | shortlog | reflog | \
        rev-list | cat-file | ls-tree | merge-base | name-rev | version | help | gc | fsck | '') ;;
    *) return 1 ;;
    esac
}

# Judge .gitmodules, which the options of git config $1 and $2 name.
judge_gitmodules() {
    read_list bounded --no-pager --git-dir="$git" config "$1" "$2" --list -z || {
        found unread "$top/.gitmodules" 'a file that git cannot read, or too long' ''
        return
    }
    IFS=$nl
    for record in $list; do
        key=${record%%"$tab"*}
        value=${record#"$key"}
        value=${value#"$tab"}
        case $key in
        submodule.*.url) case $value in ./* | ../*) ;; *) is_safe_url "$value" ;; esac ;;
        submodule.*.update) case $value in '!'*) false ;; esac ;;
        esac || found config "$top/.gitmodules" "$key" "$value"
    done
    IFS=" $tab$nl"
}

# Add a folder to look into: a `tree` with a .git, or a `git` directory. $1 is its depth.
enqueue() {
    case $3 in
    *"$nl"*) found unsafe "$3" 'a folder of an invalid name' '' ;;
    *)
        if is_short "$3"; then
            queue=$queue$1\ $2\ $3$nl
        else
            found unread "$3" 'a folder of too long a path' ''
        fi
        ;;
    esac
}

# Return 0 if the judge can open the files of a git directory in the folder $1 by their paths. git
# opens them by shorter ones.
is_short() { [ ${#1} -lt "$most_path" ]; }

add() { enqueue $((depth + 1)) "$1" "$2"; }

# Print links and pipes, and the files of git directories and of working trees in `common`. Print
# a file twice that git reads whole and that has more than 16 MiB, which may be a hole.
find_inner() {
    cd -- "$common" || return
    find . \( -path './objects/[0-9a-f][0-9a-f]' -type d -o -path ./hooks \) -prune \
        -o -type f -size +32768 ! -path '*/objects/*' \( -name '*HEAD' -o -name '*_MSG' -o \
        -name 'BISECT_*' -o -name shallow -o -name 'config*' -o -path '*/refs/*' -o -path '*/info/*' -o \
        -path '*/rebase-*/*' -o -path '*/sequencer/*' \) -print0 -print0 \
        -o \( -type l -o -type p -o -name HEAD -o -name commondir -o -name gitdir \) -print0
}

# Return 0 if the file of a working tree $1 names one in a guarded folder, or of this repo, or none:
# `git worktree repair` overwrites the .git there.
is_own_gitdir() {
    is_one_line "$1" || return 1
    IFS= read -r line <"$1" || :
    case $line in /*) ;; *) line=${1%/*}/$line ;; esac
    resolve "${line%/*}" || return 0
    # shellcheck disable=SC3013
    is_one_line "$line" && read_gitfile "$line" "${line%/*}" && [ "$leads" -ef "${1%/*}" ]
}

# Report links in `common`: git reads, writes and deletes where they lead. And pipes, for which it
# waits. Add the git directories
# of submodules and working trees in it.
judge_inner() {
    try_list find_inner || {
        found unread "$common" 'a folder that cannot be listed, or too much' ''
        return
    }
    IFS=$nl previous=
    for entry in ${list%end}; do
        IFS=" $tab$nl"
        file=$common/${entry#./} folder=$common/${entry#./}
        folder=${folder%/*}
        if ! is_short "$file"; then
            found unread "$common" 'a file of too long a path' ''
            continue
        elif [ "$entry" = "$previous" ]; then
            found unsafe "$file" 'a file that is too long' ''
            continue
        elif [ -L "$file" ]; then
            found unsafe "$file" 'a symbolic link' ''
            continue
        elif [ -p "$file" ]; then
            found unsafe "$file" 'not a plain file' ''
            continue
        fi
        previous=$entry
        case $entry in
        *"$tab"*) found unsafe "$common" 'a file of an invalid name' '' ;;
        */modules/*/HEAD)
            case $file in "$git"/*) ;; *) continue ;; esac
            if [ -e "$folder/commondir" ] || { [ -e "$folder/objects" ] && [ -e "$folder/refs" ]; }; then
                add git "$folder"
            fi
            ;;
        ./worktrees/*/*/*) ;;
        ./worktrees/*/gitdir) is_own_gitdir "$file" || found config "$file" gitdir "${line-}" ;;
        ./worktrees/*/commondir)
            line=
            ! is_one_line "$file" || IFS= read -r line <"$file" || :
            [ "$git" = "$common" ] || continue
            if [ "$line" != ../.. ] || [ -e "$folder/config.worktree" ]; then add git "$folder"; fi
            ;;
        esac
    done
    IFS=" $tab$nl"
}

# Return 0 if git takes the .git of `top` for the folder $1, too.
is_what_git_finds() {
    git_finds=$(
        clean
        cd -- "$top" && bounded --git-dir=.git rev-parse --absolute-git-dir && echo .
    )
    # shellcheck disable=SC3013
    [ "${git_finds%"$nl".}" -ef "$1" ]
}

# Set `git` to the git directory of the working tree `top`; return 1 if that leads elsewhere.
enter_tree() {
    git=$top/.git leads=
    if [ -d "$git" ] && [ ! -L "$git" ]; then return; fi
    if [ -f "$git" ] && [ ! -L "$git" ] && is_one_line "$git" && read_gitfile "$git" "$top" &&
        is_what_git_finds "$leads"; then
        case $leads in
        */worktrees/*/modules/* | */.git/modules/*)
            if find_owner "$leads" && case $top/ in "$owner"/?*/) ;; *) false ;; esac then
                git=$leads
                # Its folder in `modules` may have led to the same.
                case $judged in *"$nl$git$tab$top$nl"*) return 1 ;; esac
                return 0
            fi
            ;;
        */worktrees/*)
            back=
            ! is_one_line "$leads/gitdir" || IFS= read -r back <"$leads/gitdir"
            case $back in /*) ;; *) back=$leads/$back ;; esac
            # shellcheck disable=SC3013
            [ "$back" -ef "$git" ] && git=$leads && return
            ;;
        esac
    fi
    found unsafe "$git" 'neither a folder, nor of a submodule or working tree of this repo' "$leads"
    return 1
}

# Set `common` to what the working trees of `git` share; return 1 if that is elsewhere.
enter_common() {
    common=$git
    for file in commondir config config.worktree index HEAD; do
        if [ -e "$git/$file" ] && [ ! -f "$git/$file" ]; then
            found unsafe "$git/$file" 'not a plain file' ''
            return 1
        fi
    done
    [ -e "$git/commondir" ] || return 0
    ! is_one_line "$git/commondir" || IFS= read -r common <"$git/commondir" || :
    case $common in /*) ;; *) common=$git/$common ;; esac
    case $git in */worktrees/*)
        # shellcheck disable=SC3013
        [ "$common" -ef "${git%/worktrees/*}" ] && common=${git%/worktrees/*} && return
        ;;
    esac
    found unsafe "$git/commondir" 'a file that leads to another repo' "$common"
    return 1
}

# Judge one git directory, and add those that git would go on into.
judge_git() {
    is_short "$git" || {
        found unread "$git" 'a folder of too long a path' ''
        return 0
    }
    enter_common || return 0
    judge_inner
    judge_config || return 0
    judged=$judged$git$tab$top$nl
    judge_files
    [ "$kind" != given ] || top=${top:-$dir}
    [ "$depth" -gt 0 ] || [ -z "${given_tree-}" ] || top=$given_tree
    [ "$kind" = outer ] || judge_hooks
    if [ -n "$top" ] && [ -e "$git/index" ]; then judge_tree; fi
    case $0,$depth,$kind in
    repoman-judge,* | *,outer) ;; # `status` looks for nested repos by itself
    *,0,*) [ -z "$top" ] || is_looking || add_nested ;;
    *) [ -z "$top" ] || [ -z "$updates_tree" ] || add_nested ;; # a push changes it
    esac
}

# Judge everything in `queue`.
judge() {
    seen=$nl judged=$nl count=0
    while [ -n "$queue" ] && [ -z "$stop_judging" ]; do
        item=${queue%%"$nl"*}
        queue=${queue#*"$nl"}
        depth=${item%% *}
        item=${item#* }
        case $seen in *"$nl$item$nl"*) continue ;; esac
        seen=$seen$item$nl
        count=$((count + 1))
        kind=${item%% *} path=${item#* } top=''
        if [ "$count" -gt "$most" ] || [ "$depth" -gt "$most_deep" ]; then
            found unread "$path" 'too many git directories' ''
            return
        fi
        case $kind in
        git | given)
            git=$path
            judge_git
            ;;
        *)
            top=$path
            enter_tree && judge_git
            ;;
        esac
    done
}

# Add the repos that git finds from the folder $1 upwards to the folder $2. Only those around the
# first are `outer`, so that has to be one for git, too: it looks further up otherwise.
add_upwards() {
    at=$1 kind=tree
    while :; do
        if [ -e "$at/.git" ] || [ -L "$at/.git" ]; then
            first=${first:-$at}
            enqueue 0 "$kind" "$at"
            if [ "$kind" = outer ] && [ -d "$first/.git" ]; then
                top=$first
                is_what_git_finds "$first/.git" || found unsafe "$first/.git" 'no git directory' ''
            fi
            kind=outer
        elif [ -e "$at/HEAD" ] && { [ -e "$at/objects" ] || [ -e "$at/commondir" ]; }; then
            case $at in
            */.git) ;;
            *) depth=0 first=$at && found unsafe "$at" 'a bare repo; name it by --git-dir' '' ;;
            esac
        fi
        case $at in "$2" | /) break ;; esac
        at=${at%/*}
        at=${at:-/}
    done
}

# Set `decoded` to the path $1 of a URL.
decode() {
    rest=$1 decoded=
    while :; do
        case $rest in
        *%[0-9A-Fa-f][0-9A-Fa-f]*)
            decoded=$decoded${rest%%\%[0-9A-Fa-f][0-9A-Fa-f]*}
            rest=${rest#"${rest%%\%[0-9A-Fa-f][0-9A-Fa-f]*}"%}
            number=$((0x${rest%"${rest#??}"}))
            # shellcheck disable=SC2059
            decoded=$decoded$(printf "\\$(printf %03o "$number")") rest=${rest#??}
            ;;
        *)
            decoded=$decoded$rest
            return
            ;;
        esac
    done
}

# Set `base` to the value that `url.BASE.insteadOf` replaces $1 by, for each of `list`, and call
# add_other with it.
add_rewritten() {
    for rule in $list; do
        case $rule in url.*.insteadof"$tab"* | url.*.pushinsteadof"$tab"*) ;; *) continue ;; esac
        before=${rule#*"$tab"}
        case $1 in "$before"*) ;; *) continue ;; esac
        base=${rule%%"$tab"*}
        base=${base#url.}
        add_other "${base%.*}${1#"$before"}"
        IFS=$nl
    done
}

# Add the repo at the path or URL $1 if it is a guarded one.
add_other() {
    other=$1
    case $other in
    file://*)
        decode "${other#file://}"
        other=$decoded
        ;;
    esac
    case $other in
    -* | '') return ;;
    /*) ;;
    [~]/*) other=${HOME-}/${other#??} ;;
    *) other=$dir/$other ;;
    esac
    for folder in "$other" "$other.git"; do
        if ! [ -d "$folder" ] || ! resolve "$folder" || ! is_guarded "$physical"; then
            continue
        fi
        first=${first:-$physical}
        others_found=1
        if [ -e "$physical/.git" ]; then add tree "$physical"; else add git "$physical"; fi
    done
}

# Add the guarded repos that the arguments, or the remotes of the repo, name as paths.
add_others() {
    depth=0
    list=$(
        bounded -C "$dir" config -z --get-regexp \
            '^(remote\..*\.(push)?url|remote\.pushdefault|branch\..*\.(remote|pushremote)|url\..*\.(push)?insteadof)$' |
            to_lines
    )
    IFS=$nl
    for other; do list="$list${nl}argument$tab$other"; done
    for record in $list; do
        IFS=$nl
        add_other "${record#*"$tab"}"
        IFS=$nl
        add_rewritten "${record#*"$tab"}"
    done
    IFS=" $tab$nl"
}

if [ "$0" = repoman-judge ]; then
    state=$1
    shift
    find_real
    [ -n "${real-}" ] || exit 127
    known=
    if [ -f "$state/guard/folders" ]; then
        read_roots
        known=$roots
    fi
    for first; do
        queue='' roots=$known${first%/*}$nl depth=0 reports=0 stop_judging=
        printf 'repo\0%s\0' "$first"
        if ! is_short "$first" || [ -e "$first/.git" ] || [ -L "$first/.git" ]; then
            enqueue 0 tree "$first"
        fi
        judge
        printf 'end\0'
    done
    exit 0
fi

# --- the guard ------------------------------------------------------------------------------

arguments="$*" queue='' first='' recurse='' summary='' diff_submodule='' diff_merges=''
hooks_off=1 hooks_exist='' hooks_in_tree='' others_found=
case $given_tree in '' | /*) ;; *) given_tree=$dir/$given_tree ;; esac
if [ -z "$concerned" ]; then
    :
elif [ -n "$given_dir" ]; then
    first=$given_dir
    enqueue 0 given "$given_dir"
elif [ -n "$outside" ]; then
    add_upwards "$dir" "$outside"
else
    add_upwards "$dir" "$around"
fi
stays_here "$parsed" || add_others "$@"
judge
case $others_found$parsed in 1clone)
    # git would make hard links to the files of objects, which the container can change.
    number=$(($# - left))
    for argument; do
        shift
        set -- "$@" "$argument"
        [ "$number" -ne 0 ] || set -- "$@" --no-hardlinks
        number=$((number - 1))
    done
    ;;
esac
[ -n "$concerned" ] || exec "$real" "$@"
case $parsed in
config | rev-parse) hooks_off=approved ;; # these tell where hooks are, and run none
commit) ;;
*)
    if [ "$hooks_off$hooks_in_tree" = approved1 ] && ! keeps_tree; then
        hooks_off=tree
        echo "repoman: the hooks here are off for this command, which may replace them:" \
            "they are in the working tree" >&2
    fi
    ;;
esac
if [ "$hooks_off" != approved ]; then
    set -- -c core.hooksPath=/dev/null "$@"
    [ "$hooks_off" = tree ] || case $hooks_exist$parsed in
    1commit | 1merge | 1push | 1pull | 1rebase | 1am | 1cherry-pick | 1revert)
        find_name "$first"
        echo "repoman: the hooks here are off; to see and approve them," \
            "run \`repoman trust --git $name\`" >&2
        ;;
    esac
fi
# rerere writes to the paths in MERGE_RR, and a multi-pack-index may name packs of another repo. A
# replaced object is not the one that is pushed, nor are a commit's tree and parents in a graph or in
# a file of grafts.
export GIT_GRAFT_FILE="${GIT_GRAFT_FILE-/dev/null/none}"
exec "$real" --no-replace-objects -c safe.bareRepository=explicit -c core.fsmonitor=false -c rerere.enabled=false \
    -c core.multiPackIndex=false -c core.commitGraph=false "$@"
