package clustersim

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// startEngine builds a NATS server, in the version of go.mod, and runs it in dir until stop. It syncs every
// write before it acknowledges it.
func startEngine(ctx context.Context, dir string) (url string, stop func(), err error) {
	program := filepath.Join(dir, "nats-server")
	const fast = "-ldflags=-s -w" // without what debuggers read, the linker needs a third less
	out, err := exec.CommandContext(ctx, "go", "build", fast, "-o", program, "github.com/nats-io/nats-server/v2").CombinedOutput()
	if err != nil {
		return "", nil, fmt.Errorf("build the engine: %w\n%s", err, out)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		return "", nil, err
	}
	conf := filepath.Join(dir, "nats.conf")
	text := fmt.Sprintf("listen: %s\njetstream {\n  store_dir: %q\n  sync_interval: always\n}\n", address, filepath.Join(dir, "store"))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, program, "--config", conf)
	log, err := cmd.StderrPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // its status is that it was killed
	}
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "Server is ready") {
			go func() { _, _ = io.Copy(io.Discard, log) }()
			return "nats://" + address, stop, nil
		}
	}
	stop()
	return "", nil, errors.New("the engine does not start")
}
