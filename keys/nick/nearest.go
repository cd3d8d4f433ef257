package nick

import "strings"

// ranks of Nearest, best first; a rank is compared before the name.
const (
	rankSame = iota
	rankOneEdit
	rankPrefix
	rankTwoEdits
	rankFar
)

// Nearest gives the one of among that name was most likely meant to be: one edit
// away, else beginning with it, else two edits away. Equally good ones are decided
// by the alphabet, so the answer does not depend on the order of among. Guests'
// marks are not compared: "bob" may suggest "~bob".
func Nearest(name string, among []string) (string, bool) {
	name = fold(strings.TrimPrefix(name, GuestMark))
	if name == "" || len(name) > MaxLen {
		return "", false
	}
	best, bestRank := "", rankFar
	for _, c := range among {
		r := rank(name, strings.TrimPrefix(c, GuestMark))
		if r < bestRank || r == bestRank && r < rankFar && c < best {
			best, bestRank = c, r
		}
	}
	return best, bestRank < rankFar
}

// OneSlip reports whether a and b differ in one letter, or in the order of two
// neighbours.
func OneSlip(a, b string) bool {
	return len(a) <= MaxLen && len(b) <= MaxLen && distance(a, b) == 1
}

func rank(name, candidate string) int {
	if len(candidate) > MaxLen {
		return rankFar
	}
	if len(candidate) < len(name)-2 {
		return rankFar
	}
	d := distance(name, candidate)
	switch {
	case d == 0:
		return rankSame
	case d == 1 && len(name) > 1:
		return rankOneEdit
	case strings.HasPrefix(candidate, name):
		return rankPrefix
	case d == 2 && len(name) > 3:
		return rankTwoEdits // in a shorter name, two edits leave too little of it
	}
	return rankFar
}

// distance is Levenshtein's, with a swap of neighbours counted as one edit since
// that is what fingers do; anything over two is given as three. Both are at most
// MaxLen bytes, which the fixed rows rely on.
func distance(a, b string) int {
	if diff := len(a) - len(b); diff > 2 || diff < -2 {
		return 3
	}
	var rows [3][MaxLen + 1]int
	before, prev, cur := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cur[j] = step(a, b, i, j, before, prev, cur)
			least = min(least, cur[j])
		}
		if least > 2 {
			return 3
		}
		before, prev, cur = prev, cur, before
	}
	return min(prev[len(b)], 3)
}

func step(a, b string, i, j int, before, prev, cur *[MaxLen + 1]int) int {
	cost := 1
	if a[i-1] == b[j-1] {
		cost = 0
	}
	d := min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
	if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
		d = min(d, before[j-2]+1)
	}
	return d
}
