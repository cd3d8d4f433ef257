package server

import (
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
)

// Where a proxy on this machine hides where people come from, all of them are 127.0.0.1,
// which is exempt from the limits by address: nobody would have any. What follows
// says so to whoever runs the server, at start where --listen tells, and else when
// nobody came from anywhere else for a while.

const (
	wordsOnlyLoopback = "only loopback addresses can connect, and --exempt frees them from the limits by address; " +
		"if a proxy forwards people, name it with --trusted-proxy, or use --exempt none"
	wordsAllLoopback = "everyone so far came from a loopback address, which --exempt frees from the limits by address; " +
		"if a proxy forwards people, have it send PROXY headers and name it with --trusted-proxy, or use --exempt none"
)

// manyLoopback is how many sessions from loopback addresses alone are odd.
const manyLoopback = 20

// watchSources returns what is told from where each session comes, and looks out for that.
func (s *server) watchSources() func(netip.Addr) {
	exempt := func(a netip.Addr) bool {
		return slices.ContainsFunc(s.cfg.Admission.Exempt, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
	}
	if len(s.cfg.Proxies) > 0 {
		return nil
	}
	if at, ok := s.listener.Addr().(*net.TCPAddr); ok && at.IP.IsLoopback() {
		if exempt(at.AddrPort().Addr()) {
			s.log.Info(wordsOnlyLoopback, "listen", s.listener.Addr())
		}
		return nil
	}
	var came atomic.Int64 // far below 0 once somebody came from elsewhere
	return func(from netip.Addr) {
		if !from.IsLoopback() || !exempt(from) {
			came.Store(-1 << 62)
		} else if came.Add(1) == manyLoopback {
			s.log.Warn(wordsAllLoopback, "sessions", manyLoopback)
		}
	}
}
