# Sourced by the tools: what has to be there before anything is built. Looks first and installs only
# what is missing, so that nothing needs a network or root where everything is there.

fail() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# The Swift toolchain is the one thing that is not installed here.
require_swift() {
    command -v swift >/dev/null ||
        fail "no Swift toolchain on PATH; see https://www.swift.org/install/linux/"
    local pattern='Swift version ([0-9]+)\.([0-9]+)'
    [[ $(swift --version 2>&1) =~ $pattern ]] || fail "swift --version does not say its version"
    local major=${BASH_REMATCH[1]} minor=${BASH_REMATCH[2]}
    [ "$major" -gt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -ge 2 ]; } ||
        fail "Swift 6.2 or newer is needed, this is $major.$minor"
}

# Prints the packages that are missing for a build and, with the argument `tests`, for the tests.
missing_packages() {
    command -v git >/dev/null || echo git
    [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
    command -v ld >/dev/null || echo binutils
    [ -e /usr/include/stdlib.h ] || echo libc6-dev
    compgen -G '/usr/lib/gcc/*/*/libstdc++.so' >/dev/null || echo libstdc++-12-dev
    command -v pkg-config >/dev/null || echo pkg-config
    { command -v pkg-config >/dev/null && pkg-config --exists lmdb; } || echo liblmdb-dev
    command -v python3 >/dev/null || echo python3
    if [ "${1:-}" = tests ]; then
        command -v openssl >/dev/null || echo openssl
        python3 -c 'import venv, ensurepip' 2>/dev/null || echo python3-venv
    fi
}

install_missing() {
    local packages=() as_root=()
    mapfile -t packages < <(missing_packages "$@")
    [ ${#packages[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || fail "please install ${packages[*]} (no apt-get here)"
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "please install as root: apt-get install ${packages[*]}"
        as_root=(sudo)
    fi
    echo "installing ${packages[*]}"
    "${as_root[@]}" apt-get update -qq &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
        fail "apt-get could not install ${packages[*]}; install them and start again"
    mapfile -t packages < <(missing_packages "$@")
    [ ${#packages[@]} -eq 0 ] || fail "still missing after the installation: ${packages[*]}"
}
