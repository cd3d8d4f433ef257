package terminal
import ("testing";"fmt";"os";"os/exec";"math/rand/v2";"strings";"time";"slices")
func TestTmuxAdhoc(t *testing.T) {
	keys := []string{"a","b c","日","日本語","e\u0301","\x01","\x05","\x02","\x06","\x7f","\x17","\x0b","\x15","\r","\x1b[A","\x1bb",strings.Repeat("x",17),strings.Repeat("日",9), "P"}
	bad := 0
	for i := range 60 {
		r := newRig(t, Config{Width: 20, Height: 8, MaxText: 300})
		var all []byte
		n := 0
		for range 40 {
			k := keys[rand.IntN(len(keys))]
			if k == "P" { n++; r.script = append(r.script, r.print("#%d\n", n)) } else { r.script = append(r.script, k) }
		}
		_ = all
		var raw []byte
		rec := func() { raw = r.term.Take(raw); }
		_ = rec
		s2 := []any{}
		for _, s := range r.script { s2 = append(s2, s) }
		r.script = s2
		r.tee = &raw
		r.run()
		f := fmt.Sprintf("/tmp/tmuxraw%d", i)
		os.WriteFile(f, raw, 0o644)
		name := fmt.Sprintf("adhoc%d", i)
		exec.Command("tmux","-u","-L","adhoc","new-session","-d","-s",name,"-x","20","-y","8",fmt.Sprintf("stty raw -echo; cat %s; sleep 30", f)).Run()
		time.Sleep(150*time.Millisecond)
		out, err := exec.Command("tmux","-u","-L","adhoc","capture-pane","-p","-S","-","-t",name).Output()
		if err != nil { t.Fatal(err) }
		exec.Command("tmux","-L","adhoc","kill-session","-t",name).Run()
		rows := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
		for i := range rows { rows[i] = strings.TrimRight(rows[i], " ") }
		for len(rows) > 0 && rows[len(rows)-1]=="" { rows = rows[:len(rows)-1] }
		if want := r.screen.All(); !slices.Equal(rows, want) { bad++; t.Errorf("%d: tmux\n%s\nvt\n%s", i, quoted(rows), quoted(want)) ; if bad>3 {return} }
	}
}
