// Package config holds what `whoelse serve` can be told: flags, a variable for each, and
// what is wrong with them.
//
//	var cfg config.Config
//	cfg.Flags(command.Flags())
//	...
//	err := cli.Environment(command.Flags()) // once they are parsed
//	err = cfg.Check()
//
// The errors are in words for operators.
package config

import (
	"cmp"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/spf13/pflag"

	"whoelse/room/cluster"
	"whoelse/sessions/admission"
	"whoelse/sessions/quota"
)

// Config is what serve can be told. A limit of 0 is none. After Check nothing changes it, and it
// may be read concurrently.
type Config struct {
	Listen      string  // an address; port 0 is any that is free
	Data        string  // a folder
	MessageRate float64 // messages a second, of one nick
	BotRate     float64 // the same for a bot
	MOTD        string  // a file or, for none, empty
	Metrics     string  // an address or, for none, empty
	Host        Hostname

	Access       string // open or keys
	RevokedKeys  string // a file or, for none, empty
	StrictCrypto bool
	Admission    admission.Limits
	Claims       quota.Claims
	NickExpiry   time.Duration
	NickReserve  time.Duration
	Proxies      []netip.Prefix // whose PROXY headers are trusted

	InboxMax   int           // messages
	HistoryMax int64         // bytes, for each nick
	RoomMax    int64         // bytes, for each of the shared histories
	Retention  time.Duration // of messages
	RoomMakers string        // off, operators or everyone
	RoomIdle   time.Duration // of rooms, until they are closed
	Quota      quota.Limits
	DataMax    int64 // bytes

	AttachmentMax  int64         // bytes, of one file
	AttachmentKeep time.Duration // of files

	Cluster cluster.Options // without URLs: this is a single server

	logFormat string // text or json
	guests    string // on, off or, where access decides, empty
}

// Closed reports whether only known keys are let in.
func (cfg *Config) Closed() bool { return cfg.Access == "keys" }

// NoGuests reports whether people without a key are kept out.
func (cfg *Config) NoGuests() bool { return cfg.guests == "off" || cfg.guests == "" && cfg.Closed() }

// Log makes the log that was asked for.
func (cfg *Config) Log(out io.Writer) *slog.Logger {
	if cfg.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(out, nil))
	}
	return slog.New(slog.NewTextHandler(out, nil))
}

// The least that limits may be.
const (
	minSize      = 64 << 10
	minDataMax   = 16 << 20 // a segment of the log has half of it
	minRetention = time.Hour
	minExpiry    = 24 * time.Hour
)

const day = 24 * time.Hour

// Flags adds the flags to f, and sets all fields to the defaults.
func (cfg *Config) Flags(f *pflag.FlagSet) {
	f.Var(address(&cfg.Listen, ":2222"), "listen", "`address` to listen on; port 0 picks a free one")
	f.StringVar(&cfg.Data, "data", "data", "`folder` for keys, histories and settings; made if missing")
	f.Var(perSecond(&cfg.MessageRate, 5), "message-rate", "`messages` a second for one nick, with bursts of four times that; 0 is no limit")
	f.Var(perSecond(&cfg.BotRate, 10), "bot-rate", "`messages` a second for one bot, with bursts of four times that; 0 is no limit")
	f.StringVar(&cfg.MOTD, "motd", "", "`file` with a message of the day, shown on joining")
	f.Var(choice(&cfg.logFormat, "text", "text", "json"), "log-format", "`format` of the log on standard error: text or json")
	f.Var(address(&cfg.Metrics, ""), "metrics", "`address` for HTTP with /metrics and /healthz, such as 127.0.0.1:9222; without a host it is 127.0.0.1 (default none)")
	f.Var(hostname(&cfg.Host), "hostname", "`name` of the server in invitations: chat.example.org or chat.example.org:22 (default the address that a connection came in on)")

	// How much is kept.
	f.Var(number(&cfg.InboxMax, 1000, 0, 0), "inbox-max", "unread `messages` one nick may have; more are refused; 0 is no limit")
	f.Var(size(&cfg.HistoryMax, 16<<20, minSize), "history-max-bytes", "`size` of one nick's history, such as 512K, 16M or 2G; the oldest messages are dropped; 0 is no limit")
	f.Var(size(&cfg.RoomMax, 64<<20, minSize), "room-history-max", "`size` of each room's history, and of the presence history (joins and leaves); the oldest lines are dropped; 0 is no limit")
	f.Var(span(&cfg.Retention, 0, minRetention, "no limit"), "retention", "how long messages are kept, a `duration` such as 90d or 12h (default forever)")
	f.Var(size(&cfg.DataMax, 0, minDataMax), "data-max", "maximum `size` of the data folder; at 80 % of it guests can no longer send, at 90 % no nicks can be claimed, at 95 % nobody can send; 0 is no limit (default none)")
	attachment := size(&cfg.AttachmentMax, 1<<20, 1<<10)
	attachment.kind = "a size of 1K or more, such as 1M, or 0 to turn files off"
	f.Var(attachment, "attachment-max", "maximum `size` of a file that is sent with scp or paste; 0 turns files off")
	f.Var(span(&cfg.AttachmentKeep, 30*day, minRetention, "as long as messages"), "attachment-keep", "how long files are kept, a `duration` such as 30d; never longer than --retention; 0 is as long as messages")
	q := &cfg.Quota
	f.Var(size(&q.Nick, 16<<20, minSize), "max-bytes-per-nick", "`size` one nick may store in a day, and a 16th of that in a minute; a message counts once for each history it goes to; 0 is no limit")
	f.Var(size(&q.Address, 64<<20, minSize), "max-bytes-per-address", "`size` one address (IPv6: one /64) may store in a day, and a 16th of that in a minute; 0 is no limit")
	f.Var(size(&q.Network, 256<<20, minSize), "max-bytes-per-network", "`size` one network (IPv4: a /24, IPv6: a /48) may store in a day, and a 16th of that in a minute; 0 is no limit")
	f.Var(size(&q.All, 64<<20, minSize), "max-bytes-per-minute", "`size` everyone together may store in a minute; 0 is no limit")

	// Rooms beside the lobby.
	f.Var(choice(&cfg.RoomMakers, "everyone", "off", "operators", "everyone"), "rooms", "`who` may make rooms beside the lobby: off, operators or everyone (with a key)")
	f.Var(span(&cfg.RoomIdle, 90*day, minExpiry, "never"), "room-idle", "after what `duration` without anybody in it a room is closed, and set aside; 0 is never")

	// Who gets in, and as whom.
	f.Var(choice(&cfg.Access, "open", "open", "keys"), "access", "`mode`: open (a new key claims a free nick) or keys (only registered keys, certificates and invitations)")
	f.Var(choice(&cfg.guests, "", "on", "off"), "guests", "`on` admits guests (people without a key), off refuses them (default on with --access open, else off)")
	f.StringVar(&cfg.RevokedKeys, "revoked-keys", "", "`file` of revoked keys and certificates: a list, or an OpenSSH KRL")
	f.BoolVar(&cfg.StrictCrypto, "strict-crypto", false, "post-quantum key exchange only (mlkem768x25519): OpenSSH 9.9 or newer")
	a := &cfg.Admission
	f.Var(number(&a.Sessions, 10_000, 1, 0), "max-sessions", "maximum `connections` that have logged in; the room is then full")
	f.Var(number(&a.Handshakes, 100, 1, 0), "max-handshakes", "maximum `connections` logging in at a time; each has 20 seconds")
	f.Var(number(&a.PerAddress, 20, 1, 0), "max-per-address", "maximum `connections` from one address (IPv6: one /64)")
	f.Var(number(&a.PerMinute, 30, 1, 0), "max-per-minute", "maximum new `connections` from one address in a minute")
	f.Var(networks(&a.Exempt, netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")), "exempt", "`networks` exempt from per-address limits; none for no network")
	f.Var(networks(&cfg.Proxies), "trusted-proxy", "`networks` whose PROXY protocol headers are trusted")
	c := &cfg.Claims
	f.Var(number(&c.PerAddress, 5, 0, 0), "max-claims-per-address", "`nicks` that one address (IPv6: one /64) may claim in a day; 0 is no limit")
	f.Var(number(&c.PerNetwork, 20, 0, 0), "max-claims-per-network", "`nicks` that one network (IPv4: /24, IPv6: /48) may claim in a day; 0 is no limit")
	f.Var(number(&c.PerHour, 100, 0, 0), "max-claims-per-hour", "`nicks` that everyone together may claim in an hour; 0 is no limit")
	f.Var(span(&cfg.NickExpiry, 30*day, minExpiry, "never"), "nick-expiry", "`duration` after which a nick that was claimed and never used is freed; 0 is never")
	f.Var(span(&cfg.NickReserve, 90*day, time.Second, "none"), "nick-reserve", "`duration` for which a nick stays reserved after its last key was removed; 0 is none")
	ClusterFlags(&cfg.Cluster, f)
}

// Check completes the values once all are set, and finds what no flag can find alone.
func (cfg *Config) Check() error {
	if cfg.Data == "" {
		return errors.New("--data: must name a folder")
	}
	cfg.Quota.Exempt, cfg.Claims.Exempt = cfg.Admission.Exempt, cfg.Admission.Exempt
	return cmp.Or(readable("motd", cfg.MOTD), CheckCluster(&cfg.Cluster))
}
