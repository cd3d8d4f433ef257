package test

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ircServer starts an ngircd, at an address with TLS and one without. cert is for the former.
func ircServer(t *testing.T, address, secure, cert string) *server {
	t.Helper()
	ngircd := needClient(t, "ngircd")
	config := filepath.Join(t.TempDir(), "ngircd.conf")
	text := fmt.Sprintf(`[Global]
Name = irc.test
Info = test
AdminInfo1 = test
MotdPhrase = hello
Listen = 127.0.0.1
Ports = %[1]s
[Limits]
MaxConnectionsIP = 0
MaxPenaltyTime = 0
[Options]
DNS = no
Ident = no
PAM = no
[SSL]
CertFile = %[3]s
KeyFile = %[3]s
Ports = %[2]s
`, port(t, address), port(t, secure), cert)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	irc := (&server{t: t}).beside(exec.Command(ngircd, "--nodaemon", "--config", config))
	late, again := time.After(patience), time.NewTicker(10*time.Millisecond)
	defer again.Stop()
	for { // until it listens, which it does not say in time
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return irc
		}
		select {
		case <-again.C:
		case <-irc.ended:
			t.Fatalf("ngircd: %v", irc.err)
		case <-late:
			t.Fatal("ngircd does not listen")
		}
	}
}

func port(t testing.TB, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// selfSigned makes a certificate for 127.0.0.1, in one file with its key.
func selfSigned(t *testing.T) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cert.pem")
	both := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	if err := os.WriteFile(file, both, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// ircUser is somebody on IRC.
type ircUser struct {
	t *testing.T
	net.Conn
	lines *bufio.Scanner
	seen  strings.Builder
}

// onIRC joins the channel #room.
func onIRC(t *testing.T, nick, address string) *ircUser {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	u := &ircUser{t: t, Conn: conn, lines: bufio.NewScanner(conn)}
	u.types("NICK "+nick, "USER "+nick+" 0 * :test")
	u.sees(" 001 ")
	u.types("JOIN #room")
	u.sees(" 366 ")
	return u
}

func (u *ircUser) types(lines ...string) {
	u.t.Helper()
	if _, err := fmt.Fprint(u, strings.Join(lines, "\r\n")+"\r\n"); err != nil {
		u.t.Fatal(err)
	}
}

// sees waits for lines that contain texts, and returns the last one.
func (u *ircUser) sees(texts ...string) (line string) {
	u.t.Helper()
	u.SetReadDeadline(time.Now().Add(patience))
	for _, text := range texts {
		for line = ""; !strings.Contains(line, text); {
			if !u.lines.Scan() {
				u.t.Fatalf("no %q on IRC (%v), but\n%s", text, u.lines.Err(), u.seen.String())
			}
			line = u.lines.Text()
			fmt.Fprintln(&u.seen, line)
			if len(line) > 510 {
				u.t.Errorf("%d bytes: %s", len(line), line)
			}
		}
	}
	return line
}

// The bridge relays in both directions, each message once, and outlives both servers.
func TestExampleIRC(t *testing.T) {
	t.Parallel()
	address, secure, cert := freeAddress(t), freeAddress(t), selfSigned(t)
	irc := ircServer(t, address, secure, cert)
	s := startServer(t, t.TempDir(), "--listen", freeAddress(t)) // and again on the same port
	carolKey := []string{newKey(t)}
	carol := plug(t, "carol", s.openSSH("carol", carolKey, []string{"-T"}))
	carol.sees("you are carol")
	ivy := onIRC(t, "ivy", address)
	start := func(nick, ircNick string) *server {
		how := []string{"-server", secure}
		if runtime.GOOS != "linux" { // only there, Go trusts the certificates of a variable
			how = []string{"-plain", "-server", address}
		}
		bridge := s.example("irc", newKey(t), append(how, "-nick", ircNick, "-channel", "#room",
			"-place", filepath.Join(t.TempDir(), nick), s.at(nick))...)
		bridge.Env = append(os.Environ(), "SSL_CERT_FILE="+cert)
		return s.beside(bridge)
	}
	bridge := start("bridge", "relay")
	carol.sees("bridge joined")
	ivy.sees(":relay!")

	carol.types("hello IRC")
	carol.types("/me waves")
	ivy.sees("NOTICE #room :<carol> hello IRC", "NOTICE #room :* carol waves")
	words := strings.Repeat("éa word ", 100)
	carol.types("long: " + words)
	ivy.sees("<carol> long: éa word", "<carol> ", "<carol> éa word")
	say := s.openSSH("carol", carolKey, nil, "say -")
	if out, status := output(t, say, strings.Repeat("a line\n", 9)); status != 0 {
		t.Fatal(out)
	}
	ivy.sees("<carol> a line", "<carol> (and 4 more lines)")
	ivy.types("PRIVMSG #room :\x01VERSION\x01", "NOTICE #room :beep",
		"PRIVMSG #room :\x02h\x02i \x0304,05red\x0f \x1b[31m", "PRIVMSG #room :\x01ACTION waves\x01")
	carol.sees("bridge: <ivy@irc> hi red [31m\n", "bridge: * ivy@irc waves\n")
	carol.types("@bridge psst")
	carol.sees("delivered to bridge")
	bridge.logs(1, `carol writes: "psst"`)

	irc.kill()
	bridge.logs(1, "the session ended")
	bridge.cmd.Process.Signal(syscall.SIGSTOP)
	carol.types("while you were away")
	carol.sees("carol: while you were away")
	ircServer(t, address, secure, cert)
	ivy2 := onIRC(t, "ivy", address)
	bridge.cmd.Process.Signal(syscall.SIGCONT)
	if line := ivy2.sees("<carol> while you were away"); !strings.Contains(line, " UTC] <carol>") {
		t.Errorf("the past is not marked: %s", line)
	}

	s.kill()
	s = s.again()
	carol2 := plug(t, "carol", s.openSSH("carol", carolKey, []string{"-T"}))
	carol2.sees("you are carol")
	carol2.meets("bridge")
	ivy2.types("PRIVMSG #room :welcome back")
	carol2.sees("bridge: <ivy@irc> welcome back")
	carol2.types("thanks")
	ivy2.sees("NOTICE #room :<carol> thanks")

	start("bridge2", "relay2")
	carol2.sees("bridge2 joined")
	ivy2.types("PRIVMSG #room :loop?")
	carol2.sees("<ivy@irc> loop?", "<ivy@irc> loop?")
	carol2.types("the end")
	ivy2.sees("<carol> the end", "<carol> the end")
	for what, got := range map[string]int{
		"bridges to each other, on IRC": strings.Count(ivy2.seen.String(), "loop?") - 2,
		"bridges to each other":         strings.Count(carol2.all(), "loop?") - 2,
		"repeats of what was said once": strings.Count(ivy.seen.String()+ivy2.seen.String(), "hello IRC") - 1 +
			strings.Count(ivy2.seen.String(), "while you were away") - 1 + strings.Count(carol.all(), "hi red") - 1,
		"echoes": strings.Count(ivy.seen.String()+ivy2.seen.String(), "<ivy@irc>") - 2,
		"beeps":  strings.Count(carol.all(), "beep") + strings.Count(carol.all(), "VERSION"),
	} {
		if got != 0 {
			t.Errorf("%s: %d", what, got)
		}
	}
}
