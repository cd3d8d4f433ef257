package storage

import (
	"errors"
	"fmt"
	"slices"
)

// needFiles is what has to be open at once: the store's own, a file of each
// nick for the bare writing, and what else a process has.
const needFiles = 4096

// What things take on disk, generously.
const (
	recordBytes = 256 // one record of a history
	fileBytes   = 5 << 10
	nameBytes   = 256             // a file without content: its inode and its name
	spareBytes  = 512 << 20       // journals, and what the senders write
	sentBytes   = recordBytes * 5 // for each message: journal and files, ours and bare
)

// ErrDisk is wrapped by what refuses sizes that would fill the disk.
var ErrDisk = errors.New("not enough room on the disk")

// need is what the chosen sizes take.
func (b *bench) need() (bytes, inodes uint64) {
	bytes, inodes = spareBytes, 10_000
	if slices.Contains(b.Parts, PartInbox) {
		bytes += uint64(b.Records) * recordBytes * 3 // its file, and journals on their way
	}
	if slices.Contains(b.Parts, PartNicks) {
		bytes += uint64(b.Nicks) * (fileBytes + sentBytes)
		inodes += uint64(b.Nicks)
	}
	if slices.Contains(b.Parts, PartFolder) {
		bytes += 2 * uint64(b.Files) * nameBytes
		inodes += 2 * uint64(b.Files)
	}
	return bytes, inodes
}

// checkDisk refuses sizes that would not fit, and says what the disk is.
func (b *bench) checkDisk() error {
	at, err := statDisk(b.dir)
	if err != nil {
		return fmt.Errorf("%s: %w", b.dir, err)
	}
	bytes, inodes := b.need()
	if at.freeBytes < bytes || at.inodes > 0 && at.freeInodes < inodes {
		return fmt.Errorf("%w: %s has %d MiB and %d files free, this takes up to %d MiB and %d files; "+
			"choose another one with --dir, or smaller --nicks, --records and --files",
			ErrDisk, b.dir, at.freeBytes>>20, at.freeInodes, bytes>>20, inodes)
	}
	if at.memory {
		b.note("the data lies in memory, where fsync does nothing: the figures say little; name a folder on a disk with --dir")
	}
	return nil
}
