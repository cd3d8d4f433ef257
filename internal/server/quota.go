package server

import (
	"context"
	"errors"
	"fmt"

	"whoelse/sessions/quota"
	"whoelse/sessions/space"
)

// openQuota begins to count, and measures the data folder. The operators who are told of
// it are the host's, once there is one.
func (s *server) openQuota() {
	s.quota = quota.New(s.cfg.Quota)
	s.space = space.New(space.Config{Dir: s.cfg.Data, Max: s.cfg.DataMax, Log: s.log, Tell: func(words string) {
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
	return remark, s.storage.histories.Probe(ctx)
}
