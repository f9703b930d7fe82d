"""Scripts that set the host name of a container, and have it found in there.

Images of image servers have templates for both. One that was made from a container, or by other
means, may have the name of another host, or no /etc/hosts: then sudo complains of each call, and
takes seconds where no name server answers.
"""

from __future__ import annotations

__all__ = ["RESOLVE_NAME", "SET_NAME"]

SET_NAME = r"""
set_name() {
    read -r now </proc/sys/kernel/hostname
    [ "$1" != "$now" ] && [ ! -L /etc/hostname ] && printf '%s\n' "$1" >/etc/hostname &&
        { printf '%s\n' "$1" >/proc/sys/kernel/hostname || hostname "$1"; }
} 2>/dev/null
"""
"""Defines a function that sets the host name, for this boot and later ones."""

RESOLVE_NAME = r"""
(
    name=
    [ ! -s /etc/hostname ] || read -r name </etc/hostname
    [ -n "$name" ] || read -r name </proc/sys/kernel/hostname
    [ ! -L /etc/hosts ] && { [ -f /etc/hosts ] || [ ! -e /etc/hosts ]; } || exit
    known=" $(tr -s '[:space:]' ' ' </etc/hosts) "
    case $known in
    *" localhost "*) ;;
    *) printf '127.0.0.1\tlocalhost\n::1\tlocalhost\n' >>/etc/hosts ;;
    esac
    case $known in *" $name "*) ;; *) printf '127.0.1.1\t%s\n' "$name" >>/etc/hosts ;; esac
) 2>/dev/null
"""
"""Adds to /etc/hosts what is missing there of localhost and the host name."""
