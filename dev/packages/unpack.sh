#!/bin/sh
# repoman @VERSION@ for a host without Python. Behind the last line of this script stands a tar.gz
# archive. The first start unpacks it into ~/.cache/repoman, each later one starts it there.
set -u
sum=@SUM@
home=${HOME-}
# sudo may leave the home of somebody else, where root must not run what it finds.
[ -O "$home" ] || home=$(getent passwd "$(id -u)" | cut -d : -f 6)
base=${XDG_CACHE_HOME:-$home/.cache}/repoman
place=$base/$sum
# Whose folder it is may put something else in the place of what is in it.
# shellcheck disable=SC3067 # dash has -O
mine() { [ -O "$base" ] && [ -O "$place" ]; }
# git's helper is a link to this file.
case ${0##*/} in
git-remote-repoman) program=$place/git-remote-repoman ;;
*) program=$place/repoman ;;
esac
mine && [ -x "$place/repoman" ] && exec "$program" "$@"

fail() {
    printf 'repoman: %s\n' "$*" >&2
    exit 1
}

archive() { tail -n +@LINE@ -- "$0"; }

part=
trap '[ -z "$part" ] || rm -rf "$part"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
mask=$(umask)
umask 077
cure="have XDG_CACHE_HOME name a folder of yours"
mkdir -p "$base" 2>/dev/null || fail "$base can't be made: $cure"
# shellcheck disable=SC3067
[ -O "$base" ] || fail "$base is not yours: $cure"
[ ! -e "$place" ] || mine || fail "$place is not yours: $cure"
[ ! -e "$place" ] || fail "$place lacks the program: \`rm -r $place\`, then repeat"
# What a start that was killed has left behind.
find "$base" -maxdepth 1 -name '.part-*' -mmin +60 -exec rm -rf {} + 2>/dev/null
part=$(mktemp -d "$base/.part-XXXXXX" 2>/dev/null) || fail "$base can't be written: $cure"
[ "$(archive | sha256sum)" = "$sum  -" ] || fail "$0 is damaged: get it again"
archive | tar -xzf - -C "$part" --no-same-owner || fail "$base can't take 50 MB: $cure"
# After a power cut it is whole, or not there.
find "$part" -exec sync {} + || fail "$base can't be written: $cure"
# Of two starts at once, the second finds it there.
mv -T "$part" "$place" 2>/dev/null || mine || fail "$base can't be written: $cure"
rm -rf "$part"
umask "$mask"
exec "$program" "$@"
