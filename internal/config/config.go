// Package config holds what `whoelse serve` can be told: flags, a variable for each, and
// what is wrong with them.
//
//	var cfg config.Config
//	cfg.Flags(command.Flags())
//	...
//	err := config.FromEnvironment(command.Flags()) // once they are parsed
//	err = cfg.Check()
//
// The errors are in words for whoever typed them.
package config

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

	"github.com/spf13/pflag"

	"whoelse/keys/claims"
	"whoelse/sessions/admission"
	"whoelse/sessions/quota"
)

// Config is what serve can be told. What is limited by 0 is not limited. Once Check is happy
// nothing changes it, and it may be read concurrently.
type Config struct {
	Listen      string  // an address; port 0 is any that is free
	Data        string  // a folder
	MessageRate float64 // messages a second, of one nick
	MOTD        string  // a file or, for none, empty
	Metrics     string  // an address or, for none, empty
	Host        Hostname

	Access       string // open or keys
	RevokedKeys  string // a file or, for none, empty
	StrictCrypto bool
	Admission    admission.Limits
	Claims       claims.Limits
	NickExpiry   time.Duration
	NickReserve  time.Duration
	Proxies      []netip.Prefix // whose PROXY headers are trusted

	InboxMax   int           // messages
	HistoryMax int64         // bytes, for each nick
	RoomMax    int64         // bytes, for each of the shared histories
	Retention  time.Duration // of messages
	Quota      quota.Limits
	DataMax    int64 // bytes

	// As typed, which Check reads.
	logFormat string
	hostname  string
	guests    string // on, off or, for what access makes of it, empty
	exempt    []string
	proxies   []string
}

// Closed reports whether only known keys are let in.
func (cfg *Config) Closed() bool { return cfg.Access == "keys" }

// NoGuests reports whether people without a key are kept out.
func (cfg *Config) NoGuests() bool {
	return cmp.Or(cfg.guests, map[bool]string{true: "off", false: "on"}[cfg.Closed()]) == "off"
}

// Log makes the log that was asked for. Check has been called, without an error.
func (cfg *Config) Log(out io.Writer) *slog.Logger {
	if cfg.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(out, nil))
	}
	return slog.New(slog.NewTextHandler(out, nil))
}

// Flags adds the flags to f, and sets all to what counts where a flag is not given.
func (cfg *Config) Flags(f *pflag.FlagSet) {
	f.StringVar(&cfg.Listen, "listen", ":2222", "`address` to listen on; port 0 picks a free one")
	f.StringVar(&cfg.Data, "data", "data", "`folder` for keys, histories and settings; made if missing")
	f.Float64Var(&cfg.MessageRate, "message-rate", 5, "messages a second for one nick, with bursts of four times that; 0 is no limit")
	f.StringVar(&cfg.MOTD, "motd", "", "`file` with a message of the day, shown on joining")
	f.StringVar(&cfg.logFormat, "log-format", "text", "`format` of the log on standard error: text or json")
	f.StringVar(&cfg.Metrics, "metrics", "", "`address` for HTTP with /metrics and /healthz, such as 127.0.0.1:9222; without a host it is 127.0.0.1 (default none)")
	f.StringVar(&cfg.hostname, "hostname", "", "`name` of the server, for the lines in invitations: chat.example.org or chat.example.org:22 (default the address that a connection came in on)")
	cfg.storageFlags(f)
	cfg.quotaFlags(f)
	cfg.doorFlags(f)
	cfg.claimFlags(f)
}

// doorFlags are about who gets in.
func (cfg *Config) doorFlags(f *pflag.FlagSet) {
	f.StringVar(&cfg.Access, "access", "open", "`who` may join: open (a new key claims a free nick) or keys (only known keys, certificates and invitations)")
	f.StringVar(&cfg.guests, "guests", "", "`on` lets people without a key in, off does not (default on with --access open, else off)")
	f.StringVar(&cfg.RevokedKeys, "revoked-keys", "", "`file` of revoked keys and certificates: a list, or an OpenSSH KRL")
	f.BoolVar(&cfg.StrictCrypto, "strict-crypto", false, "post-quantum key exchange only")
	f.IntVar(&cfg.Admission.Sessions, "max-sessions", 10_000, "most `connections` that have logged in: people in the room, whoever is over is told that it is full")
	f.IntVar(&cfg.Admission.Handshakes, "max-handshakes", 100, "most `connections` that are logging in at a time, which takes 20 seconds at most")
	f.IntVar(&cfg.Admission.PerAddress, "max-per-address", 20, "most `connections` of one address (IPv6: one /64)")
	f.IntVar(&cfg.Admission.PerMinute, "max-per-minute", 30, "most new `connections` of one address in a minute")
	f.StringSliceVar(&cfg.exempt, "exempt", []string{"127.0.0.0/8", "::1/128"}, "`networks` without limits by address; none for no network")
	f.StringSliceVar(&cfg.proxies, "trusted-proxy", nil, "`networks` whose PROXY protocol headers are trusted")
}

// Check finds what is wrong with the values before anything is touched, and reads those
// that are more than text. It is called once, after everything is set.
func (cfg *Config) Check() (err error) {
	if err := cfg.checkDoor(); err != nil {
		return err
	}
	if err := cfg.checkClaims(); err != nil { // after checkDoor, which reads the exempt networks
		return err
	}
	if err := cfg.checkStorage(); err != nil {
		return err
	}
	if err := cfg.checkQuota(); err != nil {
		return err
	}
	if err := checkAddress(cfg.Listen); err != nil {
		return fmt.Errorf("--listen %s: %w", cfg.Listen, err)
	}
	if err := checkAddress(cfg.Metrics); err != nil && cfg.Metrics != "" {
		return fmt.Errorf("--metrics %s: %w", cfg.Metrics, err)
	}
	if cfg.Host, err = parseHostname(cfg.hostname); err != nil {
		return fmt.Errorf("--hostname %s: %w", cfg.hostname, err)
	}
	if cfg.Data == "" {
		return errors.New("--data: a folder is needed")
	}
	if cfg.MessageRate < 0 || math.IsNaN(cfg.MessageRate) || math.IsInf(cfg.MessageRate, 0) {
		return errors.New("--message-rate: a number of 0 or more is needed")
	}
	if cfg.MOTD != "" {
		if _, err := os.Stat(cfg.MOTD); err != nil {
			return fmt.Errorf("--motd %s: the file can't be read (%w)", cfg.MOTD, errors.Unwrap(err))
		}
	}
	if cfg.logFormat != "text" && cfg.logFormat != "json" {
		return fmt.Errorf("--log-format %s: text or json is needed", cfg.logFormat)
	}
	return nil
}

// checkDoor finds what is wrong with who may come in.
func (cfg *Config) checkDoor() (err error) {
	if cfg.Access != "open" && cfg.Access != "keys" {
		return fmt.Errorf("--access %s: open or keys is needed", cfg.Access)
	}
	if cfg.guests != "" && cfg.guests != "on" && cfg.guests != "off" {
		return fmt.Errorf("--guests %s: on or off is needed", cfg.guests)
	}
	for _, limit := range []struct {
		flag string
		n    int
	}{
		{"max-sessions", cfg.Admission.Sessions}, {"max-handshakes", cfg.Admission.Handshakes},
		{"max-per-address", cfg.Admission.PerAddress}, {"max-per-minute", cfg.Admission.PerMinute},
	} {
		if limit.n < 1 {
			return fmt.Errorf("--%s: a number of 1 or more is needed", limit.flag)
		}
	}
	if cfg.Admission.Exempt, err = networks("exempt", cfg.exempt); err != nil {
		return err
	}
	cfg.Proxies, err = networks("trusted-proxy", cfg.proxies)
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
