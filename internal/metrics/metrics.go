// Package metrics serves /metrics, for Prometheus, and /healthz over HTTP.
//
//	l, err := metrics.Listen(addr) // early, since the address may be taken
//	stop := metrics.Serve(l, log, metrics.Sources{...}, probe)
//
// Nothing is counted here: each part of the server has a plain struct of statistics, which
// is read for each scrape.
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

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
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

// Listen binds addr, which is on the loopback interface where it names no host. Without
// addr there is no listener. The error is in words for the operator.
func Listen(addr string) (net.Listener, error) {
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
	return l, nil
}

// Serve answers on l, in goroutines of its own, until it is stopped, which ends slow requests, too.
// Without a listener it does nothing.
func Serve(l net.Listener, log *slog.Logger, from Sources, probe Probe) (stop func() error) {
	if l == nil {
		return func() error { return nil }
	}
	errorLog := slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	all := prometheus.NewRegistry()
	all.MustRegister(from, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(all, promhttp.HandlerOpts{
		ErrorLog: errorLog, MaxRequestsInFlight: metricsAtOnce, Timeout: metricsWithin / 2, EnableOpenMetrics: true,
	}))
	mux.Handle("GET /healthz", health(probe))
	server := &http.Server{
		Handler: mux, ErrorLog: errorLog, MaxHeaderBytes: metricsHeaders, ReadHeaderTimeout: metricsWithin / 2,
		ReadTimeout: metricsWithin, WriteTimeout: metricsWithin, IdleTimeout: 6 * metricsWithin,
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("serving metrics failed", "err", err)
		}
	}()
	log.Info("serving metrics", "url", "http://"+l.Addr().String()+"/metrics")
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), metricsEnd)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			server.Close()
		}
		<-ended
		return nil
	}
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
