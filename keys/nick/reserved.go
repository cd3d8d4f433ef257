package nick

// reserved names nobody may have: they address everybody, or claim an authority
// that a nick does not give.
var reserved = set(
	"all", "everyone", "everybody", "anyone", "anybody", "nobody", "room", "here",
	"you", "me", "guest",
	"server", "system", "notice", "whoelse",
	"operator", "moderator", "admin", "administrator", "root",
)

// authority is the part of reserved that is worth imitating. Look-alikes of these
// are refused too; look-alikes of "all" are not, because Ali is somebody's name.
var authority = []string{
	"server", "system", "notice", "whoelse",
	"operator", "moderator", "admin", "administrator", "root",
}

var authoritySkeletons = func() map[string]string {
	m := make(map[string]string, len(authority))
	for _, w := range authority {
		m[Skeleton(w)] = w
	}
	return m
}()

// Imitates gives the reserved word that n reads like, if it does ("adm1n" reads
// like "admin").
func Imitates(n string) (word string, ok bool) {
	word, ok = authoritySkeletons[Skeleton(n)]
	return word, ok
}

func set(words ...string) map[string]bool {
	m := make(map[string]bool, len(words))
	for _, w := range words {
		m[w] = true
	}
	return m
}
