# repoman's completion for bash. Load it with `source`, or let `repoman completion install` put it
# where bash looks. TAB starts no program, but for hosts, which the package bash-completion looks up:
# commands and flags stand here, names in the files that repoman keeps. None of it is evaluated.
# shellcheck shell=bash disable=SC2016,SC2034

__repoman_table='
# begin of the table: inv dev.completion makes it, and dev/completion_table.py says what it means
 --help::Show help, of a command if one follows.
 --version::Show the version.
 --list::List the commands.
 --debug::Show the traceback of an error.
 --dry::Change nothing; print what would run.
* --help::Show help.
help::Show the flags of a command.
adopt:any!:Make an existing container the container of a project.
adopt --from-project:any:Incus project that holds the container (default: repoman'\''s own).
adopt --repo:repo:Folder of the repo, relative to local_repos or absolute (default: NAME).
adopt --dry-run::Show what would change, and change nothing.
* --yes::Answer ordinary questions with yes.
* --no-input::Never prompt: name the missing option and exit.
* --host:host:Work on this host over SSH; `list` and `status` take several, separated by commas.
agent:project list stop=project!:Run an agent in a project'\''s container, with full permissions there.
agent --with:agent:Agent to run: one of the registry'\''s, or a built-in one (default: that of the last session).
agent --new::Begin a session; fail if one runs.
agent --resume::Resume the last session, by the agent'\''s own option.
agent --detach::Start it and return.
agent --no-snapshot::Take no snapshot before a session begins.
agent --json::Print JSON; for list.
agent --tell::Tell [alerts] what has changed since it was last told; for list.
agent --watch::Repeat, and redraw the screen, until Ctrl-C.
agent --interval:any:Seconds between two updates of --watch (default: 5).
completion:choice install remove!:Install TAB completion for bash, zsh or fish, or remove it.
completion --shell:choice bash fish zsh:Shell to complete in (default: your login shell).
completion --dry-run::Show what would change, and change nothing.
exec:project:Run a program in a project'\''s container.
forward:project:Reach ports of a container from this machine, until Ctrl-C.
git-guard:choice install remove!:Have git judge the repos of containers before it reads them.
git-guard --dry-run::Show what would change, and change nothing.
history:project!:List the versions that the mirror and snapshots of the share hold, the newest first.
history --limit:any:Number of snapshots to look at, the newest first (default: 20); 0 for all.
history --json::Print JSON.
list::List the projects: state, address, agent, last sync, repo and image.
list --json::Print JSON.
log:project:Show past syncs, restores and verifications, newest first, and how they ended.
log --limit:any:Number of records to print (default: 100).
log --json::Print JSON.
login:choice claude codex gemini opencode aider:Log an agent in: keep its token or API key, and give it to containers.
login --project:project+:Give the login to this project (can be repeated; default: to all).
login --stdin::Read the secret from standard input.
login --shared::Share one login of claude with all containers, which renew it by themselves.
login --remove::Forget the login, or with --project no longer give it to that project.
login --dry-run::Show what would change, and change nothing.
new:any!:Register a repo as a project, and create its container.
new --profile:profile+:Incus profile of the container, in place of the default ones; may be repeated.
new --repo:repo:Folder of the repo, relative to local_repos or absolute (default: NAME).
new --image:image:Image of the container, such as images:debian/12.
new --template:template:Template that is put into the image, see `repoman template`.
new --clone:any:Clone this URL into the folder first.
new --create::Create the folder first, with an empty git repo.
new --restore::Bring the folder back from its mirror on the share first.
new --nesting::Allow containers inside the container, which Docker needs.
new --protect:choice true false guard:What is read-only inside (default: true); guard: all but git'\''s configuration.
new --no-container::Create no container: the project is only backed up.
new --no-backup::Leave the repo out of every sync.
new --trust::Approve what the repo'\''s .repoman.toml requests beyond its container.
new --dry-run::Show what would change, and change nothing.
nightly:choice install remove!:Run `sync` every night, by a timer of systemd or, where there is none, by cron.
nightly --at:any:Time of day at which to run, such as 03:17, the default.
nightly --dry-run::Show what would change, and change nothing.
remove:project!:Delete containers and volumes of projects, and forget them; their repos and mirrors stay.
remove --all::Remove all projects.
remove --keep-repo::Keep the repo, which is the default.
remove --delete-repo::Delete the repo too, if its mirror holds all of it.
remove --mirror::Delete the mirror called NAME on the share instead, which no project has.
remove --keep-volume::Keep its volume, with the agents'\'' state, for a project of the same name.
remove --dry-run::Show what would change, and change nothing.
rename:project!:Rename a project with its container, its volume and all that is recorded of it.
rename --folder::Rename the folder of its repo and its mirror on the share, too.
rename --dry-run::Show what would change, and change nothing.
reset:project:Make a container fresh from its template or image; its volume and its repo stay.
reset --volume::Empty its volume, too: its agents'\'' state, shell history and kept folders.
reset --dry-run::Show what would be lost, and change nothing.
restart:project:Restart the containers of projects; those that are stopped are started.
restart --all::Restart all that run.
restart --force::Stop it at once, without asking it to shut down.
restart --dry-run::Show what would change, and change nothing.
restore:project!:Bring a repo, or files of it, back from its mirror or from a snapshot of the share.
restore --all::Bring back each repo that is missing or empty.
restore --from-mirror::Restore from the mirror as it is (the default).
restore --at:any:Time, or name of a snapshot of the share (default: the mirror as it is).
restore --to:folder:New folder for the copy (default: the repo'\''s own place if it is missing or empty, else one in ~/restored).
restore --in-place::Make the repo equal to the copy; what it replaces is moved to ~/restored.
restore --dry-run::Show what would be restored, and write nothing.
restore --json::Print JSON.
setup::Set up this host: paths, registry, backup share, and a restricted Incus project.
setup --local-repos:folder:Folder that holds your working copies.
setup --nfs-repos:folder:Folder on the mounted backup share.
setup --new-share::Mark this share even if another one was marked before.
setup --adopt-share::Take over a share whose registry was lost, with the projects in its copy.
setup --take-over::Sync from this host from now on, instead of the one that wrote there last.
setup --incus-project:any:Incus project of the containers, if the usual one is another person'\''s.
setup --storage-pool:any:Incus storage pool for the disks of the containers.
setup --network:any:Incus network for the containers.
setup --agents:any:Agents that new containers have from the start, separated by commas.
setup --init-incus::Create a storage pool and a network if Incus was never initialised.
setup --repair::Restore restrictions of the Incus project and its profiles that were weakened.
setup --dry-run::Show what would change, and change nothing.
shell:project:Open a login shell in a project'\''s container, or run a program through one.
shell --forward-agent::Make your SSH agent available in the container until the shell exits.
snapshot:project list=project remove=project>snapshot!:Take a snapshot of a project: its container, its volume and a copy of its repo.
snapshot --dry-run::Show what would change, and change nothing.
snapshot --json::Print JSON, with list.
ssh-config:choice install remove!:Let ssh reach containers as NAME.repoman, for scp, rsync and editors.
ssh-config --dry-run::Show what would change, and change nothing.
start:project:Start the containers of projects.
start --all::Start all containers.
start --dry-run::Show what would change, and change nothing.
status:project:Report problems, each with its fix; exits with 3 if there are any.
status --values::Show each setting, its value and where it comes from.
status --repair::Ask what to do about each container that does not match the registry.
status --missing:choice recreate forget:Recreate or forget containers that are missing.
status --orphan:choice adopt destroy:Adopt or destroy containers that belong to no project.
status --half-made:choice finish remove:Finish or remove containers whose creation was interrupted.
status --seen::Mark what `status NAME` listed as seen; deletes what was kept of its mirror.
status --json::Print JSON.
status --watch::Repeat, and redraw the screen, until Ctrl-C.
status --interval:any:Seconds between two updates of --watch (default: 5).
stop:project:Stop the containers of projects; their disks are kept.
stop --all::Stop all that run.
stop --force::Stop it at once, without asking it to shut down.
stop --dry-run::Show what would change, and change nothing.
sync:project:Mirror the repos to the backup share.
sync --dry-run::List what would change, and write nothing.
sync --no-delete::Keep files in the mirror that the repo no longer has.
sync --force::Make the mirror as empty as the repo, even if that lost most of its files; asks.
sync --full::Compare the mirrors of unchanged repos, too.
sync --checksum::Compare all files by content, not by size and time.
sync --verify::Compare files of the mirrors by content afterwards, for verify_seconds or 60 s.
sync --itemize::List each change.
sync --jobs:any:Number of projects to mirror at the same time.
sync -j:any:Number of projects to mirror at the same time.
sync --wait::Wait if another sync of the same project is running.
sync --json::Print JSON.
sync --json-lines::Print a line of JSON for each event, while it runs.
template:choice list show=template build=template remove=template!:List, show, build or remove templates: what containers have from the start.
template --anew::Build it even if nothing has changed, for newer packages and agents.
template --dry-run::Show what would change, and change nothing.
template --json::Print the list as JSON.
trust:project:Show what a repo'\''s .repoman.toml requests beyond its container, and approve it.
trust --git::Review what the guard for git refuses there; NAME may be the path of a folder.
undo:project:Take the container, the volume and the repo of a project back to a snapshot, or some of them.
undo --container::Take back its container (default: all that the snapshot has).
undo --volume::Take back its volume.
undo --repo::Take back its repo.
undo --at:snapshot:The snapshot to go back to (default: the newest).
undo --forget::Delete what earlier undos replaced.
undo --dry-run::Show what would be lost, and change nothing.
uninstall::Remove everything that repoman made on this host, but no repo and no mirror.
uninstall --dry-run::Show what would be removed, and remove nothing.
untrust:project:Revoke the approval of a repo'\''s .repoman.toml.
untrust --git::Revoke what `trust --git` approved; NAME may be the path of a folder.
update:project:Apply the registry and the repo'\''s .repoman.toml to the containers of projects.
update --all::Update all containers.
update --restart::Restart the container if a change requires it.
update --rebuild::Recreate its disk if the image changed; installed packages are lost.
update --trust::Approve what the repo'\''s .repoman.toml requests beyond its container.
update --dry-run::Show what would change, and change nothing.
verify:project:Compare mirrors with their repos, by content, and write nothing on the share.
verify --full::Compare all files, and check git objects by their names (the default).
verify --sample:any:Compare the next PERCENT of the files only, in turn.
verify --json::Print JSON.
dev.bench::Run the benchmarks and print the figures beside their targets.
dev.completion::Generate the tables of the shells'\'' completions from the tasks.
dev.demo::Show repoman on throwaway repos.
dev.lint::Check style, format, types and shell scripts.
dev.man::Generate the man page from the tasks.
dev.matrix::Run the unit tests under every Python that is installed.
dev.package::Build wheel, sdist, the single file, its tarball, and the Debian package.
dev.package --to:folder:Folder for what is built.
dev.pictures::Draw the pages'\'' pictures again, from real runs on throwaway repos.
dev.reference::Write the tables of keys and options in the pages, from the schema and the tasks.
dev.test::Run the tiers lint, unit, integration and terminal, and print which others there are.
dev.test --tier:any+:Run this tier only; may be given again.
dev.test --all::Run every tier; `nightly` if it is named as well.
dev.test -k:any:Run the tests that match, in pytest'\''s words.
dev.test --coverage::Show which lines the tiers unit and integration run; that takes a third more.
dev.test --missing::Print the packages that are missing for it, and run nothing.
# end of the table
'
mapfile -t __repoman_rows <<<"$__repoman_table"

# begin of the shared part: inv dev.completion copies it from repoman.bash to _repoman

# Set `value` to the kind of what follows the command or flag $1; fail if there is no such.
__repoman_row() {
    local row
    value=''
    for row in "${__repoman_rows[@]}"; do
        if [[ $row == "$1:"* ]]; then
            row=${row#*:}
            value=${row%%:*}
            return 0
        fi
    done
    return 1
}

__repoman_flag() { __repoman_row "$command $1" || __repoman_row "* $1"; }

# Set `pending` to what follows the word $1, where that depends on the word; fail if it does not.
__repoman_follow() {
    local known=" ${pending%!}" mark=${pending##*[!!]}
    case $known in
        *" $1="*)
            pending=${known#*" $1="}
            pending=${pending%% *}$mark
            ;;
        ' project>snapshot') named=$1 pending=snapshot$mark ;;
        ' snapshot') ;;
        *) return 1 ;;
    esac
}

# Read the line as the program does. The arguments are the words before the one at the cursor,
# which is `cur`. Sets `kind`, which that one has to be, `before`, the part that precedes it, and
# `named`, the project.
__repoman_decide() {
    local word flag value='' pending='' elsewhere=${REPOMAN_HOST-}
    command='' kind='' before='' used=' ' named=''
    for word in "$@"; do
        if [[ -n $value ]]; then
            value=''
        elif [[ $word == -- ]]; then
            kind='file'
            return
        elif [[ $word == -* ]]; then
            flag=${word%%=*}
            __repoman_flag "$flag"
            [[ $value == *+ ]] || used+="$flag "
            [[ $flag == "$word" ]] || value=''
            [[ $flag != --host ]] || elsewhere=yes
        elif __repoman_follow "$word"; then
            :
        elif [[ $pending != *! ]] && __repoman_row "$word"; then
            command=$word pending=$value value='' used=' ' named=''
        else
            [[ $pending != project* ]] || named=$word
            pending=''
        fi
    done
    if [[ -n $value ]]; then
        kind=$value
    elif [[ $cur == --*=* ]]; then
        before=${cur%%=*}=
        __repoman_flag "${cur%%=*}"
        kind=${value:-any}
    elif [[ $cur == -* ]]; then
        kind=flag
    else
        kind=${pending:-command}
    fi
    kind=${kind%[+!]}
    kind=${kind%%>*}
    # What another host has is in its own registry.
    if [[ -n $elsewhere ]]; then
        case $kind in
            project | template | snapshot) kind=any ;;
            project\ *) kind="choice ${kind#project }" ;;
        esac
    fi
}

# Set `registry` to the name of what is kept of this registry, and `state` to the folder of that.
__repoman_places() {
    registry=${REPOMAN_CONFIG:-${XDG_CONFIG_HOME:-$HOME/.config}/repoman/repoman.toml}
    registry=${registry//\//%}
    state=${XDG_STATE_HOME-}
    [[ $state == /* ]] || state=$HOME/.local/state
    state+=/repoman
}

# Add to `found` the names of the kind $1: of this registry, and of the images that were seen. Names
# that do not begin with $2 may be left out.
__repoman_names() {
    local registry state file tab=$'\t'
    local -a lines
    __repoman_places
    for file in "$registry" images; do
        file=$state/names/$file
        [[ -f $file && -r $file ]] || continue
        __repoman_read_names "$1$tab" "${2-}"
    done
}

# Succeed if the nearest tasks.py upwards, which is the one that inv takes, is repoman's.
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
# end of the shared part

# Add to `found` the names in `file` that follow $1 and begin with $2.
__repoman_read_names() {
    local line
    mapfile -t lines <"$file"
    for line in "${lines[@]}"; do
        case $line in
            "$1$2"*) ;; # most are not: that is looked at first
            *) continue ;;
        esac
        line=${line#"$1"}
        case $line in
            '' | [-~]* | *[[:cntrl:]]*) ;;
            *) found+=("$line") ;;
        esac
    done
}

# Put the words before the cursor's into `earlier`, and the latter into `typed`. bash parts them
# at each = and : too; `piece` is the part that it will replace.
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

# Put the meaning of the word $1 into `plain`, with quotes removed and nothing else done; `quote` is
# the quote that it leaves open.
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
    local text plain quote stands
    __repoman_plain "${typed%"$piece"}"
    stands=$plain
    __repoman_plain "$typed"
    for text in "${found[@]}"; do
        [[ $before$text == "$plain"* ]] || continue
        text=$before$text
        text=${text#"$stands"}
        case $quote$text in
            *[!A-Za-z0-9_./:@%+,=-]*) __repoman_quoted ;;
        esac
        COMPREPLY+=("$text")
    done
}

# Turn `text` into what has to be typed for it, within the `quote` that is open.
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

__repoman_offer_commands() {
    local row name
    for row in "${__repoman_rows[@]}"; do
        name=${row%%:*}
        [[ $name == *' '* || ($name == *.* && $program != inv) ]] || found+=("$name")
    done
    __repoman_offer
}

# Offer the flags of `command` that are not `used`, or those that precede a command.
__repoman_offer_flags() {
    local row flag common='*'
    [[ -n $command && $command != help ]] || common=$command
    for row in "${__repoman_rows[@]}"; do
        case $row in
            "$command --"* | "$common --"*)
                flag=${row%%:*}
                flag=${flag##* }
                [[ $flag != "$cur"* || $used == *" $flag "* ]] || COMPREPLY+=("$flag")
                ;;
        esac
    done
}

__repoman_offer_hosts() {
    local plain quote
    __repoman_plain "$cur"
    ! declare -F _known_hosts_real >/dev/null || _known_hosts_real -a -- "$plain"
    found=("${COMPREPLY[@]}") COMPREPLY=()
    __repoman_names host
    __repoman_offer
}

# Offer the folders below local_repos, as `--repo` takes them.
__repoman_offer_repos() {
    local root folder plain quote
    __repoman_names repos
    root=${found[0]:-$HOME/repos}
    __repoman_plain "$cur"
    found=()
    shopt -q failglob && return 0
    for folder in "$root/$plain"*/; do
        [[ -d $folder ]] && found+=("${folder:${#root}+1}")
    done
    compopt -o nospace
    __repoman_offer
}

# Offer the snapshots with a copy of the repo of the project that is `named`, or whose repo this is.
__repoman_offer_snapshots() {
    local registry state folder
    if [[ -z $named ]]; then
        __repoman_names repos
        folder=${PWD#"${found[0]:-$HOME/repos}/"} found=()
        named=${folder%%/*}
    fi
    __repoman_places
    [[ -z $named || $named == */* ]] || shopt -q failglob && return 0
    for folder in "$state/mirrors/$registry/snapshots/$named"/*/; do
        folder=${folder%/}
        [[ ! -f $folder/about.json ]] || found+=("${folder##*/}")
    done
    __repoman_offer
}

_repoman() {
    local IFS=$' \t\n' program=${1##*/} command kind before used named piece typed cur
    local plain quote
    local -a earlier found=()
    COMPREPLY=()
    __repoman_words
    cur=$typed
    __repoman_decide "${earlier[@]}"
    cur=${typed#"$before"}
    case $kind$cur in
        any*) ;;
        file*) compopt -o bashdefault -o default ;;
        folder* | repo[/~]*) compopt -o dirnames ;;
        repo*) __repoman_offer_repos ;;
        flag*) __repoman_offer_flags ;;
        command*) __repoman_offer_commands ;;
        host*) __repoman_offer_hosts ;;
        snapshot*) __repoman_offer_snapshots ;;
        project\ * | choice\ *)
            read -ra found <<<"${kind#* }"
            found=("${found[@]%%=*}")
            [[ $kind == choice* ]] || __repoman_names project
            __repoman_offer
            ;;
        *)
            __repoman_plain "$cur"
            __repoman_names "$kind" "$plain" && __repoman_offer
            ;;
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

# Stand before the function that completes inv, if there is one. Any other completion stays.
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
