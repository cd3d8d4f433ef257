package test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// runs has user run a command, with input on its standard input, and returns what it shows and its exit
// status, which is 255 if there is no connection. It is for tests of what a server does, not of a client's
// part in that: with WHOELSE_TEST=full OpenSSH runs the command, otherwise the ssh library in the test's own
// process, which takes a fifth of the CPU.
func (s *server) runs(user string, keys []string, input string, command ...string) (out string, status int) {
	s.t.Helper()
	if full {
		return output(s.t, s.openSSH(user, keys, nil, command...), input)
	}
	shown := &transcript{}
	status = s.runHere(shown, user, keys, input, strings.Join(command, " "))
	return shown.text.String(), status
}

func (s *server) runHere(shown io.Writer, user string, keys []string, input, command string) (status int) {
	s.t.Helper()
	conn, err := net.Dial("tcp", "127.0.0.1:"+s.port)
	if err != nil {
		fmt.Fprintln(shown, err)
		return 255
	}
	defer conn.Close()
	client, err := s.login(conn, shown, user, keys...)
	if err != nil {
		fmt.Fprintln(shown, err)
		return 255
	}
	session, err := client.NewSession()
	if err == nil {
		session.Stdin, session.Stdout, session.Stderr = strings.NewReader(input), shown, shown
		err = session.Start(command)
	}
	if err != nil {
		fmt.Fprintln(shown, err)
		return 255
	}
	err = session.Wait()
	if failed, ok := errors.AsType[*gossh.ExitError](err); ok {
		return failed.ExitStatus()
	}
	if _, cut := errors.AsType[*gossh.ExitMissingError](err); cut {
		fmt.Fprintln(shown, err)
		return 255
	}
	return 0 // whether or not all of the input was read
}

// transcript is what several goroutines write, in the order in which it comes.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

// signerOf reads a private key or, if file ends in -cert.pub, the certificate in it, for the key beside it.
func signerOf(t testing.TB, file string) gossh.Signer {
	t.Helper()
	key, certified := strings.CutSuffix(file, "-cert.pub")
	signer, err := gossh.ParsePrivateKey([]byte(readFile(t, key)))
	if err == nil && certified {
		var public gossh.PublicKey
		if public, _, _, _, err = gossh.ParseAuthorizedKey([]byte(readFile(t, file))); err == nil {
			signer, err = gossh.NewCertSigner(public.(*gossh.Certificate), signer)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// login logs in on conn as OpenSSH does: with keys, and then without, answering nothing. What the server
// says about that goes to shown.
func (s *server) login(conn net.Conn, shown io.Writer, user string, keys ...string) (*gossh.Client, error) {
	s.t.Helper()
	conn.SetDeadline(time.Now().Add(patience))
	var signers []gossh.Signer
	for _, file := range keys {
		signers = append(signers, signerOf(s.t, file))
	}
	silent := func(_, said string, questions []string, _ []bool) ([]string, error) {
		io.WriteString(shown, said)
		return make([]string, len(questions)), nil
	}
	c, channels, requests, err := gossh.NewClientConn(conn, s.port, &gossh.ClientConfig{
		User: user, Auth: []gossh.AuthMethod{gossh.PublicKeys(signers...), gossh.KeyboardInteractive(silent)},
		BannerCallback: func(said string) error { _, err := io.WriteString(shown, said); return err },
		HostKeyCallback: func(_ string, _ net.Addr, key gossh.PublicKey) error {
			if is := gossh.FingerprintSHA256(key); is != s.hostKey {
				return fmt.Errorf("the host key is %s, not %s", is, s.hostKey)
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	return gossh.NewClient(c, channels, requests), nil
}
