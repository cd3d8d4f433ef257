package target

import (
	"regexp"
	"strings"
	"sync"
)

// keepOutput is how much of a server's newest output an error shows.
const keepOutput = 2 << 10

// address is a host and port as servers print them: 127.0.0.1:22, [::]:22, :22.
// A time of day or a fingerprint's beginning is none.
var address = regexp.MustCompile(
	`(?:^|[\s="'(/])(?:\[[0-9a-fA-F:.]*\]|[0-9]+(?:\.[0-9]+){3}|localhost)?:([0-9]{1,5})(?:[\s"',.;)]|$)`)

// metricsURL is where a server says that its metrics are.
var metricsURL = regexp.MustCompile(`http://[^\s"]+/metrics`)

// output takes what a server prints, finds its address in the first line that
// has one, and keeps the newest part for errors.
type output struct {
	port chan string // receives once

	mu    sync.Mutex
	found bool
	text  []byte
	stats string // the metrics' URL; "" for none
}

func newOutput() *output { return &output{port: make(chan string, 1)} }

// Write implements io.Writer for the process's stdout and stderr.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	if !o.found {
		o.find()
	}
	if o.stats == "" {
		o.stats = metricsURL.FindString(string(o.text))
	}
	if extra := len(o.text) - keepOutput; extra > 0 && o.found {
		o.text = append(o.text[:0], o.text[extra:]...)
	}
	return len(p), nil
}

// find looks at whole lines, so that no port is cut short.
func (o *output) find() {
	end := strings.LastIndexByte(string(o.text), '\n')
	for line := range strings.Lines(string(o.text[:end+1])) {
		if match := address.FindStringSubmatch(strings.TrimSpace(line)); match != nil {
			o.found = true
			o.port <- match[1]
			return
		}
	}
}

func (o *output) metrics() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stats
}

func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.TrimSpace(string(o.text))
}
