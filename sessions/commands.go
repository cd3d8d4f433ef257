package sessions

import (
	"strings"

	"whoelse/sessions/parse"
	"whoelse/sessions/result"
)

// command is a command that people type: who may, where, and what runs it.
type command struct {
	parse.Syntax
	may       permission
	roomOnly  bool // not from a shell (ssh host COMMAND)
	shellOnly bool // only from there
	speaks    bool // puts a text before others: counts by its size, and is refused to the muted
	silent    bool // though it speaks, it puts nothing before others when no text was given
	echoes    bool // the typed row is erased, because the room's line replaces it

	// run carries the command out, on the reading goroutine. What is known only later it
	// reports later; pending counts what that is waited for.
	run func(*session, parse.Call) result.Result
}

// permission is who may give a command.
type permission int

const (
	everyone     permission = iota
	keyed                   // no guests
	keyedInShell            // from a shell no guests: in the room it changes what lasts until they leave
	operators
)

// commands is every command, in the order in which help lists them, and Grammar their
// syntax. They never change; help needs them, so that they can't be initialised in place.
var (
	commands []*command
	Grammar  parse.Table
)

// optionsHelp explains --id and --wait, for commands with [parse.Syntax.Options] that can have recipients.
const optionsHelp = "From a shell, --id KEY directly after the command makes it safe to run again (KEY is any word, not an ssh key), " +
	"and --wait 10m waits up to 10 minutes until all recipients have the message."

func init() {
	commands = []*command{
		{run: (*session).whoelse, Syntax: parse.Syntax{
			Name: "whoelse", Aliases: []string{"who", "names", "list"}, BareWords: []string{"whoelse"}, Args: parse.OptionalRoom,
			Usage: "whoelse [#ROOM]", Help: "list everyone else here, or in a room"}},
		{run: (*session).wholast, Syntax: parse.Syntax{
			Name: "wholast", BareWords: []string{"wholast"}, Args: parse.WholastArgs,
			Usage: "wholast [#ROOM] [MINUTES]", Help: "list who was here in the last MINUTES (60)",
			More: "MINUTES is at most 10080, a week. For a room, the list does not go back beyond the last start of the server."}},
		{run: (*session).bots, Syntax: parse.Syntax{
			Name: "bots", Args: parse.NoArgs,
			Usage: "/bots", Help: "list the bots (programs) that are here"}},
		{speaks: true, echoes: true, run: (*session).send, Syntax: parse.Syntax{
			Name: "send", Aliases: []string{"msg", "tell", "dm"}, BareWords: []string{"send"}, ToNick: true, Text: true, Options: true, Args: parse.SendArgs,
			Usage: "send NICK[,NICK...] TEXT", Example: "send bob see you at 8", Help: "write to one or more people; also @NICK TEXT",
			More: "For each recipient you see whether the message was delivered or is kept until they return. @bob, hi and @bob: hi write to bob alone, and @bob,carol hi to both. " + optionsHelp}},
		{speaks: true, echoes: true, run: (*session).reply, Syntax: parse.Syntax{
			Name: "reply", Aliases: []string{"r"}, Text: true, Args: parse.NeedText,
			Usage: "/reply TEXT", Help: "reply to the last person who wrote to you"}},
		{speaks: true, echoes: true, run: (*session).broadcast, Syntax: parse.Syntax{
			Name: "broadcast", Options: true, BareWords: []string{"broadcast"}, Text: true, Args: parse.BroadcastArgs,
			Usage: "broadcast TEXT, broadcast #ROOM TEXT, or broadcast user NICK[,NICK...] TEXT", Example: "broadcast user bob,carol lunch?", Help: "say to everyone, a room, or a list of people",
			More: "#ROOM is part of the text as long as you have never joined a room, it is not open to you, and you have typed no command with a room in this session. " + optionsHelp}},
		{may: keyed, run: (*session).inbox, Syntax: parse.Syntax{
			Name: "inbox", BareWords: []string{"inbox"}, ToNick: true, Args: parse.InboxArgs,
			Usage: "inbox, inbox all [N], or inbox NICK [N]", Example: "inbox bob 20", Help: "unread messages; inbox all [N] shows past ones",
			More: "inbox shows unread messages and marks them read. inbox all shows your newest N (50) messages, sent and received; inbox NICK shows only those with NICK."}},
		{run: (*session).history, Syntax: parse.Syntax{
			Name: "history", Args: parse.HistoryArgs,
			Usage: "/history [#ROOM] [N]", Help: "the last N (50) lines of a room"}},
		{run: (*session).search, Syntax: parse.Syntax{
			Name: "search", Aliases: []string{"find"}, Text: true, Args: parse.SearchArgs,
			Usage: "/search [#ROOM] WORDS", Example: "/search alice deploy", Help: "the last 50 messages with all WORDS",
			More: "It searches the lobby, your rooms and your direct messages, or #ROOM alone. A word may be part of a longer one, or the nick of the sender or a recipient; capitals make no difference."}},
		{run: (*session).showMessage, Syntax: parse.Syntax{
			Name: "show", Args: parse.ShowArgs,
			Usage: "/show ID", Help: "all of a long message",
			More: "The last line of a message that was cut shows its ID."}},
		{speaks: true, echoes: true, run: (*session).say, Syntax: parse.Syntax{
			Name: "say", Text: true, Options: true, Args: parse.NeedText,
			Usage: "/say TEXT", Help: "say TEXT as it is; so does a leading space"}},
		{speaks: true, echoes: true, run: (*session).say, Syntax: parse.Syntax{
			Name: "me", Text: true, Options: true, Args: parse.NeedText,
			Usage: "/me TEXT", Help: "describe an action: * you TEXT"}},
		{run: (*session).join, Syntax: parse.Syntax{
			Name: "join", Args: parse.NeedRoom,
			Usage: "/join #ROOM", Help: "join a room and write there; a new name makes one",
			More: "You can be in many rooms, and stay in them until /leave. /join #lobby takes you back to the lobby and leaves no room."}},
		{run: (*session).leave, Syntax: parse.Syntax{
			Name: "leave", Aliases: []string{"part"}, Args: parse.OptionalRoom,
			Usage: "/leave [#ROOM]", Help: "leave a room; in the lobby, quit"}},
		{run: (*session).rooms, Syntax: parse.Syntax{
			Name: "rooms", Args: parse.NoArgs,
			Usage: "/rooms", Help: "list the rooms open to you, and what is unread"}},
		{speaks: true, echoes: true, run: (*session).say, Syntax: parse.Syntax{
			Name: "in", Text: true, Options: true, Args: parse.InArgs,
			Usage: "/in #ROOM TEXT", Example: "/in #ops back in 5 minutes", Help: "say TEXT in another room; also #ROOM TEXT",
			More: "From a shell, put the room in quotes: ssh HOST in '#ops' TEXT, or ssh HOST say '#ops' - for a text from standard input. --id KEY directly after in makes it safe to run again."}},
		{speaks: true, silent: true, run: (*session).topic, Syntax: parse.Syntax{
			Name: "topic", Text: true, Args: parse.TopicArgs,
			Usage: "/topic [#ROOM] [TEXT]", Help: "show what a room is about; owners can set it",
			More: "/topic - clears the topic."}},
		{run: (*session).mute, Syntax: parse.Syntax{
			Name: "mute", Args: parse.MuteArgs,
			Usage: "/mute #ROOM, or /mute NICK [DURATION]", Help: "count a room's lines instead of showing them",
			More: "For operators, with a nick: let NICK read but not write."}},
		{run: (*session).unmute, Syntax: parse.Syntax{
			Name: "unmute", Args: parse.UnmuteArgs,
			Usage: "/unmute #ROOM, or /unmute NICK", Help: "show a room's lines again",
			More: "For operators, with a nick: let NICK write again."}},
		{run: (*session).roomCommand, Syntax: parse.Syntax{
			Name: "room", Args: parse.RoomArgs,
			Usage: "/room [#ROOM] [VERB]", Example: "/room invite bob", Help: "show a room; owners: private, invite and more",
			More: "Owners: /room private or public; /room invite, remove, mute, unmute or owner NICK; /room guests on or off. Operators: /room #ROOM close. " +
				"Only owners, people they invite and operators see that a private room exists; operators can't read it. When it is public again, what was said in it is set aside, and its topic is cleared."}},
		{may: keyedInShell, speaks: true, silent: true, run: (*session).away, Syntax: parse.Syntax{
			Name: "away", Text: true, Args: parse.OptionalText,
			Usage: "/away [REASON]", Help: "hold direct messages in your inbox",
			More: "You stay away until /back, even if you leave and return."}},
		{may: keyedInShell, run: (*session).back, Syntax: parse.Syntax{
			Name: "back", Args: parse.NoArgs,
			Usage: "/back", Help: "stop being away"}},
		{may: keyedInShell, run: (*session).block, Syntax: parse.Syntax{
			Name: "block", Aliases: []string{"ignore"}, Args: parse.NeedNick,
			Usage: "/block NICK", Help: "hide NICK's messages",
			More: "NICK's direct messages are refused, and NICK sees that."}},
		{may: keyedInShell, run: (*session).unblock, Syntax: parse.Syntax{
			Name: "unblock", Aliases: []string{"unignore"}, Args: parse.NeedNick,
			Usage: "/unblock NICK", Help: "show NICK's messages again"}},
		{run: (*session).blocked, Syntax: parse.Syntax{
			Name: "blocked", Args: parse.NoArgs,
			Usage: "/blocked", Help: "list whom you block"}},
		{run: (*session).whoami, Syntax: parse.Syntax{
			Name: "nick", Aliases: []string{"whoami"}, Args: parse.OptionalNick,
			Usage: "/nick", Help: "show your nick and your key",
			More: "A key keeps its nick. For another nick, connect with another key: ssh -i FILE NICK@HOST."}},
		{may: keyed, run: (*session).key, Syntax: parse.Syntax{
			Name: "key", Aliases: []string{"keys"}, Text: true, Args: parse.KeyArgs,
			Usage: "/key, /key add KEY, /key remove FINGERPRINT, or /key leave NICK", Help: "your keys; also /key add, remove, leave",
			More: "/key add takes the pasted contents of a .pub file; to confirm the key, connect with it under your nick. /key remove takes a fingerprint as shown by /key; you can't remove your last key. /key leave gives up your nick and all its keys; type the nick to confirm."}},
		{may: keyedInShell, run: (*session).settings, Syntax: parse.Syntax{
			Name: "settings", Args: parse.SettingsArgs,
			Usage: "/settings, /settings bell mentions|all|off, /settings joins on|off, or /settings zone ZONE", Example: "/settings zone Europe/Berlin",
			Help: "your settings; also bell, joins and time zone",
			More: "The bell rings for direct messages and mentions, for every message, or never. /settings joins off hides joins and leaves. Times are shown in the time zone ZONE, unless your client sends one (TZ). Settings apply to all your sessions and are kept; a guest's last until the guest leaves."}},
		{run: (*session).motd, Syntax: parse.Syntax{
			Name: "motd", Args: parse.NoArgs,
			Usage: "/motd", Help: "the message of the day"}},
		{run: (*session).version, Syntax: parse.Syntax{
			Name: "version", Args: parse.NoArgs,
			Usage: "/version", Help: "the version of the server"}},
		{echoes: true, roomOnly: true, run: (*session).clear, Syntax: parse.Syntax{
			Name: "clear", Args: parse.NoArgs,
			Usage: "/clear", Help: "clear the screen"}},
		{shellOnly: true, run: (*session).tail, Syntax: parse.Syntax{
			Name: "tail", Args: parse.TailArgs,
			Usage: "ssh HOST tail [-n N], ssh HOST tail --since ID|DURATION, ssh HOST tail --room '#ROOM', or ssh HOST tail --direct|--mentions", Help: "for scripts: print messages as they come",
			More: "It prints the last N (10) messages, all after the message ID, or those of the last DURATION (10m), and then new ones until you end it. Nobody sees you. --direct prints only your direct messages, --mentions only messages to you and lines that mention you. --room prints another room that you are in. Nothing is marked as read."}},
		{shellOnly: true, run: (*session).watch, Syntax: parse.Syntax{
			Name: "watch", Args: parse.NeedNick,
			Usage: "ssh HOST watch NICK", Help: "for scripts: wait until NICK is online"}},
		{may: keyed, shellOnly: true, speaks: true, run: (*session).paste, Syntax: parse.Syntax{
			Name: "paste", Args: parse.PasteArgs,
			Usage: "ssh HOST paste NICK", Help: "for scripts: send standard input as a file",
			More: "NICK can be several nicks, with commas between them. They see the file's name and size, and a command to fetch it. The name is paste.txt unless you add --name NAME. scp FILE HOST:NICK/ sends files, too."}},
		{may: keyed, shellOnly: true, run: (*session).fetch, Syntax: parse.Syntax{
			Name: "fetch", Args: parse.FetchArgs,
			Usage: "ssh HOST fetch ID > FILE", Help: "for scripts: print a file sent to you",
			More: "ID is the end of the message's ID, as the line that announced the file shows it. You can also fetch what you have sent yourself."}},
		{shellOnly: true, run: (*session).json, Syntax: parse.Syntax{
			Name: "json", Args: parse.NoArgs,
			Usage: "ssh HOST json", Help: "for programs: JSON, one object per line each way",
			More: "docs/protocol.md describes it."}},
		{run: (*session).help, Syntax: parse.Syntax{
			Name: "help", Aliases: []string{"h", "?", "commands"}, BareWords: []string{"help", "?"}, Alone: true, Args: parse.OptionalText,
			Usage: "/help [COMMAND]", Help: "this list, or more about one command",
			More: "Commands also work from a shell: ssh HOST COMMAND, or ssh HOST COMMAND --json for JSON. Exit codes: 0 done, 1 not done, 2 usage, 3 done for some of several recipients, 4 not allowed, 67 nobody has that nick, 75 unknown: perhaps done (safe to try again with --id), 124 --wait timed out."}},
		{roomOnly: true, run: (*session).quit, Syntax: parse.Syntax{
			Name: "quit", Aliases: []string{"exit", "q"}, BareWords: []string{"quit", "exit", `\q`, ":q", ":q!"}, Alone: true, Args: parse.OptionalText,
			Usage: "quit", Help: `leave; also exit, \q, :q and ^D`}},
		{may: operators, run: (*session).invite, Syntax: parse.Syntax{
			Name: "invite", Args: parse.NickAndDuration,
			Usage: "/invite NICK [DURATION]", Help: "a one-time code for someone new",
			More: "The first new key to connect with the code gets the nick. The code works once, within DURATION (24h)."}},
		{may: operators, run: (*session).kick, Syntax: parse.Syntax{
			Name: "kick", Text: true, Args: parse.KickArgs,
			Usage: "/kick NICK [REASON]", Help: "end all sessions of NICK"}},
		{may: operators, run: (*session).ban, Syntax: parse.Syntax{
			Name: "ban", Text: true, Args: parse.BanArgs,
			Usage: "/ban NICK|FINGERPRINT|ADDRESS|CIDR [DURATION] [REASON]", Example: "/ban bob 1d spam", Help: "ban someone and end their sessions",
			More: "DURATION looks like 30m, 24h or 90d; without one, or with forever, the ban is permanent. A ban that covers another operator is refused unless the word anyway comes before the reason."}},
		{may: operators, run: (*session).unban, Syntax: parse.Syntax{
			Name: "unban", Args: parse.NeedTarget,
			Usage: "/unban NICK|FINGERPRINT|ADDRESS|CIDR", Help: "end a ban"}},
		{may: operators, run: (*session).bans, Syntax: parse.Syntax{
			Name: "bans", Args: parse.NoArgs,
			Usage: "/bans", Help: "list all bans, by whom and why"}},
		{may: operators, speaks: true, run: (*session).announce, Syntax: parse.Syntax{
			Name: "announce", Text: true, Args: parse.NeedText,
			Usage: "/announce TEXT", Help: "show TEXT to everyone as an announcement"}},
	}
	for _, c := range commands {
		Grammar = append(Grammar, &c.Syntax)
	}
}

// commandNamed returns the command with this canonical name, nil if there is none.
func commandNamed(name string) *command {
	for _, c := range commands {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// commandsFor lists what one may ask for.
func commandsFor(operator bool) (all parse.Table) {
	for _, c := range commands {
		if c.may != operators || operator {
			all = append(all, &c.Syntax)
		}
	}
	return all
}

func (s *session) help(call parse.Call) result.Result {
	if call.Text == "" {
		return result.Help{Commands: commandsFor(s.operator())}
	}
	about := Grammar.Find(strings.ToLower(call.Text))
	switch {
	case about == nil && s.member.Visiting():
		return result.Failure{Code: result.Usage, Reason: result.NoSuchCommand, About: "shell"}
	case about == nil:
		return result.Failure{Code: result.Usage, Reason: result.NoSuchCommand}
	case commandNamed(about.Name).may == operators && !s.operator():
		return result.Failure{Code: result.NotAllowed, Reason: result.OperatorsOnly}
	}
	return result.HelpOn{Syntax: about}
}

func (s *session) quit(parse.Call) result.Result {
	s.quits = true
	return nil
}

func (s *session) clear(parse.Call) result.Result {
	if s.term != nil {
		s.term.Clear()
	}
	return nil
}
