// Package scp speaks what scp speaks, as far as sending files needs it: the sftp protocol of current
// clients, and scp's own of older ones and of scp -O. A path is NICK/NAME; there is nothing to list,
// to read or to change.
//
// It knows nothing of ssh or of people: what comes goes to a [Drop].
package scp

import (
	"errors"
	"io"
	"path"
	"strings"
)

// Drop takes files. Its methods are called one at a time.
type Drop interface {
	// Create begins a file of that name to people, who are one or more nicks with commas between them. A size of -1 is
	// not known. It returns a file or an error.
	Create(people, name string, size int64) (File, error)
	// Refuse notes why something was refused that is no upload. It returns what the client is told, never nil.
	Refuse(why error) error
}

// File is a file that comes in. Its methods are called one at a time, beside none of the Drop's.
type File interface {
	io.WriterAt
	// Finish sends it. Without an error it is on record.
	Finish() error
	// Discard ends it otherwise. After Finish it does nothing.
	Discard()
}

// What a [Drop] is given to refuse.
var (
	ErrFolder   = errors.New("folders can't be sent; send the files one by one, or an archive of them")
	ErrNoPeople = errors.New("name a recipient: scp FILE HOST:NICK/")
	ErrOnlySend = errors.New("scp and sftp can only send files here, with scp FILE HOST:NICK/; to get one: ssh HOST fetch ID > FILE")
)

// split takes a path apart. Without a name it is a folder: one of somebody or, without people, the
// one of all of those.
func split(p string) (people, name string, err error) {
	p = strings.Trim(path.Clean("/"+p), "/")
	people, name, _ = strings.Cut(p, "/")
	if strings.Contains(name, "/") {
		return "", "", ErrFolder
	}
	return people, name, nil
}
