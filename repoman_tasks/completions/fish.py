"""The completion for fish."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from repoman_tasks.completions.grammar import Command, first_line

__all__ = ["script"]

_HEAD = r"""
# TAB starts no process: what is offered stands here, in the registry and in ssh_config.
# It is for a folder of fish_complete_path, and `repoman completion install` puts it into one.

# --- the commands ---------------------------------------------------------------------------

"""

_LINE = r"""
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
"""


def script(commands: Sequence[Command], images: Sequence[str], profiles: Sequence[str]) -> str:
    """The script for fish; `images` and `profiles` are those that hold without a registry."""
    named = [command for command in commands if command.name]
    repeated = {name for c in commands for f in c.flags if f.repeats for name in f.names}
    lists = {
        "images": images,
        "profiles": profiles,
        "names": [command.name for command in named],
        "greedy": [command.name for command in named if command.greedy],
        "repeats": sorted(repeated),
    }
    return "".join(
        [
            first_line("fish"),
            _HEAD.lstrip("\n"),
            *(f"set -g __repoman_{name} {_list(values)}\n" for name, values in lists.items()),
            "\n",
            _commands(named),
            _flags(commands),
            _words(named),
            _values(commands),
            _LINE,
        ]
    )


def _commands(commands: Sequence[Command]) -> str:
    typed = _described((c.name, c.help) for c in commands if not c.chore)
    chores = _described((c.name, c.help) for c in commands if c.chore)
    return (
        "function __repoman_commands -a program\n"
        f"    printf '%s\\t%s\\n'{typed}\n"
        f"    test \"$program\" = inv; and printf '%s\\t%s\\n'{chores}\n"
        "end\n\n"
    )


def _flags(commands: Sequence[Command]) -> str:
    rows = [
        (_quoted(c.name), f"printf '%s\\t%s\\n'{_described((f.names[0], f.help) for f in c.flags)}")
        for c in commands
    ]
    return _function("__repoman_flags", "$argv[1]", rows)


def _words(commands: Sequence[Command]) -> str:
    rows = [(command.name, f"echo {_quoted(command.word)}") for command in commands if command.word]
    return _function("__repoman_word", "$argv[1]", rows)


def _values(commands: Sequence[Command]) -> str:
    by_kind: dict[str, list[str]] = {}
    for command in commands:
        for flag in command.flags:
            if flag.value:
                names = (_quoted(f"{command.name} {name}") for name in flag.names)
                by_kind.setdefault(flag.value, []).extend(names)
    rows = [(" ".join(patterns), f"echo {_quoted(kind)}") for kind, patterns in by_kind.items()]
    return _function("__repoman_value", '"$argv[1] $argv[2]"', rows)


def _function(name: str, what: str, rows: Iterable[tuple[str, str]]) -> str:
    body = "".join(f"        case {pattern}\n            {does}\n" for pattern, does in rows)
    return f"function {name}\n    switch {what}\n{body}    end\nend\n\n"


def _described(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f" \\\n        {_quoted(name)} {_quoted(text)}" for name, text in pairs)


def _list(words: Iterable[str]) -> str:
    return " ".join(map(_quoted, words))


def _quoted(text: str) -> str:
    """`text` as one word of fish."""
    if text and all(sign.isalnum() or sign in "_./:-" for sign in text):
        return text
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
