package target

import "testing"

func TestOutputFindsAddress(t *testing.T) {
	for line, want := range map[string]string{
		"floor listening on 127.0.0.1:40123\n":                            "40123",
		"whoelse on [::]:2222, SHA256:12ab, ssh -p 2222 nick@host\n":      "2222",
		"listening on :2222 (SHA256:99x)\n":                               "2222",
		"2025/11/21 06:41:03 starting\nlistening on 0.0.0.0:2022.\n":      "2022",
		"time=2025-11-21T06:41:03.5Z msg=up addr=127.0.0.1:31022\n":       "31022",
		`{"time":"2025-11-21T06:41:03Z","addr":"127.0.0.1:31022"}` + "\n": "31022",
	} {
		o := newOutput()
		for _, b := range []byte(line) {
			if _, err := o.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case got := <-o.port:
			if got != want {
				t.Errorf("%q: port %s, want %s", line, got, want)
			}
		default:
			t.Errorf("%q: no address found", line)
		}
	}
}
