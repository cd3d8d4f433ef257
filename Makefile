# The names of what is done here. What every change has to pass is .ci/run.

.PHONY: all build test lint fuzz check soak jepsen bench image

all: build

build: # the binary, without anything of this machine's libraries
	CGO_ENABLED=0 go build -trimpath -o whoelse .

test: # what needs nothing but Go; with the ssh clients that are here
	go test ./...

lint fuzz:
	.ci/run $@

check: # all that every change has to pass
	.ci/run

soak: # kill the server 10,000 times while people talk; takes some hours
	WHOELSE_REQUIRE_SSH=1 WHOELSE_CRASHES=10000 go test -v -timeout 24h -run '^(TestNothingAcknowledgedIsLost|TestPowerCut)$$' ./test

jepsen: # break clusters while people talk; takes over half an hour; as root, engine nodes are cut off from each other, too
	WHOELSE_TEST=full WHOELSE_JEPSEN=30m go test -v -timeout 2h ./test/cluster

bench: # that the measurements of docs/measurements.md run, with small numbers
	go test -count 1 -v ./bench/...

image:
	docker build -t whoelse .
