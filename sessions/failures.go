package sessions

import (
	"errors"
	"fmt"
	"slices"

	"whoelse/keys"
	"whoelse/keys/bans"
	"whoelse/keys/invites"
	"whoelse/keys/nick"
	"whoelse/room"
	"whoelse/room/attachments"
	"whoelse/sessions/result"
)

// failures has the errors that are no trouble with the storage.
var failures = []struct {
	err    error
	code   result.Code
	reason result.Reason
	most   int
}{
	{room.ErrNoRoom, result.Refused, result.NoSuchRoom, 0},
	{room.ErrRemoved, result.NotAllowed, result.RemovedFromRoom, 0},
	{room.ErrNoGuests, result.NotAllowed, result.NoGuestsInRoom, 0},
	{room.ErrMutedInRoom, result.NotAllowed, result.MutedInRoom, 0},
	{room.ErrNotJoined, result.Refused, result.NotInRoom, 0},
	{room.ErrNotOwner, result.NotAllowed, result.NotRoomOwner, 0},
	{room.ErrLobby, result.Refused, result.NotForLobby, 0},
	{room.ErrJoinedMost, result.Refused, result.TooManyJoined, 0},
	{room.ErrMadeMost, result.Refused, result.TooManyMade, 0},
	{room.ErrRoomsMost, result.Refused, result.TooManyRooms, 0},
	{room.ErrListFull, result.Refused, result.RoomListFull, 0},
	{room.ErrNotAllowed, result.Refused, result.NotInThisRoom, 0},
	{room.ErrMayNotOwn, result.Refused, result.MayNotOwn, 0},
	{room.ErrBackup, result.Refused, result.BackupRuns, 0},
	{room.ErrSearchLimit, result.Refused, result.TooLongAgo, 0},
	{room.ErrKeyUsed, result.Refused, result.KeyUsed, 0},
	{room.ErrKeys, result.Limit, result.TooManyTries, room.MaxKeys},
	{room.ErrObservers, result.Limit, result.TooManyTails, room.MaxObservers},
	{attachments.ErrTooLarge, result.Refused, result.FileTooLarge, 0},
	{attachments.ErrBusy, result.Limit, result.NotAffordable, 0},
	{attachments.ErrBusyNick, result.Limit, result.NotAffordable, 0},
}

// publicErrors are the errors of keys and room that are in words for people.
var publicErrors = []error{
	keys.ErrKeyKnown, keys.ErrConfusable, keys.ErrHeld, keys.ErrReserved, keys.ErrKeyRefused, keys.ErrFull, keys.ErrLastKey,
	bans.ErrTooMany, bans.ErrTooManyMutes, invites.ErrTooMany, nick.ErrBad, room.ErrBlocked,
}

// failed completes a failure whose Err has the cause: a Failure of its own, one of failures, an error in words for
// people, or else trouble with the storage, which is logged; Reason is what failed then.
func (s *session) failed(f result.Failure) result.Failure {
	if known, ok := errors.AsType[result.Failure](f.Err); ok {
		return known
	}
	if alike, ok := errors.AsType[*room.AlikeError](f.Err); ok {
		return result.Failure{Code: result.Refused, Reason: result.RoomAlike, Room: f.Room, Near: alike.Name}
	}
	for _, known := range failures {
		if errors.Is(f.Err, known.err) {
			f.Code, f.Reason, f.Most = known.code, known.reason, known.most
			return f
		}
	}
	if slices.ContainsFunc(publicErrors, func(known error) bool { return errors.Is(f.Err, known) }) {
		return refused(f.Err)
	}
	s.manager.complain(string(f.Reason)+" failed", s.member.Nick(), f.Err)
	f.Code = result.Storage
	if errors.Is(f.Err, room.ErrUncertain) {
		f.Code = result.Unconfirmed
	}
	f.Err = fmt.Errorf("%w: %w", room.ErrStorage, f.Err)
	return f
}

// refused is the failure of what can't be done, in words for the person.
func refused(why error) result.Failure { return result.Failure{Code: result.Refused, Err: why} }

// roomFailed is why something was not done in a room.
func (s *session) roomFailed(name string, err error) result.Failure {
	return s.failed(result.Failure{Reason: result.ChangingRoom, Room: name, Err: err})
}
