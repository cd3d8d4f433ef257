package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/pflag"
	gossh "golang.org/x/crypto/ssh"

	"whoelse/sessions/desk"
	"whoelse/sessions/quota"
	"whoelse/sessions/space"
)

// quotaConfig is how much people may have stored.
type quotaConfig struct {
	nick, address, network size // in a day
	all                    size // in a minute
	dataMax                size
}

// leastData is the least that --data-max can be: a journal has half of it.
const leastData = 16 << 20

// quotaFlags are about how much people may have stored, each and together.
func quotaFlags(f *pflag.FlagSet, q *quotaConfig) {
	*q = quotaConfig{nick: 16 << 20, address: 64 << 20, network: 256 << 20, all: 64 << 20}
	f.Var(&q.nick, "max-bytes-per-nick", "`size` one nick may store in a day, and a 16th of that in a minute; a message counts once for each history it goes to; 0 is no limit")
	f.Var(&q.address, "max-bytes-per-address", "the same `size` for one address (IPv6: one /64); 0 is no limit")
	f.Var(&q.network, "max-bytes-per-network", "the same `size` for one network (IPv4: a /24, IPv6: a /48); 0 is no limit")
	f.Var(&q.all, "max-bytes-per-minute", "`size` everyone together may store in a minute; 0 is no limit")
	f.Var(&q.dataMax, "data-max", "most `size` of the data folder; at 80 % of it guests can no longer send, at 90 % no nicks can be claimed, at 95 % nobody can send; 0 is no limit (default none)")
}

func (q *quotaConfig) check() error {
	for _, limit := range []struct {
		flag string
		size *size
	}{
		{"max-bytes-per-nick", &q.nick}, {"max-bytes-per-address", &q.address}, {"max-bytes-per-network", &q.network},
		{"max-bytes-per-minute", &q.all},
	} {
		if *limit.size != 0 && *limit.size < leastSize {
			return fmt.Errorf("--%s %s: 64K or more is needed, such as 16M, or 0 for no limit", limit.flag, limit.size)
		}
	}
	if q.dataMax != 0 && q.dataMax < leastData {
		return fmt.Errorf("--data-max %s: 16M or more is needed, such as 10G, or 0 for no limit", &q.dataMax)
	}
	return nil
}

// openQuota begins to count, and measures the data folder. The operators who are told of
// it are the host's, once there is one.
func (s *server) openQuota(cfg config) {
	q := cfg.quota
	s.quota = quota.New(quota.Limits{
		Nick: int64(q.nick), Address: int64(q.address), Network: int64(q.network), All: int64(q.all), Exempt: cfg.limits.Exempt,
	})
	s.space = space.New(space.Config{Dir: cfg.data, Max: int64(q.dataMax), Log: s.log, Tell: func(words string) {
		if s.host != nil { // which is there before anybody else looks
			s.host.TellOperators(words)
		}
	}})
	s.space.Measure(context.Background())
}

// probe asks whether messages are accepted, and what else there is to say about it.
func (s *server) probe(ctx context.Context) (remark string, err error) {
	stats := s.space.Stats()
	if stats.Stage > space.Free {
		remark = fmt.Sprintf("the data folder is at %d %% of --data-max", stats.Bytes*100/stats.Max)
	} else if stats.DiskLow {
		remark = "the disk is nearly full"
	}
	if stats.Stage >= space.Full {
		return "", errors.New(remark)
	}
	return remark, s.store.Probe(ctx)
}

// peopleInSpace lets nobody new take a nick while there is little room.
type peopleInSpace struct {
	*desk.People
	space *space.Guard
}

// Claim implements sshd.Keys.
func (p peopleInSpace) Claim(nick string, key gossh.PublicKey, from netip.Addr) error {
	if err := p.space.Claims(); err != nil {
		return err
	}
	return p.People.Claim(nick, key, from)
}
