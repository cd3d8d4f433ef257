package config

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"
)

// The least that can be asked for.
const (
	leastSize      = 64 << 10
	leastRetention = time.Hour
	leastExpiry    = 24 * time.Hour
	leastData      = 16 << 20 // a segment of the log has half of it
)

// storageFlags are about how much is kept.
func (cfg *Config) storageFlags(f *pflag.FlagSet) {
	cfg.HistoryMax, cfg.RoomMax = 16<<20, 64<<20
	f.IntVar(&cfg.InboxMax, "inbox-max", 1000, "unread `messages` one nick may have; more are refused; 0 is no limit")
	f.Var((*size)(&cfg.HistoryMax), "history-max-bytes", "`size` of one nick's history, such as 512K, 16M or 2G; the oldest messages are dropped; 0 is no limit")
	f.Var((*size)(&cfg.RoomMax), "room-history-max", "`size` of the room's history, and of the record of who came and went; the oldest lines are dropped; 0 is no limit")
	f.Var((*lasting)(&cfg.Retention), "retention", "how long messages are kept, a `span` such as 90d or 12h (default forever)")
}

// checkStorage finds what is wrong with how much is kept.
func (cfg *Config) checkStorage() error {
	if cfg.InboxMax < 0 {
		return errors.New("--inbox-max: a number of 0 or more is needed")
	}
	if err := checkSizes([]named{{"history-max-bytes", cfg.HistoryMax}, {"room-history-max", cfg.RoomMax}}); err != nil {
		return err
	}
	if cfg.Retention != 0 && cfg.Retention < leastRetention {
		return fmt.Errorf("--retention %s: 1h or more is needed, such as 90d, or 0 for ever", (*lasting)(&cfg.Retention))
	}
	return nil
}

// quotaFlags are about how much people may have stored, each and together.
func (cfg *Config) quotaFlags(f *pflag.FlagSet) {
	q := &cfg.Quota
	q.Nick, q.Address, q.Network, q.All = 16<<20, 64<<20, 256<<20, 64<<20
	f.Var((*size)(&q.Nick), "max-bytes-per-nick", "`size` one nick may store in a day, and a 16th of that in a minute; a message counts once for each history it goes to; 0 is no limit")
	f.Var((*size)(&q.Address), "max-bytes-per-address", "the same `size` for one address (IPv6: one /64); 0 is no limit")
	f.Var((*size)(&q.Network), "max-bytes-per-network", "the same `size` for one network (IPv4: a /24, IPv6: a /48); 0 is no limit")
	f.Var((*size)(&q.All), "max-bytes-per-minute", "`size` everyone together may store in a minute; 0 is no limit")
	f.Var((*size)(&cfg.DataMax), "data-max", "most `size` of the data folder; at 80 % of it guests can no longer send, at 90 % no nicks can be claimed, at 95 % nobody can send; 0 is no limit (default none)")
}

// checkQuota finds what is wrong with that. The exempt networks are known.
func (cfg *Config) checkQuota() error {
	q := &cfg.Quota
	err := checkSizes([]named{
		{"max-bytes-per-nick", q.Nick}, {"max-bytes-per-address", q.Address}, {"max-bytes-per-network", q.Network},
		{"max-bytes-per-minute", q.All},
	})
	if err != nil {
		return err
	}
	if cfg.DataMax != 0 && cfg.DataMax < leastData {
		return fmt.Errorf("--data-max %s: 16M or more is needed, such as 10G, or 0 for no limit", (*size)(&cfg.DataMax))
	}
	q.Exempt = cfg.Admission.Exempt
	return nil
}

// named is a size, by its flag.
type named struct {
	flag  string
	bytes int64
}

func checkSizes(all []named) error {
	for _, n := range all {
		if n.bytes != 0 && n.bytes < leastSize {
			return fmt.Errorf("--%s %s: 64K or more is needed, such as 16M, or 0 for no limit", n.flag, (*size)(&n.bytes))
		}
	}
	return nil
}

// claimFlags are about who gets a nick by asking for it.
func (cfg *Config) claimFlags(f *pflag.FlagSet) {
	cfg.NickExpiry, cfg.NickReserve = 30*24*time.Hour, 90*24*time.Hour
	f.IntVar(&cfg.Claims.PerAddress, "max-claims-per-address", 5, "`nicks` that one address (IPv6: one /64) may claim in a day; 0 is no limit")
	f.IntVar(&cfg.Claims.PerNetwork, "max-claims-per-network", 20, "`nicks` that one network (IPv4: /24, IPv6: /48) may claim in a day; 0 is no limit")
	f.IntVar(&cfg.Claims.PerHour, "max-claims-per-hour", 100, "`nicks` that everyone together may claim in an hour; 0 is no limit")
	f.Var((*lasting)(&cfg.NickExpiry), "nick-expiry", "`span` after which a nick that was claimed and never used is freed; 0 is never")
	f.Var((*lasting)(&cfg.NickReserve), "nick-reserve", "`span` for which a nick is kept from others when its last key is gone; 0 is none")
}

// checkClaims finds what is wrong with them. The exempt networks are known.
func (cfg *Config) checkClaims() error {
	for _, limit := range []struct {
		flag string
		n    int
	}{
		{"address", cfg.Claims.PerAddress}, {"network", cfg.Claims.PerNetwork}, {"hour", cfg.Claims.PerHour},
	} {
		if limit.n < 0 {
			return fmt.Errorf("--max-claims-per-%s: a number of 0 or more is needed", limit.flag)
		}
	}
	if cfg.NickExpiry != 0 && cfg.NickExpiry < leastExpiry {
		return fmt.Errorf("--nick-expiry %s: 1d or more is needed, such as 30d, or 0 for never", (*lasting)(&cfg.NickExpiry))
	}
	cfg.Claims.Exempt = cfg.Admission.Exempt
	return nil
}
