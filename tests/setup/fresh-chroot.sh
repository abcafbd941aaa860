#!/bin/sh
# Does `make demo` or `make test` work as the first and only command on a fresh Debian 12?
#
#   sudo tests/setup/fresh-chroot.sh [-w] [-u] [TARGET...]     (default: demo test)
#
#   -w   the working tree with what is not committed, instead of a clone of HEAD
#   -u   as a user with sudo instead of as root
#
# Each TARGET gets its own copy of a minimal system with nothing but what
# `apt-get install make git ca-certificates` puts there, and of the repository.
# Needs root and debootstrap; takes the mirror, apt's and pip's settings and certificates from this
# machine. The system is kept for the next time in $BASE (default /tmp/chroot-base).
set -eu

BASE=${BASE:-/tmp/chroot-base}
SUITE=bookworm
top=$(cd "$(dirname "$0")/../.." && pwd)
root=

die() {
    echo "fresh-chroot: $*" >&2
    exit 1
}

# The first Debian archive in apt's own lists, of either form.
mirror() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources \
        2>/dev/null | grep -v '^ *#' | grep -o 'https\?://[^ ]*/debian/\?\( \|$\)' | head -n 1
}

make_base() {
    [ ! -e "$BASE/etc/debian_version" ] || return 0
    url=$(mirror)
    [ -n "$url" ] || die 'no Debian mirror in /etc/apt/sources.list*'
    echo "fresh-chroot: debootstrap $SUITE into $BASE"
    debootstrap --variant=minbase --include=make,git,ca-certificates $SUITE "$BASE" "$url" \
        >"$BASE.log" 2>&1 || die "debootstrap failed, see $BASE.log"
    # Only what is installed stays: the lists must be fetched, as on a fresh image.
    rm -rf "$BASE"/var/lib/apt/lists/* "$BASE"/var/cache/apt/archives/*.deb
}

# What this machine needs to reach the registries, the other one needs too.
copy_settings() {
    for path in /etc/apt/apt.conf.d /etc/apt/sources.list /etc/apt/sources.list.d \
        /etc/apt/trusted.gpg.d /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/ssl/certs \
        /usr/local/share/ca-certificates; do
        [ -e "$path" ] || continue
        rm -rf "${root:?}$path"
        mkdir -p "$root$(dirname "$path")"
        cp -aL "$path" "$root$path" 2>/dev/null || true
    done
}

settings() {
    env | grep -E '^(PIP_[A-Z_]*|[A-Za-z]*_proxy|[A-Z]*_PROXY|SSL_CERT_[A-Z]*|REQUESTS_CA_BUNDLE)=' ||
        true
}

copy_tree() {
    if [ "$tree" = clone ]; then
        git -c safe.directory='*' clone -q "$top" "$root$home/tilec"
        return
    fi
    mkdir -p "$root$home/tilec"
    (cd "$top" && git -c safe.directory='*' ls-files -z -co --exclude-standard |
        xargs -0 sh -c 'for f; do [ ! -e "$f" ] || printf "%s\0" "$f"; done' sh |
        tar -c --null -T -) | tar -x --no-same-owner -C "$root$home/tilec"
    git -C "$root$home/tilec" init -q
}

leave() {
    [ -n "$root" ] || return 0
    umount -l "$root/dev" "$root/proc" 2>/dev/null || true
    rm -rf --one-file-system "$root"
}

run_target() {
    root=$(mktemp -d "$BASE.XXXXXX")
    cp -a "$BASE/." "$root"
    copy_settings
    mount -t proc proc "$root/proc"
    mount --bind /dev "$root/dev"
    home=/root
    as=
    if [ "$user" = 1 ]; then
        home=/srv/builder
        as='runuser -u builder --'
        chroot "$root" sh -c 'apt-get update && apt-get install -y sudo && useradd -m -d /srv/builder builder &&
            echo "builder ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/builder' >/dev/null 2>&1
    fi
    copy_tree
    [ "$user" = 0 ] || chroot "$root" chown -R builder "$home"
    echo "fresh-chroot: make $1"
    start=$(date +%s)
    # shellcheck disable=SC2046,SC2086
    env -i $(settings) HOME="$home" LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        chroot "$root" $as sh -c "cd $home/tilec && make $1" </dev/null
    echo "fresh-chroot: make $1 passed in $(($(date +%s) - start)) s"
    leave
    root=
}

tree=clone
user=0
while getopts wu option; do
    case $option in
    w) tree=working ;;
    u) user=1 ;;
    *) die 'usage: fresh-chroot.sh [-w] [-u] [TARGET...]' ;;
    esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- demo test
[ "$(id -u)" = 0 ] || die 'needs root: chroot and mount'
command -v debootstrap >/dev/null || die 'missing: debootstrap. Install: apt-get install debootstrap'

trap leave EXIT
trap 'exit 1' INT TERM
make_base
for target; do
    run_target "$target"
done
