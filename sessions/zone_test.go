package sessions

import "testing"

// A zone is kept for good once it was found, so it has one name: of many others for its file each would be kept.
func TestZoneHasOneName(t *testing.T) {
	if zoneOf("Europe/Berlin") == nil {
		t.Error("Europe/Berlin is none")
	}
	for _, name := range []string{"Europe//Berlin", "./Europe/Berlin", "Europe/./Berlin", "Europe/Berlin/", "Europe/../Europe/Berlin"} {
		if zone := zoneOf(name); zone != nil {
			t.Errorf("%s is %v", name, zone)
		}
		if zone := zoneNamed(name); zone != "" {
			t.Errorf("%s is meant as %s", name, zone)
		}
	}
}
