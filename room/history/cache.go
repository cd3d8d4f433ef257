package history

import (
	"container/list"
	"sync"
)

// cache keeps at most max values, of which those that nobody uses go first, least recently used
// ones before others; those in use stay in any case. All methods may be called concurrently.
type cache[V any] struct {
	max  int
	drop func(V) // called for each value that goes, without the lock

	mu    sync.Mutex // guards the rest, and the fields of items marked so
	items map[string]*item[V]
	idle  list.List // of *item[V] without users, least recently used first
	out   []V       // to be dropped
}

// item is a value in the cache. Whoever got it from get must release it.
type item[V any] struct {
	key  string
	refs int           // guarded by cache.mu
	elem *list.Element // guarded by cache.mu: its place in idle

	loading sync.Mutex // guards the rest until loaded is true, then it is fixed
	loaded  bool
	val     V
}

func newCache[V any](max int, drop func(V)) *cache[V] {
	return &cache[V]{max: max, drop: drop, items: make(map[string]*item[V])}
}

// get returns the item for key, loading it when needed; others who ask for it meanwhile wait. After an
// error, which is load's, there is nothing to release and the next get loads again.
func (c *cache[V]) get(key string, load func() (V, error)) (*item[V], error) {
	c.mu.Lock()
	it := c.items[key]
	if it == nil {
		it = &item[V]{key: key}
		c.items[key] = it
	}
	if it.refs++; it.elem != nil {
		c.idle.Remove(it.elem)
		it.elem = nil
	}
	c.mu.Unlock()
	it.loading.Lock()
	var err error
	if !it.loaded {
		it.val, err = load()
		it.loaded = err == nil
	}
	it.loading.Unlock()
	if err != nil {
		c.release(it)
		return nil, err
	}
	return it, nil
}

// release ends one use of it.
func (c *cache[V]) release(it *item[V]) {
	c.update(func() {
		it.refs--
		switch {
		case it.refs > 0:
		case it.loaded && c.items[it.key] == it:
			it.elem = c.idle.PushBack(it)
		default:
			c.unlink(it)
		}
		for len(c.items) > c.max && c.idle.Len() > 0 {
			c.unlink(c.idle.Front().Value.(*item[V]))
		}
	})
}

// forget makes the next get of key load it again. Whoever still uses the old value
// may go on.
func (c *cache[V]) forget(key string) {
	c.update(func() {
		if it := c.items[key]; it != nil {
			c.unlink(it)
		}
	})
}

// has reports whether get still gives it.
func (c *cache[V]) has(it *item[V]) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.items[it.key] == it
}

// clear forgets everything.
func (c *cache[V]) clear() {
	c.update(func() {
		for _, it := range c.items {
			c.unlink(it)
		}
	})
}

func (c *cache[V]) update(change func()) {
	c.mu.Lock()
	change()
	out := c.out
	c.out = nil
	c.mu.Unlock()
	for _, v := range out {
		c.drop(v)
	}
}

// unlink takes it out of the cache, and drops it when nobody uses it.
func (c *cache[V]) unlink(it *item[V]) {
	if c.items[it.key] == it {
		delete(c.items, it.key)
	}
	if it.elem != nil {
		c.idle.Remove(it.elem)
		it.elem = nil
	}
	if it.refs == 0 && it.loaded {
		c.out = append(c.out, it.val)
	}
}
