package migrate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"whoelse/room/internal/disk"
	"whoelse/room/internal/jsonl"
)

// pending is a line that a journal has for an owner's history.
type pending struct {
	off  int64  // where it belongs, as if nothing had ever been removed from the file
	data []byte // without the newline
}

// readJournals returns, by owner, what the journals in the folder in have for each. A
// line of a journal is a checksum over the rest, whether the unit of lines that are kept
// together goes on ('+') or ends here ('.'), the offset, the owner, and the line:
//
//	1a2b3c4d . 4096 bob {"id":...}
//
// The first line of a journal tells how far the one before it counts:
//
//	1a2b3c4d journal 1 after 7 8391221
func readJournals(in disk.Folder, log *slog.Logger) (map[string][]pending, error) {
	names, err := in.Names()
	if err != nil {
		return nil, err
	}
	var nums []int
	for _, name := range names {
		if num, err := strconv.Atoi(strings.TrimSuffix(name, ".log")); err == nil && num > 0 && journalName(num) == name {
			nums = append(nums, num)
		}
	}
	slices.Sort(nums)
	texts := make(map[int][]byte)
	ends := make(map[int]int64) // of those that another one follows
	for _, num := range nums {
		text, err := disk.ReadFile(in, journalName(num), math.MaxInt64)
		if err != nil {
			return nil, err
		}
		first, _, _ := bytes.Cut(text, []byte("\n"))
		if prev, end, ok := header(first); ok {
			ends[prev] = end
		}
		texts[num] = text
	}
	found := make(map[string][]pending)
	for _, num := range nums {
		end, complete := ends[num]
		if complete && end < int64(len(texts[num])) {
			texts[num] = texts[num][:end]
		}
		if bad := readJournal(found, texts[num], complete); bad {
			log.Warn("history: a journal has a torn end or damaged lines", "journal", num)
		}
	}
	return found, nil
}

func journalName(num int) string { return fmt.Sprintf("%06d.log", num) }

// readJournal adds what text has. All of a journal that another one follows was
// acknowledged, so a damaged line there costs only itself. The last one may be torn: it
// counts up to its last whole unit.
func readJournal(found map[string][]pending, text []byte, complete bool) (bad bool) {
	type owned struct {
		owner string
		pending
	}
	var unit []owned
	if first, rest, _ := bytes.Cut(text, []byte("\n")); len(first) > 0 {
		if _, _, ok := header(first); ok {
			text = rest
		}
	}
	for len(text) > 0 {
		l, rest, whole := bytes.Cut(text, []byte("\n"))
		text = rest
		last, owner, p, ok := journalLine(l)
		if !ok || !whole {
			bad = true
			if !complete {
				break
			}
			continue
		}
		unit = append(unit, owned{owner, p})
		if last || complete {
			for _, o := range unit {
				found[o.owner] = add(found[o.owner], o.pending)
			}
			unit = unit[:0]
		}
	}
	return bad || len(unit) > 0
}

// add adds one line to those of an owner. Those before it are void when it belongs
// before their end, since the file was replaced by a shorter one then, and when it is
// a state line at the very beginning: the history was set aside.
func add(list []pending, p pending) []pending {
	if p.off == 0 {
		if l, ok := decode(p.data); ok && l.Kind == kindState {
			return nil
		}
	}
	if n := len(list); n > 0 && p.off < list[n-1].off+int64(len(list[n-1].data))+1 {
		list = nil
	}
	return append(list, p)
}

func journalLine(l []byte) (last bool, owner string, p pending, ok bool) {
	rest, ok := unsealed(l)
	f := bytes.SplitN(rest, []byte(" "), 4)
	if !ok || len(f) < 4 || string(f[0]) != "+" && string(f[0]) != "." {
		return false, "", p, false
	}
	off, err := strconv.ParseInt(string(f[1]), 10, 64)
	ok = err == nil && off >= 0 && jsonl.Sealed(f[3])
	return f[0][0] == '.', string(f[2]), pending{off, f[3]}, ok
}

func header(l []byte) (prev int, end int64, ok bool) {
	rest, ok := unsealed(l)
	if !ok {
		return 0, 0, false
	}
	n, err := fmt.Sscanf(string(rest), "journal 1 after %d %d", &prev, &end)
	return prev, end, n == 2 && err == nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// unsealed returns what follows the checksum that a line of a journal begins with.
func unsealed(l []byte) ([]byte, bool) {
	if len(l) < 9 || l[8] != ' ' || bytes.ContainsAny(l[:8], "ABCDEF+-_") {
		return nil, false
	}
	sum, err := strconv.ParseUint(string(l[:8]), 16, 32)
	return l[9:], err == nil && uint32(sum) == crc32.Checksum(l[9:], castagnoli)
}

// Kinds of lines in a history that are no messages.
const (
	kindRead  = "read"  // messages with these ids are read
	kindState = "state" // what is unread, by offsets
	kindTrim  = "trim"  // lines were removed: what is at the offset At was at Was before
)

// line is what has to be known of one.
type line struct {
	ID   string    `json:"id"`
	Time time.Time `json:"time"`
	Kind string    `json:"kind"`
	From string    `json:"from"`
	To   []string  `json:"to"`
	IDs  []string  `json:"ids"`
	At   int64     `json:"at"`
	Was  int64     `json:"was"`
}

// decode decodes a line that is sealed.
func decode(data []byte) (line, bool) {
	var l line
	err := json.Unmarshal(data, &l)
	return l, err == nil && l.Kind != "" && (l.Kind != kindRead || len(l.IDs) > 0)
}
