package config

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"whoelse/internal/cli"
)

func TestSizes(t *testing.T) {
	for in, want := range map[string]struct {
		bytes int64
		words string
	}{
		"0": {0, "0"}, "65536": {65536, "64K"}, "512K": {512 << 10, "512K"}, "1024k": {1 << 20, "1M"}, "16M": {16 << 20, "16M"},
		"2G": {2 << 30, "2G"}, "3t": {3 << 40, "3T"}, "65537": {65537, "65537"}, "1": {1, "1"}, "0G": {0, "0"},
		"9223372036854775807": {1<<63 - 1, "9223372036854775807"}, "8388607T": {8388607 << 40, "8388607T"},
	} {
		var n int64
		v := size(&n, 7, 1)
		if err := v.Set(in); err != nil || n != want.bytes || v.String() != want.words {
			t.Errorf("%s: %d, %s, %v", in, n, v, err)
		}
	}
	for _, bad := range []string{
		"", "K", "-1", "-1K", "+1K", "1.5M", "16 M", "16MB", "16MiB", "0x10", "1_000", "M16", "16Q", "many",
		"9223372036854775808", "8388608T", "9007199254740992K", "99999999999999999999G",
	} {
		var n int64
		if err := size(&n, 7, 1).Set(bad); err == nil || n != 7 {
			t.Errorf("%q: %d, %v", bad, n, err)
		}
	}
}

func TestSpans(t *testing.T) {
	for in, want := range map[string]time.Duration{"0": 0, "12h": 12 * time.Hour, "90d": 90 * 24 * time.Hour, "1h30m": 90 * time.Minute} {
		var d, again time.Duration
		v := span(&d, 0, time.Minute, "never")
		if err := v.Set(in); err != nil || d != want {
			t.Errorf("%s: %v, %v", in, d, err)
		}
		if err := span(&again, 0, time.Minute, "never").Set(v.String()); err != nil || again != d {
			t.Errorf("%s is written as %s", in, v)
		}
	}
	for _, bad := range []string{"", "-1h", "90", "1.5h", "forever", "101y", "0s", "59s"} {
		var d time.Duration
		if err := span(&d, 0, time.Minute, "never").Set(bad); err == nil {
			t.Errorf("%q: %v", bad, d)
		}
	}
}

// An error about a wrong value names the flag, the value, and what it has to be.
func TestWrongValues(t *testing.T) {
	for _, c := range []struct{ flag, text, words string }{
		{"history-max-bytes", "much", "must be a size of 64K or more, such as 64M, or 0 for no limit"},
		{"room-history-max", "63K", "must be a size of 64K or more, such as 64M, or 0 for no limit"},
		{"data-max", "1M", "must be a size of 16M or more, such as 16G, or 0 for no limit"},
		{"retention", "59m", "must be a duration of 1h or more, such as 90d, or 0 for no limit"},
		{"nick-expiry", "x", "must be a duration of 1d or more, such as 90d, or 0 for never"},
		{"nick-reserve", "x", "must be a duration of 1s or more, such as 90d, or 0 for none"},
		{"inbox-max", "-1", "must be a number of 0 or more"},
		{"max-sessions", "0", "must be a number of 1 or more"},
		{"message-rate", "NaN", "must be a number of 0 or more"},
		{"access", "all", "must be open or keys"},
		{"log-format", "xml", "must be text or json"},
		{"strict-crypto", "maybe", "must be true or false"},
		{"listen", "2222", "must be an address with a port from 0 to 65535, such as :2222, 127.0.0.1:2222 or [::1]:2222"},
		{"metrics", "localhost:http", "must be an address with a port from 0 to 65535, such as :2222, 127.0.0.1:2222 or [::1]:2222"},
		{"hostname", "a b", "must be a name such as chat.example.org or chat.example.org:22"},
		{"cluster", "chat:4222", "must be addresses such as nats://a:4222,nats://b:4222, or tls:// for encryption"},
		{"cluster-name", "a.b", "must be a name of at most 32 characters from a-z, 0-9, - and _, such as chat1"},
		{"cluster-replicas", "6", "must be a number from 1 to 5"},
		{"cluster-keep", "0", "must be a duration of 1h or more, such as 90d"},
		{"node", "a b", "must be a name of at most 32 characters from a-z, 0-9, - and _, such as chat1"},
		{"exempt", "10.0.0.0/33", "must be addresses or networks such as 192.0.2.0/24, or none"},
	} {
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		new(Config).Flags(f)
		err := cli.FlagError(&cobra.Command{Use: "x"}, f.Parse([]string{"--" + c.flag + "=" + c.text}))
		if want := "--" + c.flag + " " + c.text + ": " + c.words + "; x --help lists the flags"; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
		name := "WHOELSE_" + strings.ToUpper(strings.ReplaceAll(c.flag, "-", "_"))
		t.Setenv(name, c.text)
		f = pflag.NewFlagSet("", pflag.ContinueOnError)
		new(Config).Flags(f)
		err = cli.Environment(f)
		if want := "environment variable " + name + "=" + c.text + ": " + c.words; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
		os.Unsetenv(name)
	}
}

func TestNetworks(t *testing.T) {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	var cfg Config
	cfg.Flags(f)
	if got := f.Lookup("exempt").Value.String(); got != "127.0.0.0/8,::1/128" {
		t.Error(got)
	}
	err := f.Parse([]string{"--exempt", "192.0.2.7/24, 2001:db8::1", "--exempt", "::ffff:10.0.0.0/104,::ffff:203.0.113.1, none"})
	if got, want := f.Lookup("exempt").Value.String(), "192.0.2.0/24,2001:db8::1/128,10.0.0.0/8,203.0.113.1/32"; err != nil || got != want {
		t.Errorf("%v, %v; want %s", got, err, want)
	}
	if err := f.Parse([]string{"--trusted-proxy", "none"}); err != nil || len(cfg.Proxies) != 0 {
		t.Error(cfg.Proxies, err)
	}
}

// The name of a node is the host's, as far as it can be part of names in NATS.
func TestNodeName(t *testing.T) {
	for host, want := range map[string]string{
		"chat1": "chat1", "Chat-1.example.org": "chat-1", "a_b": "a_b", "-x-": "x", "": "", "...": "", "b\u00fccher": "b-cher",
		strings.Repeat("n", 63): strings.Repeat("n", 32),
	} {
		if got := nodeName(host); got != want || got != "" && !labels.MatchString(got) {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
}

// A cluster is one of NATS servers by their URLs, whose files exist; a single server needs none of it.
func TestCluster(t *testing.T) {
	missing := ": the file can't be read (no such file or directory)"
	for _, tt := range []struct {
		args []string
		want string
		urls int
	}{
		{nil, "", 0},
		{[]string{"--cluster=nats://a:4222, tls://b"}, "", 2},
		{[]string{"--cluster=", "--cluster-creds=missing"}, "", 0},
		{[]string{"--cluster=nats://a", "--cluster-creds=missing"}, "--cluster-creds missing" + missing, 1},
		{[]string{"--cluster=nats://a", "--cluster-tls-ca=missing"}, "--cluster-tls-ca missing" + missing, 1},
	} {
		var cfg Config
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		cfg.Flags(f)
		if err := f.Parse(tt.args); err != nil {
			t.Fatal(err)
		}
		err := fmt.Sprint(cfg.Check())
		if err != cmp.Or(tt.want, "<nil>") || len(cfg.Cluster.URLs) != tt.urls || (cfg.Cluster.Node == "") != (tt.urls == 0 || tt.want != "") {
			t.Errorf("%q: %+v, %s", tt.args, cfg.Cluster, err)
		}
	}
}
