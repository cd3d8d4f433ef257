#!/bin/sh
# A cluster on one machine, to try it and to break it: three NATS servers (the engine) and two chat
# servers, each with a folder of its own for its files, its log and its process id.
#
#   deploy/cluster.sh start [FOLDER]   starts the processes that do not run; FOLDER is ./cluster
#   deploy/cluster.sh status [FOLDER]  shows the processes, and the state of the cluster
#   deploy/cluster.sh stop [FOLDER]    stops all of it, and keeps the files
#
# Then:
#
#   ssh -p 2222 alice@localhost        on the first chat server
#   ssh -p 2223 bob@localhost          on the second
#   kill -9 $(cat cluster/engine2/pid) any of the five; "start" brings it back
#
# Variables: WHOELSE and NATS_SERVER name the programs (otherwise Go builds them from this module),
# CHATS (2) and ENGINES (3) how many there are of each, CHAT_PORT (2222) and ENGINE_PORT (4222) their
# first ports. Engine nodes reach each other on the ports from ENGINE_PORT + 100.
# In production: one engine node and one chat server on each of three machines, see docs/cluster.md.
set -eu

command=${1-}
folder=${2-cluster}
chats=${CHATS-2}
engines=${ENGINES-3}
chat_port=${CHAT_PORT-2222}
engine_port=${ENGINE_PORT-4222}
source=$(cd "$(dirname "$0")/.." && pwd)

fail() {
	echo "cluster.sh: $*" >&2
	exit 1
}

# build NAME PACKAGE: a program from this module, with the versions that go.mod names.
build() {
	[ -x "$folder/bin/$1" ] || (cd "$source" && CGO_ENABLED=0 go build -trimpath -o "$folder/bin/$1" "$2") ||
		fail "$1 can't be built; install Go, or set WHOELSE and NATS_SERVER to the programs"
	echo "$folder/bin/$1"
}

# runs NAME: whether its process is there. A pid may be another program's after a restart of the machine.
runs() {
	pid=$(cat "$folder/$1/pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null &&
		ps -o args= -p "$pid" | grep -q -F "$folder/$1"
}

# launch NAME PROGRAM...: starts it in the background.
launch() {
	name=$1
	shift
	: >"$folder/$name/log"
	nohup "$@" >>"$folder/$name/log" 2>&1 </dev/null &
	echo $! >"$folder/$name/pid"
}

# await NAME READY: waits until its log says READY.
await() {
	tries=0
	until grep -q "$2" "$folder/$1/log"; do
		runs "$1" || [ $tries -eq 0 ] || fail "$1 has ended; $folder/$1/log: $(tail -n 3 "$folder/$1/log")"
		tries=$((tries + 1))
		[ $tries -le 600 ] || fail "$1 is not ready after a minute; see $folder/$1/log"
		sleep 0.1
	done
}

# urls OFFSET: the addresses of all engines, for clients (0) or for each other (100).
urls() {
	i=1 all=
	while [ $i -le "$engines" ]; do
		all="$all${all:+,}nats://127.0.0.1:$((engine_port + $1 + i - 1))"
		i=$((i + 1))
	done
	echo "$all"
}

# engine N: the important line is "sync_interval: always". Without it, NATS acknowledges a message up to
# two minutes before it is on disk.
engine() {
	mkdir -p "$folder/engine$1"
	cat >"$folder/engine$1/nats.conf" <<END
server_name: engine$1
listen: 127.0.0.1:$((engine_port + $1 - 1))
jetstream {
  store_dir: "$folder/engine$1/store"
  sync_interval: always
}
cluster {
  name: whoelse
  listen: 127.0.0.1:$((engine_port + 100 + $1 - 1))
  routes: [$(urls 100)]
  no_advertise: true
}
END
	launch "engine$1" "$nats" --config "$folder/engine$1/nats.conf"
}

# chat N: all chat servers have the host key of the first, so that ssh takes them for one host.
chat() {
	data=$folder/chat$1/data
	mkdir -p "$folder/chat$1"
	if [ "$1" -gt 1 ] && [ ! -e "$data/host_key" ]; then
		"$whoelse" hostkey export --data "$folder/chat1/data" 2>/dev/null |
			"$whoelse" hostkey import --data "$data" >/dev/null 2>&1 ||
			fail "the host key of chat1 can't be copied"
	fi
	launch "chat$1" "$whoelse" serve --data "$data" --node "chat$1" --cluster "$(urls 0)" \
		--listen "127.0.0.1:$((chat_port + $1 - 1))" --hostname localhost
}

# each NAME COUNT FUNCTION: calls FUNCTION with the number of each of them.
each() {
	n=1
	while [ $n -le "$2" ]; do
		"$3" "$1" $n
		n=$((n + 1))
	done
}

# start_one FUNCTION N: starts it, unless it runs.
start_one() {
	if ! runs "$1$2"; then
		"$1" "$2"
		started="$started $1$2"
	fi
}

# start_all FUNCTION COUNT READY: starts all of a kind at once, and waits until each log says READY.
start_all() {
	started=
	each "$1" "$2" start_one
	for name in $started; do
		await "$name" "$3"
		echo "$name runs"
	done
}

stop_one() {
	if runs "$1$2"; then
		kill "$pid"
		stopped="$stopped $1$2"
	fi
}

# stop_all NAME COUNT: stops all of a kind at once.
stop_all() {
	stopped=
	each "$1" "$2" stop_one
	for name in $stopped; do
		while runs "$name"; do sleep 0.1; done
		echo "$name has stopped"
	done
}

show_one() { if runs "$1$2"; then echo "$1$2 runs, process $pid"; else echo "$1$2 does not run"; fi; }

case $command in
start | status | stop) ;;
*) fail "usage: deploy/cluster.sh start|status|stop [FOLDER]" ;;
esac
[ "$command" != start ] || mkdir -p "$folder"
[ -d "$folder" ] || fail "there is no folder $folder; run deploy/cluster.sh start first"
folder=$(cd "$folder" && pwd)
case $command in
start)
	nats=${NATS_SERVER-$(command -v nats-server || build nats-server github.com/nats-io/nats-server/v2)}
	whoelse=${WHOELSE-$(build whoelse .)}
	start_all engine "$engines" "Server is ready"
	start_all chat 1 "whoelse is listening" # the others need its host key
	start_all chat "$chats" "whoelse is listening"
	echo "join with: ssh -p $chat_port YOUR-NICK@localhost"
	;;
status)
	each engine "$engines" show_one
	each chat "$chats" show_one
	"${WHOELSE-$folder/bin/whoelse}" cluster status --cluster "$(urls 0)"
	;;
stop)
	stop_all chat "$chats"
	stop_all engine "$engines"
	;;
esac
