package render

import (
	"cmp"
	"strings"

	"whoelse/room"
	"whoelse/sessions/text"
)

// factTime sorts as the times do.
const factTime = "2006-01-02T15:04:05.000Z"

var factEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`)

// Fact renders a message for programs, as the README says: one line with time, ID, kind, sender,
// recipients and text, tabs between them.
func Fact(dst []byte, m *room.Message) []byte {
	to := "#" + cmp.Or(m.Room, room.Lobby)
	if len(m.To) > 0 {
		to = strings.Join(m.To, ",")
	}
	dst = m.Time.UTC().AppendFormat(dst, factTime)
	for _, column := range []string{m.ID, string(m.Kind), m.From, to} {
		dst = append(append(dst, '\t'), text.CleanLine(column)...)
	}
	dst = append(append(dst, '\t'), factEscapes.Replace(text.Clean(m.Text))...)
	return append(dst, '\n')
}
