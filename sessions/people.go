package sessions

import (
	"strings"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys/nick"
	"whoelse/sessions/parse"
	"whoelse/sessions/result"
)

func (c *commandContext) whoelse(parse.Call) result.Result {
	silent := c.manager.silent()
	var online result.Online
	for _, p := range c.seat.Others() {
		online.People = append(online.People, result.Person{Presence: p, Silent: silent[p.Nick]})
	}
	return online
}

// lately is how many minutes wholast looks back when not asked for a number.
const lately = 60

func (c *commandContext) wholast(call parse.Call) result.Result {
	minutes := call.N
	if minutes == 0 {
		minutes = lately
	}
	return result.Lately{Minutes: minutes, People: c.seat.OnlineSince(time.Now().Add(-time.Duration(minutes) * time.Minute))}
}

// whoami is /nick: it tells, and changes nothing.
func (c *commandContext) whoami(call parse.Call) result.Result {
	own, guest := c.seat.Nick(), c.login.Key == nil
	if call.Nick != "" && call.Nick != own {
		return result.Failure{
			Code: result.Refused, Reason: result.NickKept, Nick: call.Nick, Own: own, Guest: guest,
			About: c.joinLine(strings.TrimPrefix(call.Nick, nick.GuestMark)),
		}
	}
	if guest {
		return result.Identity{Nick: own}
	}
	return result.Identity{Nick: own, Fingerprint: gossh.FingerprintSHA256(c.login.Key)}
}

// joinLine is the command with which somebody connects as user.
func (c *commandContext) joinLine(user string) string {
	if c.manager.cfg.JoinLine == nil {
		return "ssh " + user + "@HOST"
	}
	return c.manager.cfg.JoinLine(user, c.ch.At())
}

func (c *commandContext) motd(parse.Call) result.Result {
	return result.MOTD{Text: c.manager.cfg.MOTD()}
}

// Being left alone.

func (c *commandContext) away(call parse.Call) result.Result {
	err := c.seat.Away(call.Text)
	switch {
	case err != nil:
		return c.failed(result.Failure{Reason: result.MarkingAway, Err: err})
	case c.seat.Guest():
		return result.Done{What: result.MarkedAwayGuest}
	}
	return result.Done{What: result.MarkedAway}
}

func (c *commandContext) back(parse.Call) result.Result {
	was, err := c.seat.Back()
	switch {
	case err != nil:
		return c.failed(result.Failure{Reason: result.MarkingBack, Err: err})
	case !was:
		return result.Done{What: result.WasNotAway}
	}
	unread, err := c.seat.Waiting()
	if err != nil {
		return result.Back{}
	}
	return result.Back{Unread: result.Unread{Waiting: unread, Full: c.manager.cfg.Room.InboxFull(unread.Messages)}}
}

func (c *commandContext) block(call parse.Call) result.Result {
	if call.Nick == c.seat.Nick() {
		return result.Failure{Code: result.Refused, Reason: result.Self, About: call.Name}
	}
	if !c.known(call.Nick) {
		return c.nobody(call.Nick)
	}
	changed, err := c.seat.Block(call.Nick)
	switch {
	case err != nil:
		return c.failed(result.Failure{Reason: result.Blocking, Nick: call.Nick, Err: err})
	case changed:
		return result.Done{What: result.Blocked, Nick: call.Nick}
	}
	return result.Done{What: result.AlreadyBlocked, Nick: call.Nick}
}

func (c *commandContext) unblock(call parse.Call) result.Result {
	changed, err := c.seat.Unblock(call.Nick)
	switch {
	case err != nil:
		return c.failed(result.Failure{Reason: result.Unblocking, Nick: call.Nick, Err: err})
	case changed:
		return result.Done{What: result.Unblocked, Nick: call.Nick}
	}
	return result.Failure{Code: result.Refused, Reason: result.NotBlocked, Nick: call.Nick}
}

func (c *commandContext) blocked(parse.Call) result.Result {
	list, err := c.seat.Blocked()
	if err != nil {
		return c.failed(result.Failure{Reason: result.ReadingBlocked, Err: err})
	}
	return result.BlockList{Nicks: list}
}
