# `postgres.sh FOLDER PORT`: PostgreSQL refuses to run as root, so its own user runs it, on a cluster that is made first.
set -eu
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
mkdir -p "$1"
cd "$1"
chown postgres .
as_postgres() { exec setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
(as_postgres "$bin/initdb" --pgdata=. --username=postgres --auth=trust --no-sync >/dev/null)
echo 'host all all all trust' >>pg_hba.conf
as_postgres "$bin/postgres" -D . -p "$2" -c listen_addresses='*' -c unix_socket_directories='' -c fsync=off
