"""The terminal session of an agent in a container, which outlives the connection: tmux.

It has a server of its own, so that it is apart from sessions of the user, and reads no settings.
The scripts are constants, and what they get are arguments. All of them run as the user.
"""

from __future__ import annotations

from collections.abc import Sequence

from repoman_tasks.errors import Failed, quoted
from repoman_tasks.hosts.base import Future, Result
from repoman_tasks.planning.container.agent_sessions import stated
from repoman_tasks.planning.container.agents import AGENTS, STATE_OPTION
from repoman_tasks.tools.guest import GuestHandle, enter_argv

__all__ = ["attach_argv", "check_installed", "start_session", "stop_session", "submit_agent_state"]

_STATE_SECONDS = 10.0
_NO_INPUT = ("--disable-stdin",)
_BELL_OPTION = f"{STATE_OPTION}-bell"
_TMUX = "unset TMUX TMUX_TMPDIR\n"

_STATE = (
    _TMUX
    + r"""
command -v tmux >/dev/null 2>&1 || exit 0
tmux -L repoman display-message -p -t =agent:0 "$1" 2>/dev/null && date +%s
"""
)
_FORMAT = f"#{{window_activity}}|#{{{_BELL_OPTION}}}|#{{{STATE_OPTION}}}"

_CHECK = r"""
command -v tmux >/dev/null 2>&1 || exit 3
sh -lc 'command -v "$1" >/dev/null 2>&1' sh "$1" >/dev/null 2>&1 || exit 4
"""
"""Exits with 3 if there is no tmux, and with 4 if there is no program $1 for a login shell."""

_START = (
    _TMUX
    + r"""
agent=$1 project=$2 run=$3 hook=$4; shift 4
"""
    + _CHECK
    + r"""
term=screen
for folder in /etc/terminfo /lib/terminfo /usr/lib/terminfo /usr/share/terminfo; do
    [ ! -e "$folder/t/tmux-256color" ] || term=tmux-256color
done
exec tmux -L repoman -f /dev/null start-server ';' \
    set-option -g default-terminal "$term" ';' \
    set-option -g history-limit 50000 ';' \
    set-option -s escape-time 10 ';' \
    set-option -g status-left " $project " ';' \
    set-option -g status-left-length 66 ';' \
    set-option -g status-right ' Ctrl-b d leaves it running ' ';' \
    set-hook -g alert-bell "$hook" ';' \
    new-session -d -s agent -n "$agent" sh -lc "$run" sh "$@"
"""
)
"""Starts a session with the program "$@", which is looked up as a login shell does."""
_HOOK = f"set-option -wF {_BELL_OPTION} '#{{window_activity}}'"

_RUN = r"""
trap : INT
"$@"
code=$?
[ "$code" != 0 ] || exit 0
printf '\nrepoman: %s ended with status %s, Enter closes this\n' "$1" "$code"
read -r _
"""
"""Runs in the session: an agent that fails leaves its message on the screen."""

_ATTACH = _TMUX + "exec tmux -L repoman attach-session -t =agent\n"

_STOP = (
    _TMUX
    + r"""
pid=$(tmux -L repoman display-message -p -t =agent:0 '#{pane_pid}' 2>/dev/null)
tmux -L repoman kill-server 2>/dev/null
case $pid in '' | *[!0-9]*) exit 0 ;; esac
left=50
while [ "$left" -gt 0 ] && kill -s 0 -- "-$pid" 2>/dev/null; do
    sleep 0.1
    left=$((left - 1))
done
kill -s KILL -- "-$pid" 2>/dev/null
exit 0
"""
)
"""Ends the session, and after five seconds what in it is still there."""


def submit_agent_state(handle: GuestHandle) -> Future[str]:
    """Ask for the state of the session in a container that runs, one of STATES."""
    argv = _argv(handle, "/", _STATE, _FORMAT)
    answer = handle.incus.host.submit_beside(argv, timeout=_STATE_SECONDS)

    def wait() -> str:
        try:
            result = answer.result()
        except Failed:  # it printed too much, or nothing in time
            return "unknown"
        return "unknown" if result.code >= 125 else stated(result.text)

    return Future(wait)


def check_installed(
    handle: GuestHandle, folder: str, agent: str, program: str, *, outside: tuple[str, str]
) -> None:
    """Raise Failed if the container has no tmux, or not the program of an agent.

    A relative path of `program` begins in `folder`; `outside` is that of `guest.enter_argv`.
    """
    inner = ["sh", "-c", _CHECK, "sh", program]
    argv = enter_argv(
        *(handle, folder, inner),
        login=False,
        terminal="",
        lang="",
        outside=outside,
        options=_NO_INPUT,
    )
    result = handle.incus.host.read(argv, timeout=60.0, max_bytes=1 << 16)
    _check_result(handle, agent, program, result)


def _check_result(handle: GuestHandle, agent: str, program: str, result: Result) -> None:
    """Raise Failed if a script that begins with _CHECK failed, or found something missing."""
    if result.code == 3:
        what = f"tmux, which keeps the terminal of an agent, is not installed in {handle.name}"
        raise Failed(what, _install_cure(handle, package="tmux"))
    if result.code == 4:
        own = next((one for one in AGENTS if one.command[0] == program), None)
        cure = _install_cure(handle, agent=own.name if own else "")
        raise Failed(f"{program} is not installed in {handle.name}", cure)
    if result.code:
        raise Failed(f"{agent} can't be started in {handle.name}", _reason(result))


def _install_cure(handle: GuestHandle, *, package: str = "", agent: str = "") -> str:
    """Return how a package or an agent is installed in the container."""
    # late: what starts at once needs none of it
    from repoman_tasks.planning.container.template_plan import TOOLS, install_line
    from repoman_tasks.tools.guest_build import find_programs

    programs = find_programs(handle, (*TOOLS, "sudo"))
    line = install_line(programs, package=package, agent=agent)
    if not line or "sudo" not in programs:
        return f"install {f'the package {package}' if package else 'it'} in the container"
    command = quoted("repoman", "exec", handle.name, "--", "sudo", "sh", "-c", line)
    return f"install it with `{command}`, or use a template, see `repoman template`"


def start_session(
    handle: GuestHandle,
    folder: str,
    agent: str,
    argv: Sequence[str],
    *,
    lang: str,
    secrets: str,
    outside: tuple[str, str],
) -> None:
    """Start a session in which `argv` runs in `folder`; raise Failed if it can't be started.

    `lang`, `secrets` and `outside` are those of `guest.enter_argv`.
    """
    words = [word[:-1] + r"\;" if word.endswith(";") else word for word in argv]  # as tmux wants
    inner = ["sh", "-c", _START, "sh", agent, handle.name, _RUN, _HOOK, *words]
    entering = enter_argv(
        *(handle, folder, inner),
        login=False,
        terminal="",
        lang=lang,
        secrets=secrets,
        outside=outside,
        options=_NO_INPUT,
    )
    result = handle.incus.host.change(entering, timeout=60.0, max_bytes=1 << 16)
    _check_result(handle, agent, argv[0], result)


def _reason(result: Result) -> str:
    return result.complaint.removeprefix("repoman: ")


def attach_argv(handle: GuestHandle, *, terminal: str, lang: str) -> list[str]:
    """Return the argv that shows the session on this terminal, until it is left or ends."""
    inner = ["sh", "-c", _ATTACH]
    return enter_argv(handle, "/", inner, login=False, terminal=terminal, lang=lang)


def stop_session(handle: GuestHandle) -> None:
    """End the session with its agent; raise Failed if the container can't be entered."""
    result = handle.incus.host.change(_argv(handle, "/", _STOP), timeout=60.0, max_bytes=1 << 16)
    if result.code:
        raise Failed(f"the agent in {handle.name} can't be stopped", _reason(result))


def _argv(handle: GuestHandle, folder: str, script: str, *words: str) -> list[str]:
    inner = ["sh", "-c", script, "sh", *words]
    return enter_argv(handle, folder, inner, login=False, terminal="", lang="", options=_NO_INPUT)
