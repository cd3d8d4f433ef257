package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pires/go-proxyproto"

	"whoelse/internal/config"
)

// headerWithin is how long a trusted proxy may take to send its header.
const headerWithin = 5 * time.Second

// listen binds the address. PROXY headers are believed only from trusted proxies;
// from others they are not even read.
func listen(cfg *config.Config) (net.Listener, error) {
	l, err := net.Listen("tcp", cfg.Listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is in use by another program; name another address with --listen", cfg.Listen)
	case err != nil:
		return nil, fmt.Errorf("can't listen on %s: %w", cfg.Listen, err)
	case len(cfg.Proxies) == 0:
		return l, nil
	}
	return &proxyproto.Listener{
		Listener: l, ReadHeaderTimeout: headerWithin,
		ConnPolicy: func(c proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
			if from, err := netip.ParseAddrPort(c.Upstream.String()); err == nil && inAny(cfg.Proxies, from.Addr()) {
				return proxyproto.USE, nil
			}
			return proxyproto.SKIP, nil
		},
	}, nil
}

func inAny(nets []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(nets, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}

// Where a proxy on this machine hides people's addresses, all of them are 127.0.0.1, which is
// exempt from per-address limits, so these limit nobody. The operator is warned of that: at
// start where --listen gives it away, and otherwise once many came, all of them from loopback.
const (
	wordsOnlyLoopback = "only loopback addresses can connect, and --exempt frees them from the limits by address; " +
		"if a proxy forwards people, name it with --trusted-proxy, or use --exempt none"
	wordsAllLoopback = "everyone so far came from a loopback address, which --exempt frees from the limits by address; " +
		"if a proxy forwards people, have it send PROXY headers and name it with --trusted-proxy, or use --exempt none"
)

// manyLoopback is how many sessions from loopback addresses alone are odd.
const manyLoopback = 20

// watchSources returns a function to be called with the address of each session, which warns
// of that.
func (s *server) watchSources() func(netip.Addr) {
	if len(s.cfg.Proxies) > 0 {
		return nil
	}
	if at, ok := s.listener.Addr().(*net.TCPAddr); ok && at.IP.IsLoopback() {
		if inAny(s.cfg.Admission.Exempt, at.AddrPort().Addr()) {
			s.log.Info(wordsOnlyLoopback, "listen", s.listener.Addr())
		}
		return nil
	}
	var came atomic.Int64 // far below 0 once somebody came from elsewhere
	return func(from netip.Addr) {
		if !from.IsLoopback() || !inAny(s.cfg.Admission.Exempt, from) {
			came.Store(-1 << 62)
		} else if came.Add(1) == manyLoopback {
			s.log.Warn(wordsAllLoopback, "sessions", manyLoopback)
		}
	}
}
