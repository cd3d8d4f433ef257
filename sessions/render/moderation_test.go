package render

import (
	"testing"

	"whoelse/sessions/result"
)

// TestModerationOfCluster: an operator of a cluster is not told that nobody was hit, where other servers may
// have hit somebody.
func TestModerationOfCluster(t *testing.T) {
	for _, tt := range []struct {
		m    result.Moderation
		want string
	}{
		{result.Moderation{What: "kick", Whom: "bob", Sessions: 1, From: []string{"192.0.2.1"}}, "kicked bob: 1 session, from 192.0.2.1"},
		{result.Moderation{What: "kick", Whom: "bob", Others: true}, "kicked bob: the sessions are on another server"},
		{
			result.Moderation{What: "kick", Whom: "bob", Others: true, Sessions: 2, From: []string{"192.0.2.1"}},
			"kicked bob: 2 sessions, from 192.0.2.1; and any on other servers",
		},
		{result.Moderation{What: "ban", Whom: "bob"}, "banned bob for good; nobody online was affected"},
		{
			result.Moderation{What: "ban", Whom: "bob", Others: true},
			"banned bob for good; nobody on this server was affected; the other servers end the sessions that it covers",
		},
	} {
		if got := Moderation(tt.m); got != tt.want {
			t.Errorf("%+v:\n%s\nwant %s", tt.m, got, tt.want)
		}
	}
}
