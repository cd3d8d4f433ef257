package config

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Cluster says which cluster a server is part of, and its name there. Without URLs it is a single server.
type Cluster struct {
	URLs     []string // of the NATS servers
	Creds    string   // a file or, for none, empty
	TLSCA    string   // a file or, for the system's authorities, empty
	Name     string
	Replicas int
	Keep     time.Duration // of events in the stream
	Node     string
}

// Flags adds the flags to f, and sets all fields to the defaults.
func (c *Cluster) Flags(f *pflag.FlagSet) {
	f.Var(urls(&c.URLs), "cluster", "`URLs` of the NATS servers over which several servers are one room, such as nats://a:4222,nats://b:4222 (default none)")
	f.StringVar(&c.Creds, "cluster-creds", "", "`file` with the NATS credentials")
	f.StringVar(&c.TLSCA, "cluster-tls-ca", "", "`file` with the certificate authorities of the NATS servers (default the system's)")
	f.Var(label(&c.Name, "whoelse", false), "cluster-name", "`name` of the cluster in NATS, when several share the NATS servers")
	f.Var(numberIn(&c.Replicas, 3, 1, 5), "cluster-replicas", "`number` of NATS servers that store each message: 1 to 5")
	keep := span(&c.Keep, 7*day, minRetention, "")
	parse := keep.read
	keep.kind = "a duration of 1h or more, such as 7d"
	keep.read = func(s string) (time.Duration, bool) {
		d, ok := parse(s)
		return d, ok && d > 0
	}
	f.Var(keep, "cluster-keep", "how long NATS keeps messages for servers that are away, a `duration` such as 7d")
	f.Var(label(&c.Node, "", true), "node", "`name` of this server in the cluster (default the host name)")
}

// Check completes the values once all are set.
func (c *Cluster) Check() error {
	if len(c.URLs) == 0 {
		return nil
	}
	for _, file := range []struct{ flag, path string }{{"cluster-creds", c.Creds}, {"cluster-tls-ca", c.TLSCA}} {
		if file.path == "" {
			continue
		}
		if _, err := os.Stat(file.path); err != nil {
			return fmt.Errorf("--%s %s: the file can't be read (%w)", file.flag, file.path, errors.Unwrap(err))
		}
	}
	if c.Node == "" {
		host, err := os.Hostname()
		if c.Node = nodeName(host); err != nil || c.Node == "" {
			return errors.New("--node: the host name can't be used; give each server of the cluster its own with --node")
		}
	}
	return nil
}

// maxLabel is the most characters of the name of a cluster or node.
const maxLabel = 32

var labels = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

// label is a flag whose value becomes a part of names in NATS. It may be empty if it is optional.
func label(to *string, otherwise string, optional bool) *value[string] {
	*to = otherwise
	kind := "a name of at most 32 characters from a-z, 0-9, - and _, such as chat1"
	return &value[string]{to, kind, func(s string) (string, bool) {
		return s, labels.MatchString(s) || optional && s == ""
	}, verbatim}
}

// nodeName makes the name of a server from a host name: its first label, without the characters that a name can't have.
func nodeName(host string) string {
	host, _, _ = strings.Cut(strings.ToLower(host), ".")
	name := strings.Map(func(r rune) rune {
		if labels.MatchString("a" + string(r)) {
			return r
		}
		return '-'
	}, host)
	return strings.Trim(name[:min(len(name), maxLabel)], "-_")
}

// numberIn is a count from least to most.
func numberIn(to *int, otherwise, least, most int) *value[int] {
	*to = otherwise
	return &value[int]{to, fmt.Sprintf("a number from %d to %d", least, most), func(s string) (int, bool) {
		n, err := strconv.Atoi(s)
		return n, err == nil && n >= least && n <= most
	}, strconv.Itoa}
}

// urls are those of NATS servers; "" is none.
func urls(to *[]string) *value[[]string] {
	kind := "addresses such as nats://a:4222,nats://b:4222, or tls:// for encryption"
	return &value[[]string]{to, kind, func(s string) (all []string, ok bool) {
		for text := range strings.SplitSeq(s, ",") {
			text = strings.TrimSpace(text)
			if text == "" {
				continue
			}
			u, err := url.Parse(text)
			if err != nil || u.Scheme != "nats" && u.Scheme != "tls" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" {
				return nil, false
			}
			all = append(all, text)
		}
		return all, len(all) > 0 || s == ""
	}, func(all []string) string { return strings.Join(all, ",") }}
}
