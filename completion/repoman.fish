# repoman's completion for fish, made by `inv dev.completion`; not to be edited.
# TAB starts no process: what is offered stands here, in the registry and in ssh_config.
# It is for a folder of fish_complete_path, and `repoman completion install` puts it into one.

# --- the commands ---------------------------------------------------------------------------

set -g __repoman_images images:ubuntu/26.04/cloud
set -g __repoman_profiles default claude-share
set -g __repoman_names help adopt completion exec list new remove restart setup shell start status stop sync trust untrust update dev.bench dev.completion dev.demo dev.lint dev.man dev.matrix dev.package dev.pictures dev.reference dev.test
set -g __repoman_greedy adopt completion new remove
set -g __repoman_repeats --profile --tier

function __repoman_commands -a program
    printf '%s\t%s\n' \
        help 'Show the flags of a command.' \
        adopt 'Make an existing container the container of a project.' \
        completion 'Install TAB completion for bash, zsh or fish, or remove it.' \
        exec 'Run a program in a project\'s container.' \
        list 'List the projects: state, address, last sync, repo and image.' \
        new 'Register a repo as a project, and create its container.' \
        remove 'Delete a project\'s container and forget the project; its repo and mirror stay.' \
        restart 'Restart a project\'s container; one that is stopped is started.' \
        setup 'Set up this host: paths, registry, backup share, and a restricted Incus project.' \
        shell 'Open a login shell in a project\'s container, or run a program through one.' \
        start 'Start a project\'s container.' \
        status 'Report problems, each with its fix; exits with 3 if there are any.' \
        stop 'Stop a project\'s container; its disk is kept.' \
        sync 'Mirror the repos to the backup share.' \
        trust 'Show what a repo\'s .repoman.toml requests beyond its container, and approve it.' \
        untrust 'Revoke the approval of a repo\'s .repoman.toml.' \
        update 'Apply the registry and the repo\'s .repoman.toml to a project\'s container.'
    test "$program" = inv; and printf '%s\t%s\n' \
        dev.bench 'Measure, and print the figures beside what they should be.' \
        dev.completion 'Write the completions of the shells anew, from the signatures of the tasks.' \
        dev.demo 'Show repoman on a throwaway estate.' \
        dev.lint 'Check style, format, types and shell scripts.' \
        dev.man 'Write the man page anew, from the signatures and the help of the tasks.' \
        dev.matrix 'Run the unit tests under every Python that is here.' \
        dev.package 'Build wheel, sdist, the single file, its tarball, and the Debian package.' \
        dev.pictures 'Draw README\'s pictures anew, of real runs on a throwaway estate.' \
        dev.reference 'Write the tables of keys and options in the pages, from the schema and the tasks.' \
        dev.test 'Run the tiers lint, unit, integration and terminal, and print which others there are.'
end

function __repoman_flags
    switch $argv[1]
        case ''
            printf '%s\t%s\n' \
        --help 'Show help, of a command if one follows.' \
        --version 'Show the version.' \
        --list 'List the commands.' \
        --debug 'Show the traceback of an error.' \
        --dry 'Change nothing; print what would run.'
        case help
            printf '%s\t%s\n'
        case adopt
            printf '%s\t%s\n' \
        --from-project 'Incus project that holds the container (default: repoman\'s own).' \
        --repo 'Folder of the repo, relative to local_repos or absolute (default: NAME).' \
        --dry-run 'Show what would change, and change nothing.' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case completion
            printf '%s\t%s\n' \
        --shell 'Shell to complete in (default: your login shell).' \
        --dry-run 'Show what would change, and change nothing.' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case exec
            printf '%s\t%s\n' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case list
            printf '%s\t%s\n' \
        --json 'Print JSON.' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case new
            printf '%s\t%s\n' \
        --profile 'Incus profile of the container, in place of the default ones; may be repeated.' \
        --repo 'Folder of the repo, relative to local_repos or absolute (default: NAME).' \
        --image 'Image of the container, such as images:debian/12.' \
        --clone 'Clone this URL into the folder first.' \
        --create 'Create the folder first, with an empty git repo.' \
        --no-container 'Create no container: the project is only backed up.' \
        --no-backup 'Leave the repo out of every sync.' \
        --trust 'Approve what the repo\'s .repoman.toml requests beyond its container.' \
        --dry-run 'Show what would change, and change nothing.' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case remove
            printf '%s\t%s\n' \
        --keep-repo 'Keep the repo, which is the default.' \
        --delete-repo 'Delete the repo too, if its mirror holds all of it.' \
        --dry-run 'Show what would change, and change nothing.' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case restart
            printf '%s\t%s\n' \
        --force 'Stop it at once, without asking it to shut down.' \
        --dry-run 'Show what would change, and change nothing.' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case setup
            printf '%s\t%s\n' \
        --local-repos 'Folder that holds your working copies.' \
        --nfs-repos 'Folder on the mounted backup share.' \
        --new-share 'Mark this share even if another one was marked before.' \
        --adopt-share 'Take over a share that is already marked, if its registry was lost.' \
        --storage-pool 'Incus storage pool for the disks of the containers.' \
        --network 'Incus network for the containers.' \
        --init-incus 'Create a storage pool and a network if Incus was never initialised.' \
        --repair 'Restore restrictions of the Incus project and its profiles that were weakened.' \
        --dry-run 'Show what would change, and change nothing.' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case shell
            printf '%s\t%s\n' \
        --forward-agent 'Make your SSH agent available in the container until the shell exits.' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case start
            printf '%s\t%s\n' \
        --dry-run 'Show what would change, and change nothing.' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case status
            printf '%s\t%s\n' \
        --values 'Show each setting, its value and where it comes from.' \
        --repair 'Ask what to do about each container that does not match the registry.' \
        --missing 'Recreate or forget containers that are missing.' \
        --orphan 'Adopt or destroy containers that belong to no project.' \
        --half-made 'Finish or remove containers whose creation was interrupted.' \
        --seen 'Mark what is new in a repo, and would run on this host, as reviewed.' \
        --json 'Print JSON.' \
        --watch 'Repeat, and redraw the screen, until Ctrl-C.' \
        --interval 'Seconds between two updates of --watch (default: 5).' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case stop
            printf '%s\t%s\n' \
        --force 'Stop it at once, without asking it to shut down.' \
        --dry-run 'Show what would change, and change nothing.' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case sync
            printf '%s\t%s\n' \
        --dry-run 'List what would change, and write nothing.' \
        --no-delete 'Keep files in the mirror that the repo no longer has.' \
        --force 'Mirror a repo even if it lost most of its files since its last sync.' \
        --itemize 'List each change.' \
        --jobs 'Number of projects to mirror at the same time.' \
        --wait 'Wait if another sync of the same project is running.' \
        --json 'Print JSON.' \
        --json-lines 'Print a line of JSON for each event, while it runs.' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case trust
            printf '%s\t%s\n' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case untrust
            printf '%s\t%s\n' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case update
            printf '%s\t%s\n' \
        --restart 'Restart the container if a change requires it.' \
        --rebuild 'Recreate its disk if the image changed; installed packages are lost.' \
        --trust 'Approve what the repo\'s .repoman.toml requests beyond its container.' \
        --dry-run 'Show what would change, and change nothing.' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case dev.bench
            printf '%s\t%s\n' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case dev.completion
            printf '%s\t%s\n' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case dev.demo
            printf '%s\t%s\n' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case dev.lint
            printf '%s\t%s\n' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case dev.man
            printf '%s\t%s\n' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case dev.matrix
            printf '%s\t%s\n' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case dev.package
            printf '%s\t%s\n' \
        --to 'Folder for what is built.' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case dev.pictures
            printf '%s\t%s\n' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case dev.reference
            printf '%s\t%s\n' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
        case dev.test
            printf '%s\t%s\n' \
        --tier 'Run this tier only; may be given again.' \
        --all 'Run every tier; `nightly` if it is named as well.' \
        --k 'Run the tests that match, in pytest\'s words.' \
        --coverage 'Show which lines the tiers unit and integration run; that takes a third more.' \
        --missing 'Print the packages that are missing for it, and run nothing.' \
        --yes 'Answer ordinary questions with yes.' \
        --no-input 'Never prompt: name the missing option and exit.' \
        --host 'Work on this host over SSH; `list` and `status` take several, separated by commas.' \
        --help 'Show help.'
    end
end

function __repoman_word
    switch $argv[1]
        case adopt
            echo any
        case completion
            echo 'choice install remove'
        case exec
            echo project
        case new
            echo any
        case remove
            echo project
        case restart
            echo project
        case shell
            echo project
        case start
            echo project
        case status
            echo project
        case stop
            echo project
        case sync
            echo project
        case trust
            echo project
        case untrust
            echo project
        case update
            echo project
    end
end

function __repoman_value
    switch "$argv[1] $argv[2]"
        case 'adopt --from-project' 'new --clone' 'setup --storage-pool' 'setup --network' 'status --interval' 'sync --jobs' 'sync -j' 'dev.test --tier' 'dev.test --k'
            echo any
        case 'adopt --repo' 'new --repo'
            echo repo
        case 'adopt --host' 'completion --host' 'exec --host' 'list --host' 'new --host' 'remove --host' 'restart --host' 'setup --host' 'shell --host' 'start --host' 'status --host' 'stop --host' 'sync --host' 'trust --host' 'untrust --host' 'update --host' 'dev.bench --host' 'dev.completion --host' 'dev.demo --host' 'dev.lint --host' 'dev.man --host' 'dev.matrix --host' 'dev.package --host' 'dev.pictures --host' 'dev.reference --host' 'dev.test --host'
            echo host
        case 'completion --shell'
            echo 'choice bash fish zsh'
        case 'new --profile'
            echo profile
        case 'new --image'
            echo image
        case 'setup --local-repos' 'setup --nfs-repos' 'dev.package --to'
            echo folder
        case 'status --missing'
            echo 'choice recreate forget'
        case 'status --orphan'
            echo 'choice adopt destroy'
        case 'status --half-made'
            echo 'choice finish remove'
    end
end


# Read the line as the program does: $argv are its words before the cursor's, $cur is that.
# Sets kind, what the word at the cursor is to be, before, what of it stands already, and used.
function __repoman_decide --no-scope-shadowing
    set -l value
    set -l pending
    set -l greedy
    set -l ended
    set -l elsewhere $REPOMAN_HOST
    set command ''
    set kind any
    set before ''
    set used
    for word in $argv
        if set -q ended[1]
            break
        else if set -q value[1]
            set value
        else if test "$word" = --
            set ended yes
        else if string match -q -- '-*' $word
            set -l flag (string replace -r '=.*' '' -- $word)
            test "$flag" = --host; and set elsewhere yes
            contains -- $flag $__repoman_repeats; or set -a used $flag
            test "$flag" = "$word"; and set value (__repoman_value "$command" $flag)
        else if contains -- $word $__repoman_names; and not set -q pending[1] greedy[1]
            set command $word
            set used
            set pending (__repoman_word $word)
            set greedy
            contains -- $word $__repoman_greedy; and set greedy yes
        else
            set pending
        end
    end
    if set -q ended[1]
        set kind file
    else if set -q value[1]
        set kind $value
    else if string match -q -- '--*=*' $cur
        set before (string replace -r '=.*' '=' -- $cur)
        set value (__repoman_value "$command" (string replace -r '=.*' '' -- $cur))
        set -q value[1]; and set kind $value
    else if string match -q -- '-*' $cur
        set kind flag
    else if set -q pending[1]
        set kind $pending
    else
        set kind command
    end
    if test "$kind" = project; and test -n "$elsewhere"
        set kind any # the projects of another host stand in its own registry
    end
end

# Whether the nearest tasks.py upwards, which is what inv takes, is repoman's own.
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

# --- the registry ---------------------------------------------------------------------------

# Its forms, as TOML knows them. A string and a comment are passed as a whole, so nothing in
# one is ever taken for a key.
set -g __repoman_long \"\"\"'(?:[^"\\\\]|\\\\.|"(?!""))*+"{3,5}|\'\'\'(?:[^\']|\'(?!\'\'))*+\'{3,5}'
set -g __repoman_short '"(?:[^"\\\\\n]|\\\\.)*+"|\'[^\'\n]*+\''
set -g __repoman_text "(?s:$__repoman_long)|$__repoman_short"
set -g __repoman_line "(?:$__repoman_text|#[^\n]*+|[^\"'#\n])*+\n"
set -g __repoman_pass "(?:$__repoman_text|#[^\n]*+)(*SKIP)(*F)"
set -g __repoman_key '(?:[A-Za-z0-9_-]+|"(?:[^"\\\\\n]|\\\\.)*+"|\'[^\'\n]*+\')'

# Print what $argv[1] captures in $argv[2], wherever that is neither string nor comment.
function __repoman_all
    string match -arg -- "(?m)(?|$argv[1]|$__repoman_pass)" $argv[2]
end

# Print what the registry has under the key $argv[1], at projects and defaults; or the names of
# its hosts, for hosts.
function __repoman_registry
    set -l file $REPOMAN_CONFIG
    if test -z "$file"
        set -l base $XDG_CONFIG_HOME
        test -n "$base"; or set base $HOME/.config
        set file $base/repoman/repoman.toml
    end
    test -f "$file"; and test -r "$file"; or return 0
    set -l text
    read -z text <$file
    # Most lines begin with no key that is of use. Those of a table [hosts] can be any.
    if test $argv[1] != hosts; or not string match -qr -- '\[\s*["\']?hosts["\']?\s*\]' $text
        set -l kept '^(?:[][{}"\'\s]|defaults|project[^s]|(?:asked_|default_)?'$argv[1]')'
        set text (string match -er -- $kept'|"{3}|\'{3}' <$file | string collect)
    end
    set text $text\n
    set -l name (string replace -a NAME $argv[1] -- '(?:NAME|"NAME"|\'NAME\')[ \t]*=[ \t]*')
    set -l value "($__repoman_text)"
    set -l start '^[ \t]*(?:defaults[ \t]*\.[ \t]*)?'
    if string match -qr -- '(?m)^[ \t]*["\']?(?:project|defaults)["\']?[ \t]*=' $text
        set start '(?:^|[{,])[ \t]*' # tables may stand in one line
    end
    switch $argv[1]
        case name
            __repoman_names_of $name $value
        case hosts
            __repoman_hosts_of
        case profiles
            set -l list "(\[(?:$__repoman_text|#[^\n]*+|[^\"'#\]])*+\])"
            set name (string replace -a profiles '(?:asked_)?profiles' -- $name)
            set -l lists (__repoman_all $start$name$list $text)
            set -q lists[1]; or return 0
            set -l item "(?|($__repoman_text)|#[^\n]*+(*SKIP)(*F))"
            __repoman_print (string match -arg -- $item $lists)
        case image
            set name (string replace -a image '(?:asked_|default_)?image' -- $name)
            __repoman_print (__repoman_all $start$name$value $text)
        case '*'
            __repoman_print (__repoman_all $start$name$value $text)
    end
end

# Print the strings and keys $argv as they are meant, but for those that would do harm as words.
function __repoman_print
    set -q argv[1]; or return 0
    set -l meant (string replace -rf -- '^("{3}|\'{3}|"|\'|)([^\\\\]*)\1$' '$2' $argv)
    set -a meant (string replace -rf -- '^(\'\'\'|\')(.*\\\\.*)\1$' '$2' $argv)
    for text in (string replace -rf -- '^("{3}|")(.*\\\\.*)\1$' '$2' $argv)
        set -a meant (printf '%b' $text | string collect -N)
    end
    __repoman_harmless $meant
end

# Print those of $argv that are no flag, hold no control character, and are not empty.
function __repoman_harmless
    set -q argv[1]; and string match -rv -- '[\x00-\x1f\x7f-\x9f]|^[-~]|^$' $argv
end

# The names of the projects in $text: each the first key of that name below a [[project]].
function __repoman_names_of --no-scope-shadowing
    set -l header '^[ \t]*\[\[[ \t]*(?:project|"project"|\'project\')[ \t]*\]\][^\n]*\n'
    set -l others "(?:(?![ \t]*(?:\[|$argv[1]))$__repoman_line)*+"
    set -l found (__repoman_all $header$others"[ \t]*$argv[1]$argv[2]" $text)
    if string match -qr -- '(?m)^[ \t]*["\']?project["\']?[ \t]*=' $text
        set -l plain "$__repoman_text|#[^\n]*+|[^{}\"'#]"
        set -l inner "\{(?:$plain)*+\}"
        set -l earlier "(?:$inner|(?!(?<=[{,\s])$argv[1])(?:$plain))*+"
        set -l table "\{$earlier$argv[1]$argv[2](?:$plain|$inner)*+\}"
        set -a found (__repoman_all "$table" $text)
    end
    __repoman_print $found
end

# The names of the hosts in $text: of tables of their own, and of keys of the table [hosts].
function __repoman_hosts_of --no-scope-shadowing
    set -l hosts '(?:hosts|"hosts"|\'hosts\')[ \t]*'
    set -l table "^[ \t]*\[[ \t]*$hosts\.[ \t]*($__repoman_key)"
    set -l found (__repoman_all "$table" $text)
    set -l one "^[ \t]*\[[ \t]*$hosts\][^\n]*\n((?:(?![ \t]*\[)$__repoman_line)*+)"
    set -l body (__repoman_all "$one" $text | string collect)
    if test -n "$body"
        set -a found (__repoman_all "^[ \t]*($__repoman_key)[ \t]*[.=]" $body)
    end
    set -a found (__repoman_all "^[ \t]*$hosts\.[ \t]*($__repoman_key)" $text)
    set -l inner "\{(?:$__repoman_text|[^{}\"'])*+\}"
    set -l plain "$__repoman_text|$inner|[^,{}\"'\n]"
    set body (__repoman_all "^[ \t]*$hosts=[ \t]*\{((?:$plain|,)*+)\}" $text)
    if test -n "$body"
        set -a found (__repoman_all "($__repoman_key)[ \t]*[.=](?:$plain)*+,?" $body)
    end
    __repoman_print $found
end

# --- ssh_config -----------------------------------------------------------------------------

# Print the hosts of a file and of those it includes, patterns left out.
function __repoman_ssh -a file folder deep
    test -f "$file"; and test -r "$file"; or return 0
    set -l lines (string match -rig -- '^\s*host(?:\s*=\s*|\s+)(.*)$' <$file)
    set -l item '(?|"([^"]*)"|#.*(*SKIP)(*F)|([^\s"]+))'
    if set -q lines[1]
        __repoman_harmless (string match -arg -- $item $lines | string match -rv -- '[*?!]')
    end
    set lines (string match -rig -- '^\s*include(?:\s*=\s*|\s+)(.*)$' <$file)
    if test $deep -lt 4; and set -q lines[1]
        for pattern in (string match -arg -- $item $lines)
            __repoman_include $pattern $folder $deep
        end
    end
end

function __repoman_include -a pattern folder deep
    set pattern (string replace -r '^~/' "$HOME/" -- $pattern)
    string match -q '/*' -- $pattern; or set pattern $folder/$pattern
    set -l within (string replace -r '/[^/]*$' '' -- $pattern)
    for file in $within/*
        if string match -q -- $pattern $file
            __repoman_ssh $file $folder (math $deep + 1)
        end
    end
end

# --- what is offered ------------------------------------------------------------------------

# Print all that a word of the kind $argv can be.
function __repoman_find
    switch $argv[1]
        case project
            __repoman_registry name
        case image
            __repoman_registry image
            printf '%s\n' $__repoman_images
        case profile
            __repoman_registry profiles
            printf '%s\n' $__repoman_profiles
        case host
            __repoman_registry hosts
            __repoman_ssh $HOME/.ssh/config $HOME/.ssh 0
            __repoman_ssh /etc/ssh/ssh_config /etc/ssh 0
        case choice
            printf '%s\n' $argv[2..-1]
    end
end

# Print the folders below local_repos that begin with $argv, as --repo takes them.
function __repoman_repos
    set -l root (__repoman_registry local_repos)
    set -q root[1]; or set root $LOCAL_REPOS
    test -n "$root[1]"; or set root $HOME/repos
    set root (string replace -r '^~/' "$HOME/" -- $root[1])
    for folder in $root/$argv*/
        string sub -s (math (string length -- $root) + 2) -- $folder
    end
end

function __repoman_complete -a program
    set -l words (commandline -opc)
    set -l cur (commandline -ct)
    set -l command
    set -l kind
    set -l before
    set -l used
    __repoman_decide $words[2..-1]
    set -l rest (string sub -s (math (string length -- "$before") + 1) -- $cur)
    set -l plain (string unescape -- $rest; or string trim -l -c '"\'' -- $rest)
    set kind (string split ' ' -- $kind)
    switch $kind[1]
        case any
        case flag
            set -l known (__repoman_flags "$command")
            for flag in $used
                set known (string match -v -- $flag\t'*' $known)
            end
            printf '%s\n' $known
        case command
            __repoman_commands $program
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
        case '*'
            __repoman_prefixed $before (__repoman_find $kind)
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
    # What invoke's own script asks would start Python, also where nobody waits for its answer.
    if functions -q __complete_inv
        functions -c __complete_inv __repoman_invokes_inv
        function __complete_inv
            __repoman_checkout; or __repoman_invokes_inv $argv
        end
    end
    complete -c inv -n __repoman_checkout -f -a '(__repoman_complete inv)'
end
