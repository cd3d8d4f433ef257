package nick

import "strings"

// reserved are names nobody may have, by their skeletons: they address everybody, or
// claim an authority that a nick does not give.
var reserved = func() map[string]string {
	m := make(map[string]string)
	for _, w := range []string{
		"all", "everyone", "everybody", "anyone", "anybody", "nobody", "room", "here",
		"you", "me", "guest",
		"server", "system", "notice", "whoelse",
		"operator", "moderator", "admin", "administrator", "root",
	} {
		m[Skeleton(w)] = w
	}
	return m
}()

func isReserved(n string) bool { return reserved[Skeleton(n)] == n }

// Imitates gives the reserved word that n reads like, if it does ("adm1n" reads
// like "admin", and "sy5tem" like "system"). Ali is somebody's name, and not "all".
func Imitates(n string) (word string, ok bool) {
	word, ok = reserved[Skeleton(spell(n))]
	if word == "all" && strings.Contains(n, "i") {
		return "", false
	}
	return word, ok
}
