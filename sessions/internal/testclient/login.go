package testclient

import gossh "golang.org/x/crypto/ssh"

// Login logs in the way OpenSSH does: by methods, and then without a key, answering
// nothing. What the server has to say about it goes to words.
func Login(user string, words func(string), methods ...gossh.AuthMethod) *gossh.ClientConfig {
	answer := func(_, said string, questions []string, _ []bool) ([]string, error) {
		words(said)
		return make([]string, len(questions)), nil
	}
	return &gossh.ClientConfig{
		User: user, Auth: append(methods, gossh.KeyboardInteractive(answer)),
		HostKeyCallback: gossh.FixedHostKey(Signer("host").PublicKey()),
		BannerCallback:  func(said string) error { words(said); return nil },
	}
}

// PTY is the payload of a request for a terminal.
type PTY struct {
	Term       string
	W, H, X, Y uint32
	Modes      string
}

// Ask sends a request on a session's channel, with the payload marshalled unless it
// is nil, and returns whether the server agreed.
func Ask(ch gossh.Channel, name string, payload any) bool {
	var p []byte
	if payload != nil {
		p = gossh.Marshal(payload)
	}
	ok, err := ch.SendRequest(name, true, p)
	return ok && err == nil
}
