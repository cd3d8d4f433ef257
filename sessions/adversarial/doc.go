// Package adversarial holds tests alone: a whole server, somebody who chats, and
// somebody else who does their worst to it.
//
// While each case runs, an ordinary person at a terminal (the canary) says
// something every 20 ms. Each of these lines has to arrive, once and in order; how
// long they take is logged. After each case, goroutines, file descriptors and the
// heap have to be back where they were: see while. Cases that measure none of these
// and mostly wait run side by side, and then all of them together have to: see along.
// What is tested is listed in [docs/threat-model.md].
//
// What needs no room and nobody chatting is tested where it belongs:
//
//   - who a connection is, in every order of offers, signatures and names: sshd,
//     TestUsernameSwitched, TestOfferedIsNotProven, TestNoneGetsNothing
//   - what else a channel may carry, and how much: sshd, TestSessionRequests,
//     TestEnvironmentIsBounded, TestCommandIsBounded, TestWindowChangesDoNotStall
//   - odd lines, sizes, owners, links and half-written versions of
//     authorized_keys: keys, in edit_test.go, reload_test.go, registry_test.go and from_test.go
//   - certificates, one rule at a time, and lists of revoked ones: keys/certs
//   - limits by address, penalties and bans: sessions/admission, keys/bans
//   - codes: keys/invites
//   - what a nick is, and what reads alike: keys/nick
//   - cleaning of text, rune by rune and with the Big List of Naughty Strings:
//     sessions/text
//   - keys, pastes and escape sequences, cut anywhere: sessions/terminal
//   - the disk: room/history
//   - real clients, signals and kill -9: the tests of the command
//
// [docs/threat-model.md]: ../../docs/threat-model.md
package adversarial
