# repoman's completion for fish. It is for a folder of fish_complete_path, and `repoman completion
# install` puts it into one. TAB starts no program, but for hosts, which fish looks up: commands and
# flags stand here, names in the files that repoman keeps. None of it is evaluated.

set -g __repoman_rows (string split \n -- '
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
')

# Print the kind of what follows the command or flag $argv; fail if there is no such.
function __repoman_row
    set -l key (string escape --style=regex -- "$argv")
    string replace -rf -- "^$key:([^:]*):.*" '$1' $__repoman_rows
end

function __repoman_flag --no-scope-shadowing
    __repoman_row "$command $argv"; or __repoman_row "* $argv"
end

# Read the line as the program does: $argv are the words before the cursor's, $cur is that one.
# Sets kind, which that one has to be, before, the part that precedes it, and used.
function __repoman_decide --no-scope-shadowing
    set -l value ''
    set -l pending ''
    set -l elsewhere $REPOMAN_HOST
    set command ''
    set before ''
    set used
    for word in $argv
        if test -n "$value"
            set value ''
        else if test "$word" = --
            set kind file
            return
        else if string match -q -- '-*' $word
            set -l flag (string replace -r '=.*' '' -- $word)
            set value (__repoman_flag $flag)
            string match -q -- '*+' "$value"; or set -a used $flag
            test "$flag" = "$word"; or set value ''
            test "$flag" = --host; and set elsewhere yes
        else if __repoman_follow $word
        else if not string match -q -- '*!' $pending; and set value (__repoman_row $word)
            set command $word
            set pending $value
            set value ''
            set used
            set named
        else
            string match -q -- 'project*' $pending; and set named $word
            set pending ''
        end
    end
    if test -n "$value"
        set kind $value
    else if string match -q -- '--*=*' $cur
        set before (string replace -r '=.*' '=' -- $cur)
        set kind (__repoman_flag (string replace -r '=.*' '' -- $cur))
        test -n "$kind"; or set kind any
    else if string match -q -- '-*' $cur
        set kind flag
    else if test -n "$pending"
        set kind $pending
    else
        set kind command
    end
    set kind (string replace -r '(>.*)?[!+]?$' '' -- $kind)
    if test -n "$elsewhere" # what another host has is in its own registry
        set kind (string replace -r '^project ' 'choice ' -- $kind)
        contains -- "$kind" project template snapshot; and set kind any
    end
end

# Set pending to what follows the word $argv, where that depends on the word; fail if it does not.
function __repoman_follow --no-scope-shadowing
    set -l mark (string match -r -- '!?$' $pending)
    set -l known (string split ' ' -- (string trim -c ! -- $pending))
    set -l next (string match -rg -- '^'(string escape --style=regex -- $argv)'=(.*)' $known)
    if set -q next[1]
        set pending $next$mark
    else if test "$known" = 'project>snapshot'
        set named $argv
        set pending snapshot$mark
    else
        test "$known" = snapshot
    end
end

# Print the folder of the state $argv[1], such as `names`, and the name of this registry there.
function __repoman_place
    set -l config $XDG_CONFIG_HOME
    test -n "$config"; or set config $HOME/.config
    set -l registry $REPOMAN_CONFIG
    test -n "$registry"; or set registry $config/repoman/repoman.toml
    set -l state $XDG_STATE_HOME
    string match -q '/*' -- $state; or set state $HOME/.local/state
    string join / -- $state/repoman/$argv[1] (string replace -a / % -- $registry)
end

# Print the names of the kind $argv: of this registry, and of the images that were seen.
function __repoman_names
    set -l names (__repoman_place names)
    for file in $names (string replace -r '[^/]*$' images -- $names)
        if test -f $file; and test -r $file
            string match -rg -- "^$argv\t([^-~\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*)\$" <$file
        end
    end
end

# Print those of $argv that are no flag, hold no control character, and are not empty.
function __repoman_harmless
    set -q argv[1]; and string match -rv -- '[\x00-\x1f\x7f-\x9f]|^[-~]|^$' $argv
end

# Succeed if the nearest tasks.py upwards, which is the one that inv takes, is repoman's.
function __repoman_checkout
    set -l folder $PWD
    while true
        if test -e "$folder/tasks.py"; or test -e "$folder/tasks/__init__.py"
            test -f "$folder/repoman_tasks/commands/__init__.py"
            return
        end
        test -n "$folder"; or return 1
        set folder (string replace -r '/[^/]*$' '' -- $folder)
    end
end

function __repoman_print_commands -a program
    set -l dot '.'
    test "$program" = inv; and set dot ''
    string replace -rf -- "^([^: $dot]+):[^:]*:(.*)" '$1'\t'$2' $__repoman_rows
end

# Print the flags of $command that are not $used, or those that precede a command.
function __repoman_print_flags --no-scope-shadowing
    set -l from '\\*|'$command
    contains -- "$command" '' help; and set from $command
    set -l rows (string match -rv -- ' --('(string join '|' -- (string sub -s 3 -- $used) ' ')'):' $__repoman_rows)
    string replace -rf -- "^(?:$from) (--[^:]+):[^:]*:(.*)" '$1'\t'$2' $rows
end

# Print the folders below local_repos that begin with $argv, as --repo takes them.
function __repoman_repos
    set -l root (__repoman_names repos)
    set -q root[1]; or set root $HOME/repos
    for folder in $root[1]/$argv*/
        string sub -s (math (string length -- $root[1]) + 2) -- $folder
    end
end

# Print the snapshots with a copy of the repo of the project $argv, or of that whose repo this is.
function __repoman_snapshots
    set -l project $argv
    if not set -q project[1]
        set -l root (__repoman_names repos)
        set -q root[1]; or set root $HOME/repos
        set project (string match -rg -- '^'(string escape --style=regex -- $root[1])'/([^/]+)' $PWD)
    end
    set -q project[1]; and not string match -q -- '*/*' $project; or return
    for file in (__repoman_place mirrors)/snapshots/$project/*/about.json
        string replace -r '.*/([^/]*)/about.json$' '$1' -- $file
    end
end

function __repoman_complete -a program
    set -l words (commandline -opc)
    set -l cur (commandline -ct)
    set -l command
    set -l kind
    set -l before
    set -l used
    set -l named
    __repoman_decide $words[2..-1]
    set -l rest (string sub -s (math (string length -- "$before") + 1) -- $cur)
    set -l plain (string unescape -- $rest; or string trim -l -c '"\'' -- $rest)
    switch $kind
        case any
        case flag
            __repoman_print_flags
        case command
            __repoman_print_commands $program
        case file
            __fish_complete_path $cur
        case folder
            __repoman_prefixed $before (__fish_complete_directories $plain)
        case repo
            if string match -qr '^[/~]' -- $plain
                __repoman_prefixed $before (__fish_complete_directories $plain)
            else
                __repoman_prefixed $before (__repoman_repos $plain)
            end
        case 'project *' 'choice *'
            __repoman_prefixed $before (string replace -r '=.*' '' -- (string split ' ' -- $kind)[2..-1])
            string match -q 'choice *' -- $kind; and return
            __repoman_prefixed $before (__repoman_harmless (__repoman_names project))
        case snapshot
            __repoman_prefixed $before (__repoman_snapshots $named)
        case host
            __repoman_prefixed $before (__repoman_harmless (__repoman_names host; __fish_print_hostnames))
        case '*'
            __repoman_prefixed $before (__repoman_names $kind)
    end
end

function __repoman_prefixed
    set -q argv[2]; and printf '%s\n' $argv[1]$argv[2..-1]
end

complete -c repoman -e
complete -c repoman -f -a '(__repoman_complete repoman)'

# --- inv: as `repoman` where its tasks are repoman's, and elsewhere as it was before ---------

# A file of this name stands in the way of the one that fish would have loaded.
if test (status basename) = inv.fish
    for folder in $fish_complete_path
        if test -f $folder/inv.fish; and read -l first <$folder/inv.fish
            if not string match -q "# repoman's *" -- $first
                source $folder/inv.fish
                break
            end
        end
    end
end

if not set -q __repoman_took_inv
    set -g __repoman_took_inv yes
    # Invoke's own script would start Python, even if nobody waits for its answer.
    if functions -q __complete_inv
        functions -c __complete_inv __repoman_invokes_inv
        function __complete_inv
            __repoman_checkout; or __repoman_invokes_inv $argv
        end
    end
    complete -c inv -n __repoman_checkout -f -a '(__repoman_complete inv)'
end
