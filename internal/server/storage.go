package server

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"

	"whoelse/internal/config"
	"whoelse/room"
	"whoelse/room/history"
	"whoelse/room/settings"
)

// storage is what is kept of people: their histories and their settings. What the server
// wants of either that the room does not, it asks for here.
type storage struct {
	histories *history.Store
	settings  *settings.Store
}

// historyFolder is where the histories are.
func historyFolder(data string) string { return filepath.Join(data, "history") }

// openHistories opens them, for this server alone.
func openHistories(cfg *config.Config, log *slog.Logger) (*history.Store, error) {
	store, err := history.Open(historyFolder(cfg.Data), historyOptions(cfg, log))
	switch {
	case errors.Is(err, history.ErrInUse):
		return nil, fmt.Errorf("another whoelse is running on the data folder %s; stop it, or name another folder with --data", cfg.Data)
	case err != nil:
		return nil, fmt.Errorf("the data folder can't be used: %w", err)
	}
	return store, nil
}

func historyOptions(cfg *config.Config, log *slog.Logger) history.Options {
	return history.Options{Log: log, MaxBytes: cfg.HistoryMax, RoomMaxBytes: cfg.RoomMax, Retention: cfg.Retention}
}

// close closes what was opened.
func (st *storage) close() error {
	if st.histories != nil {
		return st.histories.Close()
	}
	return nil
}

// nicks are all who have a history or settings.
func (st *storage) nicks() (map[string]bool, error) {
	wrote, err := st.histories.Nicks()
	if err != nil {
		return nil, err
	}
	set, err := st.settings.Nicks()
	if err != nil {
		return nil, err
	}
	nicks := make(map[string]bool)
	for _, nick := range append(wrote, set...) {
		nicks[nick] = true
	}
	return nicks, nil
}

// speakers are all who said something in the room, as far back as its history goes.
func (st *storage) speakers() (map[string]bool, error) {
	spoke := make(map[string]bool)
	_, err := room.Collect(st.histories.Tail(room.RoomHistory, 1, func(m *room.Message) (bool, error) {
		spoke[m.From] = true
		return false, nil
	}))
	return spoke, err
}

// traces returns what tells whether a nick has left any: a history, settings, or something
// that was said in the room. Where that can't be found out, it has. Files are listed when
// the first nick is asked about; what each has written since is looked at every time.
func (st *storage) traces() func(nick string) bool {
	nicks, speakers := sync.OnceValues(st.nicks), sync.OnceValues(st.speakers)
	return func(nick string) bool {
		if listed, err := nicks(); err != nil || listed[nick] {
			return true
		}
		if last, err := room.Collect(st.histories.Tail(nick, 1, nil)); err != nil || len(last) > 0 {
			return true
		}
		if set, err := st.settings.Load(nick); err != nil || len(set.Blocked) > 0 || set.Absence.Away() {
			return true
		}
		spoke, err := speakers()
		return err != nil || spoke[nick]
	}
}
