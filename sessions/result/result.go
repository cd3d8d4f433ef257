// Package result has the results of commands: facts, and no words. Package render
// makes lines of them for people; a writer of JSON would use the same values.
package result

import (
	"time"

	"whoelse/keys"
	"whoelse/keys/bans"
	"whoelse/room"
	"whoelse/sessions/parse"
)

// Result is one of the types of this package. A nil Result is nothing to report, or
// nothing yet: what becomes of a message is reported later.
type Result interface{ isResult() }

type value struct{}

func (value) isResult() {}

// Done is a result with only a name, and perhaps a nick or a room. Without a name nothing is shown.
type Done struct {
	value
	What What
	Nick string
	Room string // without '#'

	// About is, of RoomChanged and RoomUnchanged, the verb of /room, with its argument unless that is a nick; of RoomLeft
	// the room where one writes.
	About string
}

// What names an action, or a state that was found. The strings are stable.
type What string

const (
	MarkedAway      What = "marked-away"
	MarkedAwayGuest What = "marked-away-guest" // nothing is kept for them
	WasNotAway      What = "was-not-away"
	Blocked         What = "blocked"
	AlreadyBlocked  What = "already-blocked"
	Unblocked       What = "unblocked"
	InboxEmpty      What = "inbox-empty"
	NoMessages      What = "no-messages"
	NoMessagesWith  What = "no-messages-with"
	NothingSaid     What = "nothing-said"
	NothingFound    What = "nothing-found"
	StillAway       What = "still-away"
	HasRead         What = "has-read"
	KeyAlreadyYours What = "key-already-yours"
	KeyRemoved      What = "key-removed" // Nick is the fingerprint
	GivingUp        What = "giving-up"
	GivingUpKeys    What = "giving-up-keys" // what belongs to the nick stays, for certificates
	NotSearched     What = "not-searched"   // older lines than those that were shown
	RoomMade        What = "room-made"
	RoomLeft        What = "room-left"
	RoomTopicSet    What = "room-topic-set"
	RoomTopicGone   What = "room-topic-cleared"
	RoomMuted       What = "room-muted"
	RoomUnmuted     What = "room-unmuted"
	RoomChanged     What = "room-changed"
	RoomUnchanged   What = "room-unchanged" // it is private, or public, already
	RoomClosed      What = "room-closed"
)

// RoomInfo describes a room, and has the reason for that.
type RoomInfo struct {
	value
	What RoomWhat
	room.RoomSummary
	Others []room.Presence // which other people are in it, if that is to be shown; else nil
}

// RoomWhat is the reason for describing a room. The strings are stable.
type RoomWhat string

const (
	RoomJoined RoomWhat = "room-joined"
	RoomIs     RoomWhat = "room"
	RoomTopic  RoomWhat = "room-topic"
)

// Rooms lists the rooms that one may know of, and for operators the others in Hidden.
type Rooms struct {
	value
	List, Hidden []room.RoomSummary
}

// Code is the kind of a failure, from which the exit status follows. The strings are
// stable.
type Code string

const (
	NotFound    Code = "not-found" // nobody has that nick
	Usage       Code = "usage"     // to be typed differently
	Refused     Code = "refused"   // not as things are now
	NotAllowed  Code = "not-allowed"
	Limit       Code = "limit" // too much is stored
	Storage     Code = "storage"
	TimedOut    Code = "timed-out"
	Unconfirmed Code = "unconfirmed" // nobody knows yet whether it is done
)

// Failure is why something was not done. Which fields are set depends on the reason.
type Failure struct {
	value
	Code    Code
	Reason  Reason // "" where Err, in words for the person, is all there is to say
	Nick    string // that it is about
	Room    string // that it is about, without '#'
	Near    string // a similar nick that may have been meant, or ""
	Own     string // one's own nick
	Guest   bool   // one is a guest
	About   string // a command, an ID, or how to join
	Nicks   []string
	Until   time.Time
	N, Most int
	Err     error
}

// Error makes a Failure an error, for functions that fail in several ways. Its words for
// people are made by render.
func (f Failure) Error() string { return string(f.Code) + ": " + string(f.Reason) }

// Reason is which failure it is. The strings are stable.
type Reason string

const (
	NoSuchNick      Reason = "no-such-nick"
	OperatorsOnly   Reason = "operators-only"
	KeysOnly        Reason = "keys-only"  // About is not for guests, or not for them from a shell
	RoomOnly        Reason = "room-only"  // About is not for a shell
	ShellOnly       Reason = "shell-only" // About is only for a shell
	Muted           Reason = "muted"      // by Nick
	TooLong         Reason = "too-long"   // N characters of Most
	NotAffordable   Reason = "not-affordable"
	NothingToReply  Reason = "nothing-to-reply"
	WroteMeanwhile  Reason = "wrote-meanwhile" // Nick, while a reply was typed; About wrote before
	Self            Reason = "self"
	WouldBanYou     Reason = "would-ban-you" // Nick is the target of the ban
	WouldBan        Reason = "would-ban"     // the operators Nicks, too
	NotMuted        Reason = "not-muted"
	GuestInvited    Reason = "guest-invited"
	CertificateOnly Reason = "certificate-only"
	NoSuchKey       Reason = "no-such-key"
	BadKey          Reason = "bad-key"
	TooManyKeys     Reason = "too-many-keys"        // more than Most
	LimitedKey      Reason = "limited-key"          // one's own, in a way that can't be passed on
	KeyChanges      Reason = "too-many-key-changes" // N from an address, Most of a nick
	KeyTaken        Reason = "key-taken"            // another nick has it
	KeyGone         Reason = "key-gone"             // one's own does not hold Own any more
	NickHeld        Reason = "nick-held"
	NotBanned       Reason = "not-banned"    // Nick; About is a ban that covers it, or ""
	NotConfirmed    Reason = "not-confirmed" // Nick was typed instead of Own
	NoKeyHere       Reason = "no-key-here"
	NotHere         Reason = "not-here"
	NotBlocked      Reason = "not-blocked"
	NickKept        Reason = "nick-kept" // Nick cannot be had with /nick; About joins as it
	NoSuchCommand   Reason = "no-such-command"
	NoSuchMessage   Reason = "no-such-message" // About is the ID
	NoInput         Reason = "no-input"
	TooManyTails    Reason = "too-many-tails"    // Most of them go on already
	TooLongAgo      Reason = "too-long-ago"      // more was said since than is printed
	KeyUsed         Reason = "key-used"          // the retry key About, for another message
	TooManyTries    Reason = "too-many-tries"    // with retry keys: Most recipients in a day
	NotRead         Reason = "not-read"          // by Nicks, in time
	NeverRead       Reason = "never-read"        // by Nick, which has no holder any more
	FilesOff        Reason = "files-off"         // Most characters can be sent as a message
	NoGuestFiles    Reason = "no-guest-files"    // Nick is a guest
	FileTooLarge    Reason = "file-too-large"    // larger than About
	FileGone        Reason = "file-gone"         // About was kept for N days
	NoSuchFile      Reason = "no-such-file"      // About is the ID
	FetchOnTerminal Reason = "fetch-on-terminal" // which the bytes are not for
	InputOnTerminal Reason = "input-on-terminal" // where standard input has no end
	Incomplete      Reason = "incomplete"        // the input ended before the file
	NoSuchRoom      Reason = "no-such-room"      // or not for this person to know of
	RoomAlike       Reason = "room-alike"        // Near has a name that reads the same
	RemovedFromRoom Reason = "removed-from-room"
	NoGuestsInRoom  Reason = "no-guests-in-room"
	MutedInRoom     Reason = "muted-in-room"
	NotInRoom       Reason = "not-in-room"
	NotRoomOwner    Reason = "not-room-owner"
	MayNotOwn       Reason = "may-not-own" // has not joined the room, or blocks the person
	NotForLobby     Reason = "not-for-lobby"
	NotInThisRoom   Reason = "not-in-this-room" // About is the verb
	TooManyJoined   Reason = "too-many-joined"
	TooManyMade     Reason = "too-many-made"
	TooManyRooms    Reason = "too-many-rooms"
	RoomListFull    Reason = "room-list-full"
	BackupRuns      Reason = "backup-runs"    // and copies the room's history
	TopicTooLong    Reason = "topic-too-long" // N characters of Most
	ReasonTooLong   Reason = "reason-too-long"
	NotJoined       Reason = "not-joined"     // a program has not sent JOIN
	JoinedAlready   Reason = "joined-already" // and here it has
	NotYou          Reason = "not-you"        // it is Own
	BadField        Reason = "bad-field"      // About
	NoSuchZone      Reason = "no-such-zone"
	NoText          Reason = "empty"
	AnswersMissing  Reason = "answers-missing"
	MarkingMissing  Reason = "marking-missing"

	// With [Storage] the reason names the action that failed. Where render has no words for
	// it, people read the code itself.
	Sending          Reason = "sending"
	Recording        Reason = "recording"
	RecordingFailed  Reason = "recording-failed"
	Acting           Reason = "acting" // About is the command
	FindingWriter    Reason = "finding-who-wrote-to-you"
	MarkingAway      Reason = "marking-you-away"
	MarkingBack      Reason = "marking-you-back"
	Blocking         Reason = "blocking"
	Unblocking       Reason = "unblocking"
	ReadingBlocked   Reason = "reading-your-block-list"
	ReadingSettings  Reason = "reading-your-settings"
	ChangingSettings Reason = "changing-your-settings"
	ReadingInbox     Reason = "reading-your-inbox"
	ReadingHistory   Reason = "reading-your-history"
	ReadingRoom      Reason = "reading-the-room-history"
	ChangingRoom     Reason = "changing-the-room"
	FindingMessage   Reason = "looking-for-that-message"
	Searching        Reason = "searching"
	MarkingMessages  Reason = "marking-your-messages-as-read"
	AddingKey        Reason = "adding-the-key"
	RemovingKey      Reason = "removing-the-key"
	StoringFile      Reason = "storing-the-file"
	ReadingFile      Reason = "reading-the-file"
	GivingNickUp     Reason = "giving-up-your-nick"
)

// Receipt is the outcome of a message for one recipient.
type Receipt struct {
	value
	room.Receipt
	Only bool   // there is no other recipient
	Near string // a nick similar to an unknown one, or ""
}

// Taken reports whether the recipient has the message, or will have it.
func (r Receipt) Taken() bool {
	return r.Outcome <= room.KeptSilent // the refusals follow
}

// Online lists the others who are here.
type Online struct {
	value
	Room   string // in which; "" for the whole server
	Bots   bool   // these are only the bots
	People []Person
}

// Person is one of them; Silent if their client does not answer.
type Person struct {
	room.Presence
	Silent bool
}

// Lately lists the others who were here in the last Minutes.
type Lately struct {
	value
	Room    string // in which; "" for the whole server
	Minutes int
	People  []room.Presence
	More    int // departures before these: at least as many as people
}

// Back is the end of being away.
type Back struct {
	value
	Unread Unread
}

// Unread counts the messages in the inbox; Full if nothing more fits.
type Unread struct {
	room.Waiting
	Full bool
}

// BlockList has the nicks that one blocks.
type BlockList struct {
	value
	Nicks []string
}

// Settings are the caller's settings, or the one that was just changed. Times are shown in Zone, which is
// what the client asks for, or else what was set; nil is UTC.
type Settings struct {
	value
	room.Preferences
	Changed  string // "bell", "joins", "zone" or ""
	Zone     *time.Location
	ByClient bool
}

// Version is the server's version.
type Version struct {
	value
	Version string
}

// Identity is one's nick, and the key that it is by, "" for a guest.
type Identity struct {
	value
	Nick, Fingerprint string
}

// Help is all commands that one may give.
type Help struct {
	value
	Commands parse.Table
}

// HelpOn is one command.
type HelpOn struct {
	value
	*parse.Syntax
}

// MOTD is the message of the day, "" for none.
type MOTD struct {
	value
	Text string
}

// Moderation is an operator's action against others. The operator, the other operators
// and the people concerned each read it in their own way.
type Moderation struct {
	value
	What     string // the command
	By, Whom string // Whom is a nick or the target of a ban
	ByKey    bool   // it is about a key
	ByBlock  bool   // it is about addresses
	For      time.Duration
	Why      string
	Hit      []string // nicks whose sessions it ended
	Sessions int      // the number of these
	From     []string // their addresses
	Others   bool     // other servers do it as well
	Reader   Reader
}

// Ends reports whether it ends sessions.
func (m Moderation) Ends() bool { return m.What == "kick" || m.What == "ban" }

// Reader is the reader of a Moderation.
type Reader int

const (
	Actor     Reader = iota // the operator who did it
	Operator                // another operator
	Concerned               // somebody it is done to
)

// Invitation is a one-time code for Nick, with the command to join.
type Invitation struct {
	value
	Nick, Code, Join string
	For              time.Duration
}

// Bans lists all bans.
type Bans struct {
	value
	List []bans.Ban
}

// Keys is one's own keys. In is the fingerprint of the one in use.
type Keys struct {
	value
	List []Key
	In   string
}

// KeysAdded is keys that become Nick's once somebody logs in with them. Operator is that Nick is one by the key
// in use.
type KeysAdded struct {
	value
	Nick     string
	List     []Key
	Operator bool
}

// Key is one of somebody's keys, and when it was last used, zero where not known.
type Key struct {
	keys.Entry
	Used time.Time
}

// Text is words from the server that are no command's.
type Text struct {
	value
	Words string
}

// Welcome greets a newcomer.
type Welcome struct {
	value
	*room.Welcome
	Nick    string
	Asked   string // the nick they asked for
	Guest   bool
	Claimed bool   // the nick was registered to their key just now
	Pending bool   // their key was added to the nick's before, and is confirmed now
	Unused  string // why their key was not accepted, in words; "" if none was refused
	Shown   int    // how many lines of Recent are shown
	Full    bool   // so many messages are unread that nothing more fits
	Writes  string // the room where they write, if they might not expect that; else ""
}
