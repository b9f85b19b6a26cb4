# Runs one private PostgreSQL server for as long as our standard input stays open, then removes every trace of it.
#
# Started by tests/it/support/postgres.rs as `sh -c THIS postgres.sh BIN DIRECTORY PORT`. The test process holds the
# other end of standard input: however it ends (return, panic, SIGKILL), the kernel closes that end, the loop below
# ends and the server goes. Prints `ready`, or else the server's log; then obeys `stop` (at once, as a power cut would) and
# `start`, one a line, answered by `stopped` and `ready`.

bin=$1 directory=$2 port=$3
ready_polls_max=1200
server=

finish() {
    if [ -n "$server" ]; then
        # The data is thrown away: no need for a checkpoint, so `immediate` (SIGQUIT).
        kill -QUIT "$server" 2>/dev/null
        wait "$server" 2>/dev/null
    fi
    cd / && rm -rf "$directory"
}
# Only the closing of standard input ends us: Ctrl-C is for the tests, and `ready` may find no reader any more.
trap '' INT HUP PIPE
trap 'exit 1' TERM
trap finish EXIT

give_up() {
    cat log
    exit 1
}

# PostgreSQL refuses to run as root.
drop_privileges=
if [ "$(id -u)" = 0 ]; then
    user=nobody
    if id postgres >/dev/null 2>&1; then user=postgres; fi
    chown "$user" "$directory"
    drop_privileges="--reuid=$user --regid=$(id -g "$user") --clear-groups"
fi
cd "$directory" || exit 1
exec 3>&1 >log 2>&1

# The parent-death signal covers the one case that standard input does not: this shell itself is killed.
as_user() {
    # shellcheck disable=SC2086 # several words on purpose
    exec setpriv $drop_privileges --pdeathsig=QUIT -- "$@"
}

# `--no-sync` hurries the creation only; the server itself runs with fsync on.
(as_user "$bin/initdb" --pgdata=data --username=storekeeper --auth=trust --encoding=UTF8 --no-locale --no-sync) ||
    give_up >&3

start_server() {
    as_user "$bin/postgres" -D data -p "$port" -k "$directory" \
        -c listen_addresses=127.0.0.1 -c max_connections=300 3>&- &
    server=$!
    polls=0
    until grep -q '^ready' data/postmaster.pid 2>/dev/null; do
        polls=$((polls + 1))
        if [ "$polls" -gt "$ready_polls_max" ] || ! kill -0 "$server" 2>/dev/null; then give_up >&3; fi
        sleep 0.05
    done
    echo ready >&3
}

# What `pg_ctl stop -m immediate` does.
stop_server() {
    kill -QUIT "$server"
    wait "$server"
    server=
    rm -f data/postmaster.pid
    echo stopped >&3
}

start_server
while read -r order; do
    case $order in
        stop) stop_server ;;
        start) start_server ;;
    esac
done
