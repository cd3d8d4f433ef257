package history

import (
	"container/list"
	"sync"
)

// cache keeps at most max values that nobody uses, the ones used last, and all
// that are in use. Values are loaded when first asked for; who asks for one
// that is being loaded waits for it. All methods may be called concurrently.
type cache[V any] struct {
	max  int
	drop func(V) // called for each value that goes, without the lock

	mu    sync.Mutex // guards the rest, and the fields of items marked so
	items map[string]*item[V]
	idle  list.List // of *item[V] without users, least recently used first
}

// item is a value in the cache. Who got it from get must release it.
type item[V any] struct {
	key  string
	refs int           // guarded by cache.mu
	gone bool          // guarded by cache.mu: no longer in items
	elem *list.Element // guarded by cache.mu: its place in idle

	loading sync.Mutex // guards the rest until loaded is true, then it is fixed
	loaded  bool
	val     V
}

func newCache[V any](max int, drop func(V)) *cache[V] {
	return &cache[V]{max: max, drop: drop, items: make(map[string]*item[V])}
}

// get returns the item for key, loading it when needed. After an error, which
// is load's, there is nothing to release and the next get loads again.
func (c *cache[V]) get(key string, load func() (V, error)) (*item[V], error) {
	it := c.pin(key)
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

func (c *cache[V]) pin(key string) *item[V] {
	c.mu.Lock()
	defer c.mu.Unlock()
	it := c.items[key]
	if it == nil {
		it = &item[V]{key: key}
		c.items[key] = it
	}
	it.refs++
	if it.elem != nil {
		c.idle.Remove(it.elem)
		it.elem = nil
	}
	return it
}

// release ends one use of it.
func (c *cache[V]) release(it *item[V]) {
	c.mu.Lock()
	it.refs--
	var out []*item[V]
	if it.refs == 0 {
		if it.gone || !it.loaded {
			out = c.unlink(out, it)
		} else {
			it.elem = c.idle.PushBack(it)
		}
	}
	out = c.evict(out, c.max)
	c.mu.Unlock()
	c.dropAll(out)
}

// forget makes the next get of key load it again. Who still uses the old value
// may go on.
func (c *cache[V]) forget(key string) {
	c.mu.Lock()
	var out []*item[V]
	if it := c.items[key]; it != nil {
		out = c.unlink(out, it)
	}
	c.mu.Unlock()
	c.dropAll(out)
}

// clear forgets everything.
func (c *cache[V]) clear() {
	c.mu.Lock()
	var out []*item[V]
	for _, it := range c.items {
		out = c.unlink(out, it)
	}
	c.mu.Unlock()
	c.dropAll(out)
}

// evict unlinks idle items until at most max items are left.
func (c *cache[V]) evict(out []*item[V], max int) []*item[V] {
	for len(c.items) > max && c.idle.Len() > 0 {
		out = c.unlink(out, c.idle.Front().Value.(*item[V]))
	}
	return out
}

// unlink takes it out of the cache and, when nobody uses it, adds it to out,
// which is to be dropped.
func (c *cache[V]) unlink(out []*item[V], it *item[V]) []*item[V] {
	if c.items[it.key] == it {
		delete(c.items, it.key)
	}
	it.gone = true
	if it.elem != nil {
		c.idle.Remove(it.elem)
		it.elem = nil
	}
	if it.refs == 0 && it.loaded {
		out = append(out, it)
	}
	return out
}

func (c *cache[V]) dropAll(out []*item[V]) {
	for _, it := range out {
		c.drop(it.val)
	}
}
