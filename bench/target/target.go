// Package target runs a server to be measured as a child process, and reads from
// /proc what it costs. Everything but Start and Stop needs Linux.
package target

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	startTime   = 15 * time.Second // until the address is printed
	stopTime    = 10 * time.Second // from SIGTERM to the end
	metricsTime = 2 * time.Second
)

// Server is a running server. Its methods may be called from several goroutines
// until Stop is.
type Server struct {
	Name string
	Addr string // on the loopback interface

	data    string
	command *exec.Cmd
	output  *output
	ended   chan struct{} // closed when the process is gone
}

// Start runs argv, in which {data} stands for the data folder, and waits for the
// address that the server prints.
func Start(ctx context.Context, name string, argv []string, data string) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	s := &Server{Name: name, data: data, output: &output{port: make(chan string, 1)}, ended: make(chan struct{})}
	words := strings.Split(strings.ReplaceAll(strings.Join(argv, "\x00"), "{data}", data), "\x00")
	s.command = exec.Command(words[0], words[1:]...)
	s.command.Stdout, s.command.Stderr = s.output, s.output
	s.command.WaitDelay = time.Second
	if err := s.command.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		_ = s.command.Wait() // Start and Stop report an early end
		close(s.ended)
	}()
	select {
	case port := <-s.output.port:
		s.Addr = "127.0.0.1:" + port
		return s, nil
	case <-s.ended:
		return nil, fmt.Errorf("%s ended before it listened: %s", name, s.output.tail())
	case <-ctx.Done():
		_ = s.command.Process.Kill()
		<-s.ended
		return nil, fmt.Errorf("%s printed no address: %s", name, s.output.tail())
	}
}

// Stop ends the server. It returns an error if the server had already ended, or had
// to be killed.
func (s *Server) Stop() error {
	select {
	case <-s.ended:
		return fmt.Errorf("%s ended by itself: %s", s.Name, s.output.tail())
	default:
	}
	_ = s.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
		return nil
	case <-time.After(stopTime):
		_ = s.command.Process.Kill()
		<-s.ended
		return fmt.Errorf("%s did not end on SIGTERM", s.Name)
	}
}

// PID is the server's process.
func (s *Server) PID() int { return s.command.Process.Pid }

// tick is the unit of time in /proc, on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// CPU is the user and system time that a process has used, to 10 ms.
func CPU(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("CPU time: %w", err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // the name may have blanks
	return sumTicks(strings.Fields(rest), 11, 12)
}

// MachineCPU is what everything has used since the machine was started, and what a
// hypervisor took away, on all cores together.
func MachineCPU() (time.Duration, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("CPU time of the machine: %w", err)
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	return sumTicks(strings.Fields(line), 1, 2, 3, 6, 7, 8) // user, nice, system, irq, softirq, stolen
}

func sumTicks(fields []string, which ...int) (time.Duration, error) {
	var sum time.Duration
	for _, i := range which {
		if i >= len(fields) {
			return 0, fmt.Errorf("CPU time: no field %d in %q", i, fields)
		}
		ticks, err := strconv.Atoi(fields[i])
		if err != nil {
			return 0, fmt.Errorf("CPU time: %w", err)
		}
		sum += time.Duration(ticks) * tick
	}
	return sum, nil
}

// Memory is how many bytes the server has resident now.
func (s *Server) Memory() (int64, error) {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.PID()))
	if err != nil {
		return 0, fmt.Errorf("memory: %w", err)
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(statm), &size, &resident); err != nil {
		return 0, fmt.Errorf("memory: %w", err)
	}
	return resident * int64(os.Getpagesize()), nil
}

// Files counts the files and sockets that the server has open.
func (s *Server) Files() (int, error) {
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.PID()))
	if err != nil {
		return 0, fmt.Errorf("open files: %w", err)
	}
	return len(names), nil
}

// Disk is how many bytes the data folder takes, in whole blocks.
func (s *Server) Disk() (bytes int64, err error) {
	const block = 512 // the unit of st_blocks
	err = filepath.WalkDir(s.data, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil {
			var info fs.FileInfo
			if info, err = entry.Info(); err == nil {
				bytes += info.Sys().(*syscall.Stat_t).Blocks * block
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		return err
	})
	return bytes, err
}

// metrics leaves no connection behind that would count as an open file.
var metrics = &http.Client{Timeout: metricsTime, Transport: &http.Transport{DisableKeepAlives: true}}

// Goroutines asks the server's metrics how many it has. It fails for a server
// without metrics, and for one that is too busy to answer.
func (s *Server) Goroutines() (int, error) {
	response, err := metrics.Get(s.output.metricsURL())
	if err != nil {
		return 0, fmt.Errorf("metrics: %w", err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			return strconv.Atoi(value)
		}
	}
	return 0, errors.Join(errors.New("metrics: no go_goroutines"), lines.Err())
}

var (
	addressPattern = regexp.MustCompile(`listening on [^\s,]*:([0-9]+)[\s,]`)
	metricsPattern = regexp.MustCompile(`http://[^\s"]+/metrics`)
)

// output takes what a server prints, finds its addresses, and keeps the newest part
// for errors.
type output struct {
	port chan string // receives once

	mu      sync.Mutex
	text    []byte
	found   bool
	metrics string // URL
}

// Write implements io.Writer for the process's stdout and stderr.
func (o *output) Write(p []byte) (int, error) {
	const keep = 2 << 10
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	if o.metrics == "" {
		o.metrics = string(metricsPattern.Find(o.text))
	}
	if !o.found {
		if match := addressPattern.FindSubmatch(o.text); match != nil {
			o.found = true
			o.port <- string(match[1])
		}
		return len(p), nil
	}
	o.text = o.text[max(len(o.text)-keep, 0):]
	return len(p), nil
}

func (o *output) metricsURL() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.metrics
}

func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.TrimSpace(string(o.text))
}
