package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"whoelse/keys/claims"
	"whoelse/room/history"
	"whoelse/sessions/door"
)

// config is what serve can be told.
type config struct {
	listen      string
	data        string
	messageRate float64
	motd        string
	logFormat   string
	metrics     string // an address or, for none, empty
	hostname    string // as typed; host is what it means
	host        hostname

	access       string // open or keys
	guests       string // on, off or, for what access makes of it, empty
	revokedKeys  string
	strictCrypto bool
	limits       door.Limits
	exempt       []string
	claims       claims.Limits
	nickExpiry   lasting
	nickReserve  lasting
	proxies      []string

	inboxMax   int
	historyMax size // for each nick
	roomMax    size // for each of the shared histories
	retention  lasting
	quota      quotaConfig

	proxyNets []netip.Prefix // of proxies
}

// The least that can be asked for.
const (
	leastSize      = 64 << 10
	leastRetention = time.Hour
	leastExpiry    = 24 * time.Hour
)

// closed reports whether only known keys are let in.
func (cfg config) closed() bool { return cfg.access == "keys" }

// histories is what the histories are opened with.
func (cfg config) histories(log *slog.Logger) history.Options {
	return history.Options{
		Log: log, MaxBytes: int64(cfg.historyMax), RoomMaxBytes: int64(cfg.roomMax), Retention: time.Duration(cfg.retention),
	}
}

// noGuests reports whether people without a key are kept out.
func (cfg config) noGuests() bool {
	return cmp.Or(cfg.guests, map[bool]string{true: "off", false: "on"}[cfg.closed()]) == "off"
}

func serveCommand() *cobra.Command {
	var cfg config
	c := &cobra.Command{
		Use: "serve", Short: "Run the chat room (the default)", Args: nothingMore,
		Long: "Runs the chat room until it is told to end with SIGTERM or SIGINT (^C).\n\n" + aboutVariables,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := fromEnvironment(c.Flags()); err != nil {
				return err
			}
			log, err := cfg.check(c.ErrOrStderr())
			if err != nil {
				return usageError{err}
			}
			return serve(c.Context(), cfg, log, c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringVar(&cfg.listen, "listen", ":2222", "`address` to listen on; port 0 picks a free one")
	f.StringVar(&cfg.data, "data", "data", "`folder` for keys, histories and settings; made if missing")
	f.Float64Var(&cfg.messageRate, "message-rate", 5, "messages a second for one nick, with bursts of four times that; 0 is no limit")
	f.StringVar(&cfg.motd, "motd", "", "`file` with a message of the day, shown on joining")
	f.StringVar(&cfg.logFormat, "log-format", "text", "`format` of the log on standard error: text or json")
	f.StringVar(&cfg.metrics, "metrics", "", "`address` for HTTP with /metrics and /healthz, such as 127.0.0.1:9222; without a host it is 127.0.0.1 (default none)")
	f.StringVar(&cfg.hostname, "hostname", "", "`name` of the server, for the lines in invitations: chat.example.org or chat.example.org:22 (default the address that a connection came in on)")
	storageFlags(f, &cfg)
	quotaFlags(f, &cfg.quota)
	doorFlags(f, &cfg)
	claimFlags(f, &cfg)
	return c
}

// storageFlags are about how much is kept.
func storageFlags(f *pflag.FlagSet, cfg *config) {
	cfg.historyMax, cfg.roomMax = 16<<20, 64<<20
	f.IntVar(&cfg.inboxMax, "inbox-max", 1000, "unread `messages` one nick may have; more are refused; 0 is no limit")
	f.Var(&cfg.historyMax, "history-max-bytes", "`size` of one nick's history, such as 512K, 16M or 2G; the oldest messages are dropped; 0 is no limit")
	f.Var(&cfg.roomMax, "room-history-max", "`size` of the room's history, and of the record of who came and went; the oldest lines are dropped; 0 is no limit")
	f.Var(&cfg.retention, "retention", "how long messages are kept, a `span` such as 90d or 12h (default forever)")
}

// doorFlags are about who gets in.
func doorFlags(f *pflag.FlagSet, cfg *config) {
	f.StringVar(&cfg.access, "access", "open", "`who` may join: open (a new key claims a free nick) or keys (only known keys, certificates and invitations)")
	f.StringVar(&cfg.guests, "guests", "", "`on` lets people without a key in, off does not (default on with --access open, else off)")
	f.StringVar(&cfg.revokedKeys, "revoked-keys", "", "`file` of revoked keys and certificates: a list, or an OpenSSH KRL")
	f.BoolVar(&cfg.strictCrypto, "strict-crypto", false, "post-quantum key exchange only")
	f.IntVar(&cfg.limits.Sessions, "max-sessions", 10_000, "most `connections` that have logged in: people in the room, whoever is over is told that it is full")
	f.IntVar(&cfg.limits.Handshakes, "max-handshakes", 100, "most `connections` that are logging in at a time, which takes 20 seconds at most")
	f.IntVar(&cfg.limits.PerAddress, "max-per-address", 20, "most `connections` of one address (IPv6: one /64)")
	f.IntVar(&cfg.limits.PerMinute, "max-per-minute", 30, "most new `connections` of one address in a minute")
	f.StringSliceVar(&cfg.exempt, "exempt", []string{"127.0.0.0/8", "::1/128"}, "`networks` without limits by address; none for no network")
	f.StringSliceVar(&cfg.proxies, "trusted-proxy", nil, "`networks` whose PROXY protocol headers are trusted")
}

// claimFlags are about who gets a nick by asking for it.
func claimFlags(f *pflag.FlagSet, cfg *config) {
	cfg.nickExpiry = lasting(30 * 24 * time.Hour)
	f.IntVar(&cfg.claims.PerAddress, "max-claims-per-address", 5, "`nicks` that one address (IPv6: one /64) may claim in a day; 0 is no limit")
	f.IntVar(&cfg.claims.PerNetwork, "max-claims-per-network", 20, "`nicks` that one network (IPv4: /24, IPv6: /48) may claim in a day; 0 is no limit")
	f.IntVar(&cfg.claims.PerHour, "max-claims-per-hour", 100, "`nicks` that everyone together may claim in an hour; 0 is no limit")
	f.Var(&cfg.nickExpiry, "nick-expiry", "`span` after which a nick that was claimed and never used is freed; 0 is never")
	cfg.nickReserve = lasting(90 * 24 * time.Hour)
	f.Var(&cfg.nickReserve, "nick-reserve", "`span` for which a nick is kept from others when its last key is gone; 0 is none")
}

// checkClaims finds what is wrong with them.
func (cfg *config) checkClaims() error {
	for _, limit := range []struct {
		flag string
		n    int
	}{
		{"address", cfg.claims.PerAddress}, {"network", cfg.claims.PerNetwork}, {"hour", cfg.claims.PerHour},
	} {
		if limit.n < 0 {
			return fmt.Errorf("--max-claims-per-%s: a number of 0 or more is needed", limit.flag)
		}
	}
	if cfg.nickExpiry != 0 && time.Duration(cfg.nickExpiry) < leastExpiry {
		return fmt.Errorf("--nick-expiry %s: 1d or more is needed, such as 30d, or 0 for never", &cfg.nickExpiry)
	}
	cfg.claims.Exempt = cfg.limits.Exempt
	return nil
}

// fromEnvironment sets every flag that was not given from its variable, if there
// is one: --message-rate from WHOELSE_MESSAGE_RATE.
func fromEnvironment(flags *pflag.FlagSet) error {
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "WHOELSE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, set := os.LookupEnv(name)
		if !set || f.Changed || f.Name == "help" || f.Name == "version" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil && failed == nil {
			failed = usageError{fmt.Errorf("in the environment, %s: %q is not a %s", name, value, kindOf(f))}
		}
	})
	return failed
}

// check finds what is wrong with the values before anything is touched, and makes
// the log.
func (cfg *config) check(stderr io.Writer) (*slog.Logger, error) {
	if err := cfg.checkDoor(); err != nil {
		return nil, err
	}
	if err := cfg.checkClaims(); err != nil { // after checkDoor, which reads cfg.exempt
		return nil, err
	}
	if err := cfg.checkStorage(); err != nil {
		return nil, err
	}
	if err := cfg.quota.check(); err != nil {
		return nil, err
	}
	if err := checkAddress(cfg.listen); err != nil {
		return nil, fmt.Errorf("--listen %s: %w", cfg.listen, err)
	}
	if err := checkAddress(cfg.metrics); err != nil && cfg.metrics != "" {
		return nil, fmt.Errorf("--metrics %s: %w", cfg.metrics, err)
	}
	var err error
	if cfg.host, err = parseHostname(cfg.hostname); err != nil {
		return nil, fmt.Errorf("--hostname %s: %w", cfg.hostname, err)
	}
	if cfg.data == "" {
		return nil, errors.New("--data: a folder is needed")
	}
	if cfg.messageRate < 0 || math.IsNaN(cfg.messageRate) || math.IsInf(cfg.messageRate, 0) {
		return nil, errors.New("--message-rate: a number of 0 or more is needed")
	}
	if cfg.motd != "" {
		if _, err := os.Stat(cfg.motd); err != nil {
			return nil, fmt.Errorf("--motd %s: the file can't be read (%w)", cfg.motd, errors.Unwrap(err))
		}
	}
	switch cfg.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(stderr, nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(stderr, nil)), nil
	}
	return nil, fmt.Errorf("--log-format %s: text or json is needed", cfg.logFormat)
}

// checkStorage finds what is wrong with how much is kept.
func (cfg *config) checkStorage() error {
	if cfg.inboxMax < 0 {
		return errors.New("--inbox-max: a number of 0 or more is needed")
	}
	for _, limit := range []struct {
		flag string
		size *size
	}{{"history-max-bytes", &cfg.historyMax}, {"room-history-max", &cfg.roomMax}} {
		if *limit.size != 0 && *limit.size < leastSize {
			return fmt.Errorf("--%s %s: 64K or more is needed, such as 16M, or 0 for no limit", limit.flag, limit.size)
		}
	}
	if cfg.retention != 0 && time.Duration(cfg.retention) < leastRetention {
		return fmt.Errorf("--retention %s: 1h or more is needed, such as 90d, or 0 for ever", &cfg.retention)
	}
	return nil
}

// checkDoor finds what is wrong with who may come in.
func (cfg *config) checkDoor() (err error) {
	if cfg.access != "open" && cfg.access != "keys" {
		return fmt.Errorf("--access %s: open or keys is needed", cfg.access)
	}
	if cfg.guests != "" && cfg.guests != "on" && cfg.guests != "off" {
		return fmt.Errorf("--guests %s: on or off is needed", cfg.guests)
	}
	for _, limit := range []struct {
		flag string
		n    int
	}{
		{"max-sessions", cfg.limits.Sessions}, {"max-handshakes", cfg.limits.Handshakes},
		{"max-per-address", cfg.limits.PerAddress}, {"max-per-minute", cfg.limits.PerMinute},
	} {
		if limit.n < 1 {
			return fmt.Errorf("--%s: a number of 1 or more is needed", limit.flag)
		}
	}
	if cfg.limits.Exempt, err = networks("exempt", cfg.exempt); err != nil {
		return err
	}
	cfg.proxyNets, err = networks("trusted-proxy", cfg.proxies)
	return err
}

// networks reads addresses and CIDR blocks. Those that are IPv4-mapped become the IPv4
// that they mean, as addresses do before they are compared.
func networks(flag string, list []string) (nets []netip.Prefix, err error) {
	for _, s := range list {
		if s = strings.TrimSpace(s); s == "none" || s == "" {
			continue
		}
		p, err := netip.ParsePrefix(s)
		if a, e := netip.ParseAddr(s); e == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("--%s: %q is not an address or a network (such as 192.0.2.0/24)", flag, s)
		}
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		nets = append(nets, p.Masked())
	}
	return nets, nil
}

func checkAddress(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return errors.New("an address looks like :2222, 127.0.0.1:2222 or [::1]:2222")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return errors.New("the port is a number from 0 to 65535")
	}
	return nil
}
