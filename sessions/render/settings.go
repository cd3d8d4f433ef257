package render

import (
	"cmp"
	"time"

	"whoelse/sessions/parse"
	"whoelse/sessions/result"
)

// settings are the caller's settings in words, with how to change them, or one that was changed.
func settings(r result.Settings, st Style, now time.Time) []string {
	bell := "the bell rings for direct messages and mentions; change that with /settings bell all, or off"
	switch r.Display.Bell {
	case parse.Off:
		bell = "the bell is off; turn it on with /settings bell mentions, or all"
	case parse.All:
		bell = "the bell rings for every message; change that with /settings bell mentions, or off"
	}
	joins := "joins and leaves are shown; hide them with /settings joins off"
	if r.Display.Joins == parse.Off {
		joins = "joins and leaves are hidden; show them with /settings joins on"
	}
	zone := "times are in " + r.Zone.String()
	switch set := r.Display.Zone; {
	case r.ByClient:
		zone += ", which your client sends (TZ)" + when(set != "" && set != r.Zone.String(), "; "+set+" is for clients that send none")
	case r.Changed == "":
		zone += "; change that with /settings zone ZONE, such as Europe/Berlin"
	}
	switch r.Changed {
	case "bell":
		return []string{bell}
	case "joins":
		return []string{joins}
	case "zone":
		return []string{zone}
	}
	return []string{
		cmp.Or(awaySince(r.Absence, st, now), "you are not away; /away marks you so"),
		"you block " + cmp.Or(People(r.Blocked, len(r.Blocked)), "nobody"),
		bell, joins, zone,
	}
}
