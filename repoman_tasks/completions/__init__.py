"""The shells' own completions, as text made from what the commands take. Pure.

`bash`, `zsh` and `fish` each make a script that needs no other program: what it offers comes
from the script itself, the registry and ssh_config, read by the shell's own means.
"""
