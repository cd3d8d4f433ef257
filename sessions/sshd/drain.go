package sshd

import (
	"errors"
	"reflect"

	gossh "golang.org/x/crypto/ssh"
)

// maxBeforeAuth bounds what a client sends before it asks to log in: a banner and
// the key exchange, some 5 KiB with all algorithms there are.
const maxBeforeAuth = 32 << 10

var (
	errTooMuch = errors.New("too much was sent before the login")
	errFlood   = errors.New("too much was sent that nobody can read yet")
)

// Read counts what comes before the login, and what comes that is not taken.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	switch {
	case err != nil:
		c.Close()
	case c.early.Load() && c.received.Add(int64(n)) > maxBeforeAuth:
		err = errTooMuch
		c.Close()
	case !c.unread.add(n):
		err = errFlood
		c.server.flooded(c)
		c.abort()
	}
	if err != nil {
		c.accepted()
		return 0, err
	}
	return n, nil
}

// drain lets the library's goroutines of a connection end, after the library has
// done with it. When the library ends one for what the client sent, and sixteen
// more packets have come by then, its reader waits for ever for somebody to take
// the seventeenth, with up to 4 MiB in its hands, and whatever is closed does not
// free it. So they are taken here.
//
// The library does not export the queue. Should it look different in another
// version, nothing is drained, and TestDrained fails.
func (c *conn) drain() {
	c.Close()
	if queue := queueOf(c.login.pre); queue.IsValid() {
		for ok := true; ok; {
			_, ok = queue.Recv() // closed by the reader's end
		}
	}
}

// queueOf finds transport.incoming of the library's connection; the zero Value when
// it is not there.
func queueOf(pre gossh.ServerPreAuthConn) reflect.Value {
	v := pointedTo(reflect.ValueOf(pre))
	for _, field := range []string{"transport", "incoming"} {
		if v.Kind() != reflect.Struct {
			return reflect.Value{}
		}
		v = pointedTo(v.FieldByName(field))
	}
	if v.Kind() != reflect.Chan || v.Type() != reflect.TypeFor[chan []byte]() {
		return reflect.Value{}
	}
	return reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Elem()
}

func pointedTo(v reflect.Value) reflect.Value {
	for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return v
}
