package nick

import "strings"

// far is the rank of candidates that Nearest does not suggest.
const far = 4

// Nearest gives the one of among that name was most likely meant to be: one edit
// away, else beginning with it, else two edits away. Equally good ones are decided
// by the alphabet, so the answer does not depend on the order of among. Guests'
// marks are not compared: "bob" may suggest "~bob".
func Nearest(name string, among []string) (string, bool) {
	name = fold(strings.TrimPrefix(name, GuestMark))
	if name == "" || len(name) > MaxLen {
		return "", false
	}
	best, bestRank := "", far
	for _, c := range among {
		r := rank(name, strings.TrimPrefix(c, GuestMark))
		if r < bestRank || r == bestRank && r < far && c < best {
			best, bestRank = c, r
		}
	}
	return best, bestRank < far
}

// OneSlip reports whether a and b differ in one letter, or in the order of two
// neighbours.
func OneSlip(a, b string) bool {
	return len(a) <= MaxLen && len(b) <= MaxLen && distance(a, b) == 1
}

// rank is how good a suggestion candidate is: 0 is best. In a short name, two edits leave
// too little of it.
func rank(name, candidate string) int {
	if len(candidate) > MaxLen || len(candidate) < len(name)-2 {
		return far
	}
	d := distance(name, candidate)
	switch {
	case d == 0:
		return 0
	case d == 1 && len(name) > 1:
		return 1
	case strings.HasPrefix(candidate, name):
		return 2
	case d == 2 && len(name) > 3:
		return 3
	}
	return far
}

// distance is Levenshtein's, with a swap of neighbours counted as one edit, since that is
// what fingers do. Where the lengths differ by more than two it is 3. Both are at most
// MaxLen bytes.
func distance(a, b string) int {
	if diff := len(a) - len(b); diff > 2 || diff < -2 {
		return 3
	}
	var d [MaxLen + 1][MaxLen + 1]int // d[i][j] is that of a[:i] and b[:j]
	for i := range len(a) + 1 {
		for j := range len(b) + 1 {
			if i == 0 || j == 0 {
				d[i][j] = max(i, j)
				continue
			}
			substituted := d[i-1][j-1]
			if a[i-1] != b[j-1] {
				substituted++
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, substituted)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
