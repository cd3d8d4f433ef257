package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/pires/go-proxyproto"

	"whoelse/internal/config"
)

// headerWithin is how long a trusted proxy may take to say for whom it comes.
const headerWithin = 5 * time.Second

// listen binds the address. Only from trusted proxies is a PROXY header believed;
// what others send is ssh or nothing.
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
			if trusted(cfg.Proxies, c.Upstream) {
				return proxyproto.USE, nil
			}
			return proxyproto.SKIP, nil
		},
	}, nil
}

func trusted(nets []netip.Prefix, from net.Addr) bool {
	ap, err := netip.ParseAddrPort(from.String())
	return err == nil && slices.ContainsFunc(nets, func(p netip.Prefix) bool {
		return p.Contains(ap.Addr().Unmap())
	})
}
