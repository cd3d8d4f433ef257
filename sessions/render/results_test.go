package render_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"

	"whoelse/room"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
)

// constants lists the values of the constants of a type of package result.
func constants(t *testing.T, of string) (all []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../result/result.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == of {
				s, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, s)
			}
		}
		return true
	})
	if len(all) < 10 {
		t.Fatalf("only %d constants of the type %s", len(all), of)
	}
	return all
}

// Whatever was done, and whatever failed, there are words for it, and no two mean the same. An
// error of the storage is never shown itself.
func TestEveryResultHasWords(t *testing.T) {
	said := map[string]string{}
	check := func(of, words string) {
		t.Helper()
		words = strings.TrimSuffix(strings.TrimPrefix(words, " * "), "\n")
		if words == "" || strings.HasPrefix(words, " failed") || strings.Contains(words, "secret") || strings.Contains(words, "{") {
			t.Errorf("%s is %q", of, words)
		}
		if other, ok := said[words]; ok {
			t.Errorf("%s and %s are both %q", of, other, words)
		}
		said[words] = of
	}
	for _, what := range constants(t, "What") {
		check(what, string(render.Result(nil, result.Done{What: result.What(what), Nick: "bob", About: "public"}, render.Style{}, time.Time{})))
	}
	err := errors.Join(room.ErrStorage, errors.New("secret"))
	for _, reason := range constants(t, "Reason") {
		f := result.Failure{Reason: result.Reason(reason), Nick: "bob", About: "some", Err: err}
		if f.Reason == result.NotAffordable || f.Reason == result.BadKey { // whose error is for the person
			f.Err = errors.New("you have reached your limit")
		}
		words := string(render.Result(nil, f, render.Style{}, time.Time{}))
		check(reason, words)
		if doing, _, _ := strings.Cut(reason, "-"); strings.Contains(words, " failed: ") && !strings.HasSuffix(doing, "ing") {
			t.Errorf("%s has no words", reason)
		}
	}
}

// A command that runs as a guest, although a key was offered, says why the key was not accepted.
func TestCommandAs(t *testing.T) {
	for want, w := range map[string]result.Welcome{
		"": {Nick: "bob", Asked: "bob"},
		"you are bob, not \"eve\": your key's nick is bob": {Nick: "bob", Asked: "eve"},
		"you are ~eve, a guest: nothing is kept for you when you leave; your key was not accepted: you are banned: spam": {
			Nick: "~eve", Asked: "~eve", Guest: true, Unused: "you are banned: spam"},
	} {
		if got := render.CommandAs(w); got != want {
			t.Errorf("%+v: %q, want %q", w, got, want)
		}
	}
}

// The lobby has no owners who could set a topic.
func TestLobbyHasNoTopic(t *testing.T) {
	r := result.RoomInfo{What: result.RoomTopic, RoomSummary: room.RoomSummary{Name: room.Lobby}}
	if got := string(render.Result(nil, r, render.Style{}, time.Time{})); got != " * the lobby has no topic\n" {
		t.Error(got)
	}
}
