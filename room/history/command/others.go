package command

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"whoelse/internal/atomicfile"
	"whoelse/room/history"
)

// checkOthers sees that the other files in the data folder that are JSON can be
// understood, and returns how many can't.
func (k *commands) checkOthers(ctx context.Context, s *checking) int {
	broken := 0
	for _, pattern := range []string{"*.json", "settings/*.json", "*.jsonl"} {
		names, _ := filepath.Glob(filepath.Join(escapeGlob(k.data), pattern)) // the pattern is a good one
		for _, path := range names {
			if ctx.Err() != nil {
				return broken
			}
			err := checkJSON(path)
			s.step(0)
			if err == nil || errors.Is(err, fs.ErrNotExist) {
				continue
			}
			broken++
			s.bar.clear()
			rel, _ := filepath.Rel(k.data, path)
			s.say(fmt.Sprintf("%s: %v; mend it by hand, or move it away", history.Clean(rel), err))
		}
	}
	return broken
}

// escapeGlob has a path stand for itself.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func checkJSON(path string) error {
	f, err := atomicfile.OpenRegular(path)
	if errors.Is(err, atomicfile.ErrNotRegular) {
		return errors.New("is not a file")
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if strings.HasSuffix(path, ".jsonl") {
		return validLines(f)
	}
	return validJSON(f)
}

// validJSON sees that there is one JSON value in r.
func validJSON(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if len(text) == 0 {
		return errors.New("is empty")
	}
	var value json.RawMessage
	err = json.Unmarshal(text, &value)
	if at, ok := errors.AsType[*json.SyntaxError](err); ok {
		err = fmt.Errorf("byte %d: %w", at.Offset, err)
	}
	return err
}

// maxAudit bounds one line of the record of what operators did.
const maxAudit = 1 << 20

// validLines sees that each line is a JSON value. The last one may be half written.
func validLines(r io.Reader) error {
	lines := bufio.NewReaderSize(r, maxAudit)
	for at := int64(0); ; {
		l, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil || !json.Valid(l) {
			return fmt.Errorf("byte %d: not a line of it", at)
		}
		at += int64(len(l))
	}
}
