# Shared by the installers: where things are kept, how they are said, how a step is made safe to
# interrupt. Sourced, never run.
#
# Everything lands below one folder that survives runs. A thing is there when its folder is there:
# it is made in a scratch folder beside it and renamed when it is whole.

cache_dir="${FLEETLINE_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fleetline-tests}"

# Tells the person what is happening, on standard error: standard output is for the answer.
say() {
    printf '%s  %s\n' "$(date +%H:%M:%S)" "$*" >&2
}

# Ends an installer with the reason, which tests/run prints beside what it skips.
refuse() {
    printf '%s\n' "$*" >&2
    exit 1
}

# make_dir NAME COMMAND...: runs COMMAND with a scratch folder as its last argument and gives the
# folder its name when the command has succeeded. Does nothing where the name exists.
make_dir() {
    local name="$1" scratch
    shift
    [ -d "$cache_dir/$name" ] && return 0
    mkdir -p "$cache_dir"
    scratch="$(mktemp -d "$cache_dir/.making-$name.XXXXXX")"
    if ! "$@" "$scratch"; then
        chmod -R u+w "$scratch" 2>/dev/null
        rm -rf "$scratch"
        return 1
    fi
    # Another run may have made it meanwhile; theirs is as good as ours.
    mv -T "$scratch" "$cache_dir/$name" 2>/dev/null || rm -rf "$scratch"
}

# as_root COMMAND...: runs it as root, which the packages of the system need.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -n "$@"
    else
        refuse "needs root to run: $*"
    fi
}

# Refreshes the package lists where there are none or they are older than a day.
apt_lists() {
    if [ -z "$(find /var/lib/apt/lists -name '*_Packages*' -mtime -1 2>/dev/null | head -1)" ]; then
        say "refreshing the package lists of the system (some 10 s)"
        as_root apt-get update -qq >/dev/null 2>&1 || refuse "the package lists could not be fetched"
    fi
}
