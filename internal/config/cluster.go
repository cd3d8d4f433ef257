package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/pflag"

	"whoelse/room/cluster"
)

// ClusterFlags adds the flags to f, and sets the fields of c that they are for to the defaults. Without URLs a server is a
// single one.
func ClusterFlags(c *cluster.Options, f *pflag.FlagSet) {
	f.Var(urls(&c.URLs), "cluster", "`URLs` of the NATS servers over which several servers are one room, such as nats://a:4222,nats://b:4222 (default none)")
	f.StringVar(&c.Creds, "cluster-creds", "", "`file` with the NATS credentials")
	f.StringVar(&c.TLSCA, "cluster-tls-ca", "", "`file` with the certificate authorities of the NATS servers (default the system's)")
	f.Var(label(&c.Name, "whoelse"), "cluster-name", "`name` of the cluster in NATS, when several share the NATS servers")
	f.Var(number(&c.Replicas, 3, 1, 5), "cluster-replicas", "`number` of NATS servers that store each message: 1 to 5")
	f.Var(span(&c.Keep, 7*day, minRetention, ""), "cluster-keep", "how long NATS keeps messages for servers that are away, a `duration` such as 7d")
	f.Var(label(&c.Node, ""), "node", "`name` of this server in the cluster (default the host name)")
}

// CheckCluster completes the values once all are set.
func CheckCluster(c *cluster.Options) error {
	if len(c.URLs) == 0 {
		return nil
	}
	if err := cmp.Or(readable("cluster-creds", c.Creds), readable("cluster-tls-ca", c.TLSCA)); err != nil {
		return err
	}
	if c.Node == "" {
		host, err := os.Hostname()
		if c.Node = nodeName(host); err != nil || c.Node == "" {
			return errors.New("--node: the host name can't be used; give each server of the cluster its own with --node")
		}
	}
	return nil
}

// readable checks the file that a flag names, if it names one.
func readable(flag, path string) error {
	if path == "" {
		return nil
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("--%s %s: the file can't be read (%w)", flag, path, errors.Unwrap(err))
	}
	return nil
}

// maxLabel is the most characters of the name of a cluster or node.
const maxLabel = 32

var labels = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

// label is a flag whose value becomes a part of names in NATS.
func label(to *string, otherwise string) *value[string] {
	*to = otherwise
	kind := "a name of at most 32 characters from a-z, 0-9, - and _, such as chat1"
	return &value[string]{to, kind, func(s string) (string, bool) {
		return s, s == otherwise || labels.MatchString(s)
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
