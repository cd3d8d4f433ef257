package keys

import (
	"context"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"whoelse/internal/atomicfile"
)

// Watch reads the file anew whenever it changes, within a second and without being
// asked, until ctx ends. It watches the file's folder, since editors replace files,
// and looks by itself now and then, since some file systems tell nothing. It is
// called once, in a goroutine of its own, and returns when ctx is done.
func (r *Registry) Watch(ctx context.Context) {
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		defer watcher.Close()
		err = r.watchFolders(watcher)
	}
	if err != nil {
		r.log.Warn("the folder of authorized_keys cannot be watched; looking at it each second", "err", err)
		watcher = nil
	}
	r.watch(ctx, watcher)
}

// watchFolders adds the folder of the name and, where that is a link, of the file.
func (r *Registry) watchFolders(w *fsnotify.Watcher) error {
	if err := w.Add(filepath.Dir(r.path)); err != nil {
		return err
	}
	if real, err := filepath.EvalSymlinks(r.path); err == nil && filepath.Dir(real) != filepath.Dir(r.path) {
		return w.Add(filepath.Dir(real))
	}
	return nil
}

// watchedNames are those of the file and, where that is a link, of its target.
func (r *Registry) watchedNames() map[string]bool {
	names := map[string]bool{filepath.Base(r.path): true}
	if real, err := filepath.EvalSymlinks(r.path); err == nil {
		names[filepath.Base(real)] = true
	}
	return names
}

// lookEvery is how often Watch looks without having been told of anything. It is
// what finds a link that points elsewhere now, and all changes where nothing is told.
const lookEvery = 500 * time.Millisecond

func (r *Registry) watch(ctx context.Context, w *fsnotify.Watcher) {
	var events chan fsnotify.Event
	var errs chan error
	if w != nil {
		events, errs = w.Events, w.Errors
	}
	names := r.watchedNames()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var settle <-chan time.Time // running since the last event of a burst
	var began time.Time         // the first of it
	event := func() {
		if settle == nil {
			began = time.Now()
		}
		settle = time.After(atomicfile.SettleAfter(time.Since(began)))
	}
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-events:
			if !ok {
				events = nil
			} else if names[filepath.Base(e.Name)] {
				event()
			}
		case err, ok := <-errs:
			if !ok {
				errs = nil
			} else {
				r.log.Warn("watching the folder of authorized_keys", "err", err)
				event()
			}
		case <-settle:
			settle = nil
			_ = r.Reload() // logged there; compares bytes, so misses no edit
		case <-ticker.C:
			r.refresh()
		}
	}
}
