#!/bin/sh
# Builds the only file system that a walled child sees, goes into it for good, gives up every privilege and runs the
# program. Started as root of fresh mount and process namespaces (docs/adr/0064):
#   enter-sandbox.sh <uid, or - to stay> <working folder> [<what> <path>]... -- <program> [argument]...
#   ro, rw    shows the path, also for writing        hide    covers a folder that was shown with the one above it
#   tmp       shows the path as /tmp too, for writing user    what other people's programs expect, under this account name
# Nothing is there that is not named: system libraries, then what the arguments show, at the paths they have outside.
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin
# No source of a bind mount lies below /sys, and what is mounted there now does not lie below this.
root=/sys/inside
uid=$1 cwd=$2
shift 2
writable=
locked=ro,nosuid,nodev

# places [<what> <path>]... -- …: all that is to be shown gets its place at once, as each process that this starts costs a millisecond.
places() {
  total=$# read=0
  while [ "$1" != -- ]; do
    case $1 in
    ro | rw) if [ -d "$2" ]; then set -- "$@" "$root$2"; else set -- "$@" "$root${2%/*}"; fi ;;
    esac
    shift 2
    read=$((read + 2))
  done
  shift $((total - read))
  mkdir -p "$root/dev" "$root/proc" "$root/etc" "$root/.old" "$@"
}

# show <path> <options>: what the options ask is set here where the kernel takes it at once; `lock` below sees to the rest.
show() {
  if [ -d "$1" ]; then
    [ -d "$root$1" ] || mkdir -p "$root$1"
  else
    [ -d "$root${1%/*}" ] || mkdir -p "$root${1%/*}"
    [ -e "$root$1" ] || : >"$root$1"
  fi
  # Where other mounts lie below, the kernel only shows all of them together.
  mount -o "bind,$2" "$1" "$root$1" 2>/dev/null || mount --bind "$1" "$root$1" 2>/dev/null ||
    mount --rbind "$1" "$root$1"
}

devices() {
  for device in "$@"; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
}

# user <name>: programs that were not written for this place look for their account, temporary files and shared memory.
welcome() {
  if [ "$uid" = - ]; then number=0; else number=$uid; fi
  mkdir -p "$root/etc" "$root/tmp" "$root/dev/shm"
  printf '%s:x:%s:%s::/tmp:/bin/sh\n' "$1" "$number" "$number" >"$root/etc/passwd"
  for place in /etc/ld.so.conf /etc/ld.so.conf.d; do
    if [ -e "$place" ]; then show "$place" "$locked"; fi
  done
  devices full
  ln -s /proc/self/fd "$root/dev/fd"
  mount -t tmpfs -o size=64m,mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
}

lock() {
  mount -o remount,bind,ro,nosuid,nodev "$1" 2>/dev/null || mount -o remount,bind,ro,nosuid,nodev,noexec "$1"
}

mount -t tmpfs -o size=1m,mode=755,nosuid,nodev tmpfs /sys
mkdir "$root"
mount -t tmpfs -o size=16m,mode=755,nosuid,nodev tmpfs "$root"
system="/usr /bin /sbin /lib /lib32 /lib64 /libx32 /nix/store"
links=
for place in $system; do
  if [ -L "$place" ]; then links="$links $place"; fi
done
# Before the rest: what is shown may lie behind one of them.
# shellcheck disable=SC2086 # Some of the names above, each at the root.
if [ -n "$links" ]; then cp -P $links "$root/"; fi
for place in $system; do
  if [ -d "$place" ] && [ ! -L "$place" ]; then show "$place" "$locked"; fi
done
places "$@"
for place in /etc/ld.so.cache /etc/alternatives; do
  if [ -e "$place" ]; then show "$place" "$locked"; fi
done
devices null zero random urandom
# A container may forbid a fresh one; the child then has none, and never the one with the server in it.
mount -t proc -o nosuid,nodev,noexec proc "$root/proc" 2>/dev/null || :

while [ "$1" != -- ]; do
  case $1 in
  ro) show "$2" "$locked" ;;
  rw)
    show "$2" nosuid,nodev
    writable="$writable|$root$2|"
    ;;
  hide) if [ -d "$root$2" ]; then mount -t tmpfs -o size=1m,mode=755,nosuid,nodev tmpfs "$root$2"; fi ;;
  tmp)
    mount --bind "$2" "$root/tmp"
    writable="$writable|$root/tmp|"
    ;;
  user) welcome "$2" ;;
  *) exit 64 ;;
  esac
  shift 2
done
shift

while read -r _ _ _ _ place options _; do
  case $place in
  "$root"/dev/* | "$root"/proc | "$root"/proc/*) continue ;;
  "$root"/*) ;;
  *) continue ;;
  esac
  # The kernel writes blanks in octal. Most paths have none, and this starts two processes.
  case $place in
  *\\*) place=$(printf '%b' "$(printf '%s' "$place" | sed 's/\\\([0-7]\)/\\0\1/g')") ;;
  esac
  case $writable in
  *"|$place|"*)
    case $options in rw,nosuid,nodev*) continue ;; esac
    mount -o remount,bind,nosuid,nodev "$place" 2>/dev/null || :
    ;;
  *)
    case $options in ro,nosuid,nodev*) continue ;; esac
    lock "$place"
    ;;
  esac
done <<MOUNTS
$(cat /proc/self/mountinfo)
MOUNTS

cd "$root"
pivot_root . .old
umount -l /.old
rmdir /.old
mount -o remount,bind,ro,nosuid,nodev /
cd "$cwd"
# A change of account forgets the signal that --kill-child asked for, so it is asked for again.
if [ "$uid" != - ]; then set -- --reuid "$uid" --regid "$uid" --clear-groups "$@"; fi
exec setpriv --pdeathsig KILL --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
