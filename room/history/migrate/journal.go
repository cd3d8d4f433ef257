package migrate

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"

	"whoelse/internal/disk"
	"whoelse/room/internal/jsonl"
)

// pending is a line that a journal has for an owner's history.
type pending struct {
	owner string
	off   int64  // where it belongs, as if nothing had ever been removed from the file
	data  []byte // without the newline
}

// readJournals returns, by owner, what the journals in the folder in have for each, in order: of each
// journal up to its last whole unit before anything torn. A line of a journal is a checksum over the
// rest, whether the unit of lines that are kept together goes on ('+') or ends here ('.'), the offset,
// the owner, and the line:
//
//	1a2b3c4d . 4096 bob {"id":...}
//
// The first line of a journal tells how far the one before it counts; what follows there was refused:
//
//	1a2b3c4d journal 1 after 7 8391221
func readJournals(in disk.Folder, log *slog.Logger) (map[string][]pending, error) {
	names, err := in.Names()
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, ".log") })
	slices.Sort(names) // numbers with leading zeros: each is cut by those after it
	texts := make(map[string][]byte)
	for _, name := range names {
		if texts[name], err = disk.ReadFile(in, name, math.MaxInt64); err != nil {
			return nil, err
		}
		var before, end int
		first, _, _ := bytes.Cut(texts[name], []byte("\n"))
		head, _ := unsealed(first)
		if n, _ := fmt.Sscanf(string(head), "journal 1 after %d %d", &before, &end); n == 2 {
			before := fmt.Sprintf("%06d.log", before)
			texts[before] = texts[before][:min(end, len(texts[before]))]
		}
	}
	found := make(map[string][]pending)
	for _, name := range names {
		var unit []pending
		for l := range bytes.Lines(texts[name]) {
			p, last, ok := journalLine(bytes.TrimSuffix(l, []byte("\n")))
			if unit = append(unit, p); !ok {
				break
			}
			if !last {
				continue
			}
			for _, p := range unit {
				list := found[p.owner]
				if n := len(list); n > 0 && p.off < list[n-1].off+int64(len(list[n-1].data)) {
					list = nil // the file was set aside, and begun again
				}
				found[p.owner] = append(list, p)
			}
			unit = nil
		}
		if len(unit) > 0 {
			log.Warn("history: a journal has a torn end", "journal", name)
		}
	}
	delete(found, "") // the first lines
	return found, nil
}

// journalLine reads one line, and reports whether its unit ends with it. The first one of a journal
// has no owner.
func journalLine(l []byte) (p pending, last, ok bool) {
	rest, ok := unsealed(l)
	f := bytes.SplitN(rest, []byte(" "), 4)
	if !ok || len(f) < 4 {
		return p, false, false
	}
	if string(f[0]) == "journal" {
		return p, true, true
	}
	off, err := strconv.ParseInt(string(f[1]), 10, 64)
	return pending{string(f[2]), off, f[3]}, string(f[0]) == ".", err == nil && jsonl.Sealed(f[3])
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// unsealed returns what follows the checksum that a line of a journal begins with.
func unsealed(l []byte) ([]byte, bool) {
	sum, rest, _ := bytes.Cut(l, []byte(" "))
	return rest, string(sum) == fmt.Sprintf("%08x", crc32.Checksum(rest, castagnoli))
}
