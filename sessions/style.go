package sessions

import (
	"strings"
	"time"

	"whoelse/sessions/render"
	"whoelse/sessions/sshd"
	"whoelse/sessions/terminal"
)

func styleOf(ch *sshd.Channel, termName string, width int, pty bool) render.Style {
	st := render.Style{Zone: zoneOf(ch.Env["TZ"])}
	if pty {
		st.Width = terminal.ClampWidth(width)
		st.Bell = true
		st.Color = termName != "dumb" && termName != "" && ch.Env["NO_COLOR"] == ""
	}
	return st
}

// zoneOf finds the zone that a client names; UTC if there is none.
func zoneOf(name string) *time.Location {
	if len(name) > 64 {
		return time.UTC
	}
	zone, err := time.LoadLocation(strings.TrimPrefix(name, ":"))
	if err != nil || name == "Local" {
		return time.UTC
	}
	return zone
}
