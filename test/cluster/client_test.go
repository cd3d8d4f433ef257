package cluster

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// frame has the fields of docs/protocol.md that are needed here.
type frame struct {
	CMD    string
	Type   string   `json:"TYPE,omitempty"`
	Of     string   `json:"OF,omitempty"`
	Ref    string   `json:"REF,omitempty"`
	UID    string   `json:"UID,omitempty"`
	Since  string   `json:"SINCE,omitempty"`
	ID     string   `json:"ID,omitempty"`
	IDs    []string `json:"IDS,omitempty"`
	From   string   `json:"FROM,omitempty"`
	To     []string `json:"TO,omitempty"`
	Msg    string   `json:"MSG,omitempty"`
	Room   string   `json:"ROOM,omitempty"`
	Key    string   `json:"KEY,omitempty"`
	Replay bool     `json:"REPLAY,omitempty"`
	Status string   `json:"STATUS,omitempty"`
	Code   string   `json:"CODE,omitempty"`
	Reason string   `json:"REASON,omitempty"`
}

// identity is an ssh key.
type identity struct {
	signer gossh.Signer
	file   string // for OpenSSH
}

func newIdentity(t testing.TB) identity {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := gossh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := gossh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	id := identity{signer, filepath.Join(t.TempDir(), "key")}
	if err := os.WriteFile(id.file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return id
}

func fingerprint(id identity) string { return gossh.FingerprintSHA256(id.signer.PublicKey()) }

// wire is a session of the JSON protocol.
type wire struct {
	out    io.Reader
	hangUp func()

	mu sync.Mutex // held while a frame is written
	in io.Writer
}

func (w *wire) send(f frame) error {
	line, err := json.Marshal(f)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err = w.in.Write(append(line, '\n'))
	return err
}

// frames passes each frame that comes to handle, until the session ends.
func (w *wire) frames(handle func(frame)) {
	for decoder := json.NewDecoder(w.out); ; {
		var f frame
		if err := decoder.Decode(&f); err != nil {
			return
		}
		handle(f)
	}
}

// dial logs in with the ssh library, or with OpenSSH, and runs a command.
func (s *chatServer) dial(nick string, id identity, openSSH bool, command string) (*wire, error) {
	if openSSH {
		return s.dialOpenSSH(nick, id, command)
	}
	client, err := s.login(nick, id)
	if err != nil {
		return nil, err
	}
	session, err := client.NewSession()
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	in, inErr := session.StdinPipe()
	out, outErr := session.StdoutPipe()
	if err := errors.Join(inErr, outErr, session.Start(command)); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &wire{in: in, out: out, hangUp: func() { client.Close() }}, nil
}

// loginLimit bounds a login: a server that was paused answers nobody.
const loginLimit = 5 * time.Second

func (s *chatServer) login(nick string, id identity) (*gossh.Client, error) {
	address := s.address()
	conn, err := net.DialTimeout("tcp", address, loginLimit)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(loginLimit))
	said := ""
	transport, channels, requests, err := gossh.NewClientConn(conn, address, &gossh.ClientConfig{
		User: nick, HostKeyCallback: gossh.InsecureIgnoreHostKey(),
		Auth: []gossh.AuthMethod{
			gossh.PublicKeys(id.signer),
			gossh.KeyboardInteractive(func(_, words string, asked []string, _ []bool) ([]string, error) {
				said = words
				return make([]string, len(asked)), nil
			}),
		},
		BannerCallback: func(words string) error { said += words; return nil },
	})
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%w: %s", err, said)
	}
	conn.SetDeadline(time.Time{})
	return gossh.NewClient(transport, channels, requests), nil
}

// ssh is a command line of OpenSSH.
func (s *chatServer) ssh(nick string, id identity, command ...string) *exec.Cmd {
	return exec.Command("ssh", append([]string{
		"-T", "-F", "none", "-p", fmt.Sprint(s.port), "-i", id.file, "-o", "IdentitiesOnly=yes",
		"-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
		"-o", "ConnectTimeout=5", nick + "@" + s.host,
	}, command...)...)
}

func (s *chatServer) dialOpenSSH(nick string, id identity, command string) (*wire, error) {
	cmd := s.ssh(nick, id, command)
	in, inErr := cmd.StdinPipe()
	out, w, outErr := os.Pipe()
	if err := errors.Join(inErr, outErr); err != nil {
		return nil, err
	}
	cmd.Stdout = w
	err := cmd.Start()
	w.Close()
	if err != nil {
		return nil, err
	}
	return &wire{in: in, out: out, hangUp: sync.OnceFunc(func() {
		cmd.Process.Kill()
		cmd.Wait()
		out.Close()
	})}, nil
}

// answer is what a command printed, with its exit status; -1 if there was no login.
type answer struct {
	out, errors string
	status      int
}

// run logs in and runs one command.
func (s *chatServer) run(nick string, id identity, command ...string) answer {
	client, err := s.login(nick, id)
	if err != nil {
		return answer{errors: err.Error(), status: -1}
	}
	defer client.Close()
	timer := time.AfterFunc(patience, func() { client.Close() })
	defer timer.Stop()
	session, err := client.NewSession()
	if err != nil {
		return answer{errors: err.Error(), status: -1}
	}
	var out, stderr bytes.Buffer
	session.Stdout, session.Stderr = &out, &stderr
	err = session.Run(strings.Join(command, " "))
	a := answer{out.String(), stderr.String(), 0}
	if exit := new(gossh.ExitError); errors.As(err, &exit) {
		a.status = exit.ExitStatus()
	} else if err != nil {
		a.errors, a.status = a.errors+err.Error(), -1
	}
	return a
}

// messages are those in the answer to a command with --json.
func (a answer) messages() (all []message, err error) {
	decoder := json.NewDecoder(strings.NewReader(a.out))
	for {
		var f frame
		if err := decoder.Decode(&f); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		if f.Type == "FAIL" || f.CMD == "ERROR" {
			return nil, fmt.Errorf("%s %s", f.Code, f.Reason)
		}
		if f.CMD == "MSG" {
			all = append(all, message{f.ID, f.From, f.Msg})
		}
	}
}
