package nick

import "strings"

// Skeleton maps nicks that read the same to the same string: 0 and o; 1, i and l;
// rn and m; vv and w; the three separators, however many in a row, and a full stop
// at the end. It is for comparing and never for display, and for refusing a new
// claim, never for finding somebody.
//
// Pairs are expanded (m to rn) and not contracted, so that vvv, wv and vw are one.
// Digits stay apart from each other, so that bot10 and bot01 are two.
func Skeleton(n string) string {
	n = strings.TrimRight(strings.TrimPrefix(n, GuestMark), ".")
	var b strings.Builder
	b.Grow(len(n) + 8)
	separated := false
	for i := 0; i < len(n); i++ {
		if isSeparator(n[i]) {
			if !separated {
				b.WriteByte('-')
			}
			separated = true
			continue
		}
		separated = false
		expand(&b, n[i])
	}
	return b.String()
}

func isSeparator(c byte) bool { return c == '.' || c == '_' || c == '-' }

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
