package sessions

import (
	"path"
	"strings"
	"sync"
	"time"
	"unicode"

	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
)

// style is how the session is shown things now. The person may change that in any of their sessions.
func (s *session) style() render.Style {
	st := *s.own.Load()
	if s.member == nil {
		return st
	}
	return shownAs(st, s.member.Display())
}

// shownAs is own with what the person has set. What the client asks for counts more.
func shownAs(own render.Style, d room.Display) render.Style {
	if own.Zone == nil {
		own.Zone = zoneOf(d.Zone)
	}
	if own.Bell != render.Silent { // else there is no terminal
		switch d.Bell {
		case parse.Off:
			own.Bell = render.Silent
		case parse.All:
			own.Bell = render.ForAnybody
		}
	}
	own.HideJoins = d.Joins == parse.Off
	return own
}

// zones has the zones that were found, by name: each once, so that styles with it are equal.
var zones sync.Map

// zoneOf finds a zone, nil if there is none of that name.
func zoneOf(name string) *time.Location {
	name = strings.TrimPrefix(name, ":") // as in TZ
	if zone, known := zones.Load(name); known {
		return zone.(*time.Location)
	}
	if name == "" || name == "Local" || len(name) > 64 || path.Clean(name) != name { // A//B is a file, too, as is ./A/B
		return nil
	}
	found, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	zone, _ := zones.LoadOrStore(name, found)
	return zone.(*time.Location)
}

// settings shows the person's settings, or changes one of them and shows that.
func (s *session) settings(call parse.Call) result.Result {
	if call.Verb == "zone" {
		if call.Text = zoneNamed(call.Text); call.Text == "" {
			return result.Failure{Code: result.Usage, Reason: result.NoSuchZone}
		}
	}
	if call.Verb != "" {
		err := s.member.SetDisplay(func(d *room.Display) {
			switch call.Verb {
			case "bell":
				d.Bell = call.Text
			case "joins":
				d.Joins = call.Text
			case "zone":
				d.Zone = call.Text
			}
		})
		if err != nil {
			return s.failed(result.Failure{Reason: result.ChangingSettings, Err: err})
		}
	}
	set, err := s.member.Preferences()
	if err != nil {
		return s.failed(result.Failure{Reason: result.ReadingSettings, Err: err})
	}
	own := *s.own.Load()
	return result.Settings{Preferences: set, Changed: call.Verb, Zone: shownAs(own, set.Display).Zone, ByClient: own.Zone != nil}
}

// zoneNamed is the name of the zone that a person means, "" if there is none: europe/berlin is Europe/Berlin.
func zoneNamed(typed string) string {
	words := []byte(strings.ToLower(typed))
	for i := range words {
		if i == 0 || strings.IndexByte("/_-", words[i-1]) >= 0 {
			words[i] = byte(unicode.ToUpper(rune(words[i])))
		}
	}
	for _, name := range []string{typed, string(words), strings.ToUpper(typed)} {
		if zone := zoneOf(name); zone != nil {
			return zone.String()
		}
	}
	return ""
}
