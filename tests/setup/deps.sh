#!/bin/sh
# Finds and installs what building and testing need. Run from the repository's root:
#
#   deps.sh check         complain in one line if a build tool is missing
#   deps.sh clang         the same for clang with libFuzzer
#   deps.sh build         install missing build tools (apt-get, as root or through sudo)
#   deps.sh test          the same and a C++ compiler: some tests compile emitted CUDA for the CPU
#   deps.sh python SET    make build/venv hold tests/setup/SET.txt (demo or test)
#
# Nothing is installed, and no server asked, when all is there.
set -u
cc=${CC:-gcc}
venv=build/venv
log=build/setup.log

die() {
    echo "setup: $*" >&2
    exit 1
}

compiles() {
    printf '%s\n' "$1" '#include <stdio.h>' 'int main(void) { return EOF > 0; }' |
        "$cc" -x c - -fsyntax-only 2>/dev/null
}

# Names of the missing build packages, in $packages.
find_missing() {
    packages=
    if ! command -v "$cc" >/dev/null || ! compiles ''; then
        packages="$(basename "$cc") libc6-dev libedit2"
    fi
    command -v re2c >/dev/null || packages="$packages re2c"
    command -v lemon >/dev/null || packages="$packages lemon"
    packages=${packages# }
}

# The first Python that can make an environment, in $python.
find_python() {
    for python in python3 /usr/bin/python3; do
        "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' \
            2>/dev/null && return
    done
    return 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends "$@" >>$log 2>&1
}

# The package lists may be absent or too old: then they are fetched, and once more.
install_packages() {
    command -v apt-get >/dev/null ||
        die "no apt-get here; install these (Debian's names) by hand: $*"
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
        die "neither root nor sudo; have an administrator run: apt-get install $*"
    mkdir -p build
    echo "setup: installing $*"
    apt_install "$@" && return
    as_root apt-get update >>$log 2>&1
    apt_install "$@" && return
    tail -n 5 $log >&2
    die "apt-get could not install $* (all of its output: $log)"
}

python_holds() {
    [ -x $venv/bin/python ] && $venv/bin/python - "$1" <<'END' 2>/dev/null
import importlib.metadata, re, sys

def number(version):
    return [int(n) for n in re.findall(r"\d+", version)[:3]]

for line in open(sys.argv[1]):
    name, _, least = line.split("#")[0].strip().partition(">=")
    if name and number(importlib.metadata.version(name)) < number(least):
        sys.exit(1)
END
}

make_python() {
    list=tests/setup/$1.txt
    python_holds "$list" && return
    find_python || install_packages python3 python3-venv
    find_python || die 'no python3 of version 3.9 or newer with venv'
    mkdir -p build
    echo "setup: installing $(sed 's/>=.*//' "$list" | tr '\n' ' ')into $venv"
    if ! $venv/bin/python -m pip --version >/dev/null 2>&1; then
        "$python" -m venv --clear $venv >>$log 2>&1 || die "$python -m venv failed, see $log"
    fi
    $venv/bin/python -m pip install --disable-pip-version-check -r "$list" >>$log 2>&1 ||
        { tail -n 5 $log >&2; die "pip could not install $list (all of its output: $log)"; }
    python_holds "$list" || die "$venv lacks packages of $list after pip, see $log"
}

case ${1-} in
check)
    find_missing
    [ -z "$packages" ] ||
        die "missing: $packages. Install: sudo apt-get install $packages (or: make deps)"
    ;;
clang)
    echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' |
        clang -x c - -fsanitize=fuzzer,address -o /dev/null 2>/dev/null ||
        die 'no clang with libFuzzer. Install: sudo apt-get install clang libclang-rt-dev' \
            '(Debian 12: clang libclang-rt-14-dev)'
    ;;
build | test)
    find_missing
    [ "$1" = build ] || command -v g++ >/dev/null || command -v clang++ >/dev/null ||
        packages="$packages g++"
    # shellcheck disable=SC2086
    [ -z "$packages" ] || install_packages $packages
    ;;
python)
    make_python "$2"
    ;;
*)
    die 'usage: deps.sh check | clang | build | test | python demo|test'
    ;;
esac
