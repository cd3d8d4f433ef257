package parse

import "slices"

// Limits of what one can ask for at once.
const (
	maxMinutes = 7 * 24 * 60
	maxLines   = 10_000
)

// Syntax is one command as people type and read it.
type Syntax struct {
	Name      string
	Aliases   []string
	BareWords []string // which of its names also work without '/'
	Alone     bool     // the bare words only count when nothing follows
	Operators bool     // only operators may
	ToNick    bool     // what follows begins with a nick: see Misspelt
	Usage     string
	Example   string // a line of it, where mistakes are likely; may be empty
	Help      string // what it does, one line
	More      string // what help COMMAND adds; may be empty

	args func(rest string, call *Call) string
}

// Commands is every command, in the order in which help lists them. It is never changed.
var Commands = []*Syntax{
	{Name: "whoelse", Aliases: []string{"who", "names", "list"}, BareWords: []string{"whoelse"}, args: noArgs,
		Usage: "whoelse", Help: "everyone else who is here"},
	{Name: "wholast", BareWords: []string{"wholast"}, args: number(maxMinutes),
		Usage: "wholast [MINUTES]", Help: "who was here in the last MINUTES (60)",
		More: "MINUTES goes up to 10080, which is a week."},
	{Name: "send", Aliases: []string{"msg", "tell", "dm"}, BareWords: []string{"send"}, ToNick: true, args: sendArgs,
		Usage: "send NICK[,NICK...] TEXT", Example: "send bob see you at 8", Help: "write to one or more people; also @NICK TEXT",
		More: "You are told for each of them whether it was delivered or is kept until they return."},
	{Name: "reply", Aliases: []string{"r"}, args: needText,
		Usage: "/reply TEXT", Help: "reply to the last person who wrote to you"},
	{Name: "broadcast", BareWords: []string{"broadcast"}, args: broadcastArgs,
		Usage: "broadcast TEXT, or broadcast user NICK[,NICK...] TEXT", Example: "broadcast user bob,carol lunch?", Help: "say to everyone, or to a list of people"},
	{Name: "inbox", BareWords: []string{"inbox"}, ToNick: true, args: inboxArgs,
		Usage: "inbox, inbox all [N], or inbox NICK [N]", Example: "inbox bob 20", Help: "unread messages; inbox all [N] shows past ones",
		More: "inbox shows unread messages and marks them read. inbox all shows your newest N (50) messages, sent and received; inbox NICK shows only those with NICK."},
	{Name: "history", args: number(maxLines),
		Usage: "/history [N]", Help: "the last N (50) lines of the room"},
	{Name: "show", args: showArgs,
		Usage: "/show ID", Help: "all of a long message",
		More: "A message that was cut has its ID in its last line."},
	{Name: "say", args: needText,
		Usage: "/say TEXT", Help: "say TEXT as it is; so does a leading space"},
	{Name: "me", args: needText,
		Usage: "/me TEXT", Help: "say what you do: * you TEXT"},
	{Name: "away", args: optionalText,
		Usage: "/away [REASON]", Help: "hold direct messages in your inbox",
		More: "You stay away until /back, even if you leave and return."},
	{Name: "back", args: noArgs,
		Usage: "/back", Help: "stop being away"},
	{Name: "block", Aliases: []string{"ignore"}, args: needNick,
		Usage: "/block NICK", Help: "hide NICK's messages"},
	{Name: "unblock", Aliases: []string{"unignore"}, args: needNick,
		Usage: "/unblock NICK", Help: "show NICK's messages again"},
	{Name: "blocked", args: noArgs,
		Usage: "/blocked", Help: "who you block"},
	{Name: "nick", Aliases: []string{"whoami"}, args: optionalNick,
		Usage: "/nick", Help: "who you are, and by which key",
		More: "A key keeps its nick. To have another nick, connect under it with another key: ssh -i FILE NICK@HOST."},
	{Name: "key", Aliases: []string{"keys"}, args: keyArgs,
		Usage: "/key, /key add KEY, /key remove FINGERPRINT, or /key leave NICK", Help: "your keys; also /key add, remove, leave",
		More: "/key add takes the pasted contents of a .pub file. /key remove takes a fingerprint as shown by /key; you can't remove your last key. /key leave gives up your nick and all its keys; type the nick to confirm."},
	{Name: "motd", args: noArgs,
		Usage: "/motd", Help: "the message of the day"},
	{Name: "clear", args: noArgs,
		Usage: "/clear", Help: "clear the screen"},
	{Name: "help", Aliases: []string{"h", "?", "commands"}, BareWords: []string{"help", "?"}, Alone: true, args: optionalText,
		Usage: "/help [COMMAND]", Help: "this list, or more about one command"},
	{Name: "quit", Aliases: []string{"exit", "q", "leave"}, BareWords: []string{"quit", "exit", `\q`, ":q", ":q!"}, Alone: true, args: optionalText,
		Usage: "quit", Help: `leave; also exit, \q, :q and ^D`},
	{Name: "invite", Operators: true, args: inviteArgs,
		Usage: "/invite NICK [DURATION]", Help: "a one-time code for someone new",
		More: "Whoever connects with the code and a new key gets the nick. It works once, within DURATION (24h)."},
	{Name: "kick", Operators: true, args: kickArgs,
		Usage: "/kick NICK [REASON]", Help: "end all sessions of NICK"},
	{Name: "ban", Operators: true, args: banArgs,
		Usage: "/ban NICK|FINGERPRINT|ADDRESS|CIDR [DURATION] [REASON]", Example: "/ban bob 1d spam", Help: "ban someone and end their sessions",
		More: "DURATION looks like 30m, 24h or 90d; without one, or with forever, the ban is permanent. A ban that covers another operator is refused unless the word anyway stands before the reason."},
	{Name: "unban", Operators: true, args: needTarget,
		Usage: "/unban NICK|FINGERPRINT|ADDRESS|CIDR", Help: "end a ban"},
	{Name: "bans", Operators: true, args: noArgs,
		Usage: "/bans", Help: "who is banned, by whom and why"},
	{Name: "mute", Operators: true, args: muteArgs,
		Usage: "/mute NICK [DURATION]", Help: "let NICK read but not write"},
	{Name: "unmute", Operators: true, args: needNick,
		Usage: "/unmute NICK", Help: "let NICK write again"},
	{Name: "announce", Operators: true, args: needText,
		Usage: "/announce TEXT", Help: "show TEXT to everyone as an announcement"},
}

// Find returns the command with this name or alias, with or without '/', or nil.
func Find(name string) *Syntax {
	if len(name) > 0 && name[0] == '/' {
		name = name[1:]
	}
	return find(name)
}

func find(name string) *Syntax {
	for _, c := range Commands {
		if c.Name == name || slices.Contains(c.Aliases, name) || slices.Contains(c.BareWords, name) {
			return c
		}
	}
	return nil
}

// names lists what an unknown word may have been meant as.
func names() []string {
	var all []string
	for _, c := range Commands {
		all = append(all, c.Name)
		all = append(all, c.Aliases...)
	}
	return all
}
