package target

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ErrNoMetrics is returned for a server that does not say where its metrics are.
var ErrNoMetrics = errors.New("no metrics")

// metricsTime is how long a server may take to answer for its metrics.
const metricsTime = 2 * time.Second

// metricsClient leaves no connection behind that would count as an open file.
var metricsClient = &http.Client{Timeout: metricsTime, Transport: &http.Transport{DisableKeepAlives: true}}

// Goroutines asks the server's metrics how many goroutines it has.
func (t *Target) Goroutines(ctx context.Context) (n int, err error) {
	url := t.output.metrics()
	if url == "" {
		return 0, fmt.Errorf("%s: %w", t.Name, ErrNoMetrics)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, fmt.Errorf("metrics: %w", err)
	}
	response, err := metricsClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("metrics: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			return strconv.Atoi(value)
		}
	}
	return 0, errors.Join(errors.New("metrics: no go_goroutines"), lines.Err())
}
