// Package metrics tells those who watch the server how it is: /metrics, for Prometheus,
// and /healthz, over HTTP.
//
//	m, err := metrics.Listen(addr, log) // early, since the address may be taken
//	m.Serve(metrics.Sources{...}, probe)
//	defer m.Stop()
//
// Nothing is counted here: each part of the server has a plain struct of statistics, which
// is asked for when somebody asks for metrics.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Bounds of what the metrics' listener does for anybody.
const (
	probeWithin    = 2 * time.Second // storage says whether it accepts
	metricsWithin  = 10 * time.Second
	metricsAtOnce  = 4 // requests of each kind that are worked on
	metricsHeaders = 8 << 10
	metricsEnd     = 300 * time.Millisecond // for requests that are being answered
)

// Server is the HTTP listener. nil is none, and its methods do nothing. They are not called
// concurrently.
type Server struct {
	listener net.Listener
	http     *http.Server
	log      *slog.Logger
	ended    chan struct{}
}

// Listen binds addr, which is on the loopback interface where it names no host. Without
// addr there are no metrics. The error is in words for the operator.
func Listen(addr string, log *slog.Logger) (*Server, error) {
	if addr == "" {
		return nil, nil
	}
	if strings.HasPrefix(addr, ":") {
		addr = "127.0.0.1" + addr
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("--metrics %s: can't listen there (%w); name another address", addr, errors.Unwrap(err))
	}
	return &Server{listener: l, log: log}, nil
}

// Serve answers from now on, in goroutines of its own, until Stop.
func (m *Server) Serve(from Sources, probe Probe) {
	if m == nil {
		return
	}
	errorLog := slog.NewLogLogger(m.log.Handler(), slog.LevelWarn)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(from.registry(), promhttp.HandlerOpts{
		ErrorLog: errorLog, MaxRequestsInFlight: metricsAtOnce, Timeout: metricsWithin / 2, EnableOpenMetrics: true,
	}))
	mux.Handle("GET /healthz", health(probe))
	m.http = &http.Server{
		Handler: mux, ErrorLog: errorLog, MaxHeaderBytes: metricsHeaders,
		ReadHeaderTimeout: metricsWithin / 2, ReadTimeout: metricsWithin, WriteTimeout: metricsWithin, IdleTimeout: 6 * metricsWithin,
	}
	m.ended = make(chan struct{})
	go func() {
		defer close(m.ended)
		if err := m.http.Serve(m.listener); !errors.Is(err, http.ErrServerClosed) {
			m.log.Error("serving metrics failed", "err", err)
		}
	}()
	m.log.Info("serving metrics", "url", "http://"+m.listener.Addr().String()+"/metrics")
}

// Stop ends it, and requests too that take long.
func (m *Server) Stop() {
	switch {
	case m == nil:
		return
	case m.http == nil: // it never served
		m.listener.Close()
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), metricsEnd)
	defer cancel()
	if m.http.Shutdown(ctx) != nil {
		m.http.Close()
	}
	<-m.ended
}

// Probe asks whether storage accepts, and returns what else there is to say. It may be
// called concurrently; the context ends after 2 seconds.
type Probe func(context.Context) (remark string, err error)

var errNoAnswer = fmt.Errorf("no answer within %v", probeWithin)

// health answers whether storage accepts. Only so many ask it at once, since what is
// asked of a disk that hangs stays in memory.
func health(probe Probe) http.HandlerFunc {
	places := make(chan struct{}, metricsAtOnce)
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeoutCause(r.Context(), probeWithin, errNoAnswer)
		defer cancel()
		var remark string
		var err error
		select {
		case places <- struct{}{}:
			remark, err = probe(ctx)
			<-places
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		words, code := "ok", http.StatusOK
		if remark != "" {
			words += ", but " + remark
		}
		if err != nil {
			words = strings.ReplaceAll(err.Error(), "\n", "; ")
			words = "storage trouble: " + strings.TrimPrefix(words, "storage trouble: ")
			code = http.StatusServiceUnavailable
		}
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, words, code) // in plain text
	}
}
