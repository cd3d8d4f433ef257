package nick

import "strings"

// readsAs maps characters to those that they are read as. Pairs are expanded (m to rn) and
// not contracted, so that vvv, wv and vw are one. Digits stay apart from each other, so
// that bot10 and bot01 are two.
var readsAs = strings.NewReplacer(".", "", "_", "", "-", "", "0", "o", "1", "l", "i", "l", "m", "rn", "w", "vv")

// spell writes letters for the digits that are put in their place.
var spell = strings.NewReplacer(
	"0", "o", "1", "l", "2", "z", "3", "e", "4", "a", "5", "s", "6", "g", "7", "t", "8", "b", "9", "g",
)

// Skeleton maps nicks that read the same to the same string: 0 and o; 1, i and l;
// rn and m; vv and w; and with or without separators (bob, bob_ and b.ob). It is for
// comparing and never for display, and for refusing a new claim, never for finding
// a nick.
func Skeleton(n string) string { return readsAs.Replace(strings.TrimPrefix(n, GuestMark)) }

// reserved are names nobody may have, by their skeletons: they address everybody, or
// claim an authority that a nick does not give.
var reserved = func() map[string]string {
	m := make(map[string]string)
	for _, w := range []string{
		"all", "everyone", "everybody", "anyone", "anybody", "nobody", "room", "here",
		"lobby", "you", "me", "guest",
		"server", "system", "notice", "whoelse",
		"operator", "operators", "moderator", "moderators", "admin", "admins", "administrator", "root", "sysop",
		"staff", "support", "security",
	} {
		m[Skeleton(w)] = w
	}
	return m
}()

// Imitates gives the reserved word that n reads like, if it does ("adm1n" reads
// like "admin", and "sy5tem" like "system"). Ali is a person's name, and not "all".
func Imitates(n string) (word string, ok bool) {
	word, ok = reserved[Skeleton(spell.Replace(n))]
	if word == "all" && strings.Contains(n, "i") {
		return "", false
	}
	return word, ok
}
