package desk

import (
	"crypto/ed25519"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys"
	"whoelse/keys/bans"
	"whoelse/keys/invites"
	"whoelse/room"
	"whoelse/sessions"
	"whoelse/sessions/sshd"
)

// newDesk opens a desk in a folder of its own, with authorized_keys as given.
func newDesk(t *testing.T, file string) (*Desk, string) {
	t.Helper()
	dir := t.TempDir()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	if err := os.WriteFile(filepath.Join(dir, "authorized_keys"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	registry, err := keys.Open(filepath.Join(dir, "authorized_keys"), log)
	if err != nil {
		t.Fatal(err)
	}
	list, err := bans.Open(filepath.Join(dir, "bans.json"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := Open(dir, registry, list, invites.Open(filepath.Join(dir, "invites.json")), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, dir
}

func key(t *testing.T, seed byte) gossh.PublicKey {
	t.Helper()
	raw := ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune('a'+seed)), 32)))
	signer, err := gossh.NewSignerFromKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	return signer.PublicKey()
}

func line(k gossh.PublicKey) string { return strings.TrimSpace(string(gossh.MarshalAuthorizedKey(k))) }

// What the disk says goes to the log, not to people.
func TestErrorsOfTheDisk(t *testing.T) {
	d, dir := newDesk(t, line(key(t, 1))+" bob\n"+line(key(t, 2))+" bob\n")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	_, invited := d.Invite("carol", "alice", time.Hour)
	_, muted := d.Mute("bob", "alice", time.Hour)
	_, unmuted := d.Unmute("bob")
	for what, err := range map[string]error{
		"invite": invited, "mute": muted,
		"ban": d.Ban("bob", "alice", "", 0), "remove": d.RemoveKey("bob", keys.Fingerprint(key(t, 1))),
	} {
		if err == nil {
			t.Errorf("%s works without a folder", what)
		} else if strings.Contains(err.Error(), dir) && !errors.Is(err, room.ErrStorage) {
			t.Errorf("%s: %v", what, err)
		}
	}
	people := NewPeople(d.registry, nil, d.invites)
	for what, err := range map[string]error{
		"claim": people.Claim("dora", key(t, 3), netip.Addr{}), "redeem": people.Redeem("carol", "xz5g-azvt-f0cc-kz01", key(t, 3)),
	} {
		var trouble *sshd.Trouble
		if !errors.As(err, &trouble) || strings.Contains(err.Error(), dir) || !strings.Contains(trouble.Err.Error(), dir) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if unmuted != nil {
		t.Errorf("unmute of nobody: %v", unmuted)
	}
	if _, ok := d.Muted("bob"); ok {
		t.Error("a mute is in force that is not on disk")
	}
}

// Limits of the key that somebody came with go on to the one they add.
func TestLimitsGoOn(t *testing.T) {
	long := "10.1.1.1" + strings.Repeat(",10.1.1.1", 30)
	d, _ := newDesk(t, strings.Join([]string{
		`from="10.0.0.0/8",expiry-time="20990101Z" ` + line(key(t, 1)) + " bob",
		`from="` + long + `" ` + line(key(t, 2)) + " carol",
		`environment="ROLE=operator" ` + line(key(t, 3)) + " olivia",
	}, "\n")+"\n")
	added, err := d.AddKeys("bob", key(t, 1), line(key(t, 4)))
	if err != nil || len(added) != 1 || added[0].From != "10.0.0.0/8" || added[0].Expires.IsZero() {
		t.Errorf("%+v, %v", added, err)
	}
	if _, err := d.AddKeys("carol", key(t, 2), line(key(t, 5))); err == nil {
		t.Error("a limit that is only known in part is passed on")
	}
	if _, err := d.AddKeys("olivia", key(t, 3), line(key(t, 6))); err != nil {
		t.Error(err)
	}
	if h, err := d.registry.Lookup(key(t, 6), netip.Addr{}); err != nil || h.Role != "" {
		t.Errorf("%+v, %v", h, err)
	}
	if _, err := d.AddKeys("bob", key(t, 7), line(key(t, 8))); err == nil {
		t.Error("a key that does not hold bob adds one to bob")
	}
}

func TestMostKeys(t *testing.T) {
	d, _ := newDesk(t, line(key(t, 0))+" bob\n")
	var many []string
	for i := range mostKeys {
		many = append(many, line(key(t, byte(i+1))))
	}
	if _, err := d.AddKeys("bob", key(t, 0), strings.Join(many, "\n")); err == nil || !strings.Contains(err.Error(), "more than 20 keys") {
		t.Errorf("one too many: %v", err)
	}
	if added, err := d.AddKeys("bob", key(t, 0), strings.Join(many[1:], "\n")); err != nil || len(added) != mostKeys-1 {
		t.Errorf("%d added, %v", len(added), err)
	}
}

// A ban of an operator's nick or key is recognised also while they are away.
func TestAimKnowsOperators(t *testing.T) {
	d, _ := newDesk(t, `environment="ROLE=operator" `+line(key(t, 1))+" olivia\n"+line(key(t, 2))+" bob\n")
	for what, want := range map[string]int{
		"olivia": 1, "OLIVIA": 1, keys.Fingerprint(key(t, 1)): 1, "bob": 0, keys.Fingerprint(key(t, 2)): 0, "203.0.113.0/24": 0,
	} {
		aim, err := d.Aim(what)
		if err != nil || len(aim.Operators) != want {
			t.Errorf("%s: %v, %v", what, aim.Operators, err)
		}
	}
	if _, err := d.Aim("\x1b[2J\u202e"); err == nil || strings.ContainsAny(err.Error(), "\x1b\u202e") {
		t.Errorf("%q", err)
	}
	aim, _ := d.Aim("203.0.113.0/24")
	if !aim.Covers(sessions.Person{Nick: "bob", Addr: netip.MustParseAddr("203.0.113.7")}) || aim.Covers(sessions.Person{Nick: "bob"}) {
		t.Error("an address is covered wrongly")
	}
}
