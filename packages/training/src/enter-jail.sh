#!/bin/sh
# Builds the only file system that a trainer sees, goes into it for good, gives up every privilege and runs the program.
# Started as root of a fresh mount namespace (docs/adr/0074):
#   enter-jail.sh <uid, or - to stay> <empty folder> <working folder> [ro|rw|hide|tmp <path>]... -- <program> [argument]...
# Nothing is there that is not named: system libraries, then what the arguments show, at the paths they have outside.
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C
uid=$1 root=$2 cwd=$3
shift 3
writable=

show() {
  if [ -d "$1" ]; then
    mkdir -p "$root$1"
  else
    mkdir -p "$root${1%/*}"
    [ -e "$root$1" ] || : >"$root$1"
  fi
  # Where other mounts lie below, the kernel only shows all of them together.
  mount --bind "$1" "$root$1" 2>/dev/null || mount --rbind "$1" "$root$1"
}

lock() {
  mount -o remount,bind,ro,nosuid,nodev "$1" 2>/dev/null || mount -o remount,bind,ro,nosuid,nodev,noexec "$1"
}

mount -t tmpfs -o size=16m,mode=755,nosuid tmpfs "$root"
for place in /usr /bin /sbin /lib /lib32 /lib64 /libx32 /nix/store; do
  if [ -L "$place" ]; then
    ln -s "$(readlink "$place")" "$root$place"
  elif [ -d "$place" ]; then
    show "$place"
  fi
done
for place in /etc/ld.so.cache /etc/ld.so.conf /etc/ld.so.conf.d /etc/alternatives; do
  if [ -e "$place" ]; then show "$place"; fi
done
mkdir -p "$root/etc" "$root/proc" "$root/tmp" "$root/dev/shm" "$root/.old"
for device in null zero full random urandom; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o size=64m,mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
# A container may forbid a fresh one; the trainer then has none, and never the one with the server in it.
mount -t proc -o nosuid,nodev,noexec proc "$root/proc" 2>/dev/null || :
if [ "$uid" = - ]; then name=0; else name=$uid; fi
printf 'trainer:x:%s:%s::/tmp:/bin/sh\n' "$name" "$name" >"$root/etc/passwd"

while [ "$1" != -- ]; do
  case $1 in
  ro) show "$2" ;;
  rw)
    show "$2"
    writable="$writable|$root$2|"
    ;;
  hide) if [ -d "$root$2" ]; then mount -t tmpfs -o size=1m,mode=755,nosuid,nodev tmpfs "$root$2"; fi ;;
  tmp)
    mount --bind "$2" "$root/tmp"
    writable="$writable|$root/tmp|"
    ;;
  esac
  shift 2
done
shift

mounts=$(cat /proc/self/mountinfo)
while read -r _ _ _ _ escaped _; do
  place=$(printf '%b' "$(printf '%s' "$escaped" | sed 's/\\\([0-7]\)/\\0\1/g')")
  case $place in
  "$root"/dev/* | "$root"/proc | "$root"/proc/*) ;;
  "$root"/*)
    case $writable in
    *"|$place|"*) mount -o remount,bind,nosuid,nodev "$place" 2>/dev/null || : ;;
    *) lock "$place" ;;
    esac
    ;;
  esac
done <<EOF
$mounts
EOF

cd "$root"
pivot_root . .old
umount -l /.old
rmdir /.old
mount -o remount,bind,ro,nosuid /
cd "$cwd"
if [ "$uid" != - ]; then set -- --reuid "$uid" --regid "$uid" --clear-groups -- prlimit --nproc=512:512 -- "$@"; else set -- -- "$@"; fi
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
