package nick

import (
	"fmt"
	"strings"

	"whoelse/keys/internal/sanitize"
)

// RoomMark is the first character of a room's name as it is typed and shown. What follows it is as
// in a nick, and names of rooms that read alike have the same [Skeleton], too.
const RoomMark = "#"

// Room folds ASCII capitals and gives the name of a room, without its mark, from "#name".
func Room(s string) (string, error) {
	name, marked := strings.CutPrefix(s, RoomMark)
	if name = fold(name); !marked || !allowed.MatchString(name) {
		return "", fmt.Errorf("%s cannot be a room: a room is '#' and 1 to 32 characters as in a nick", sanitize.Quote(s))
	}
	return name, nil
}
