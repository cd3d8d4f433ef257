package nick

import "strings"

// Skeleton maps nicks that read the same to the same string: 0 and o; 1, i and l;
// rn and m; vv and w; and with or without separators (bob, bob_ and b.ob). It is for
// comparing and never for display, and for refusing a new claim, never for finding
// somebody.
//
// Pairs are expanded (m to rn) and not contracted, so that vvv, wv and vw are one.
// Digits stay apart from each other, so that bot10 and bot01 are two.
func Skeleton(n string) string {
	n = strings.TrimPrefix(n, GuestMark)
	var b strings.Builder
	b.Grow(len(n) + 8)
	for i := 0; i < len(n); i++ {
		if !isSeparator(n[i]) {
			expand(&b, n[i])
		}
	}
	return b.String()
}

func isSeparator(c byte) bool { return c == '.' || c == '_' || c == '-' }

// spell writes letters for the digits that are put in their place.
var spell = strings.NewReplacer("0", "o", "1", "l", "2", "z", "3", "e", "4", "a", "5", "s", "6", "g", "7", "t", "8", "b", "9", "g").Replace

func expand(b *strings.Builder, c byte) {
	switch c {
	case '0':
		b.WriteByte('o')
	case '1', 'i':
		b.WriteByte('l')
	case 'm':
		b.WriteString("rn")
	case 'w':
		b.WriteString("vv")
	default:
		b.WriteByte(c)
	}
}
